/**
 * Goal: a long value that an update of the key leaves out is never taken from another row, which a chunk that was
 * read before shows under that key. Method: a real server, whose first chunk is held until the stream has gone on.
 */
import { afterEach, expect, it } from "vitest";
import { createPostgresConnector } from "../../connectors/postgres/connector.js";
import type { Connector } from "../../src/connector/connector.js";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresVersion } from "../support/postgres-server.js";
import { PostgresWorld } from "../support/postgres-world.js";
import { startPipeline } from "../support/scripted-pipeline.js";
import type { ScriptedPipeline } from "../support/scripted-pipeline.js";

const versions: readonly PostgresVersion[] = [18, 15];
/** Stored apart from its row, and short enough that four go into one lap of `rows`. */
const LONG = 2_200;

let running: ScriptedPipeline | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

/** `meanwhile` happens after the first chunk was read and before it is handed out. */
function gated(meanwhile: () => Promise<void>): Connector {
  const connector = createPostgresConnector() as Connector;
  let chunks = 0;
  return {
    ...connector,
    open: async (context) => {
      const session = await connector.open(context);
      const { copy } = session;
      return Object.assign(session, {
        copy: {
          estimate: copy?.estimate.bind(copy),
          chunk: async (...request: Parameters<NonNullable<typeof copy>["chunk"]>) => {
            const chunk = await copy?.chunk(...request);
            chunks += 1;
            if (chunks === 1) await meanwhile();
            return chunk;
          },
        },
      });
    },
  };
}

it.each(versions)("rows of Postgres %i under keys of others keep their values", async (version) => {
  const database = await freshDatabase(version);
  await database.exec(`create table items (id int primary key, note text);
    alter table items alter note set storage external;
    insert into items select n, repeat(n::text, ${LONG}) from generate_series(1, 4) n`);
  const connector = gated(async () => {
    await database.exec("delete from items where id = 2; update items set id = 2 where id = 1");
    await database.exec(`update items set id = 9 where id = 3; update items set id = 3 where id = 4;
      update items set id = 4 where id = 9`);
    await database.exec("insert into items values (5, 'last')");
    await expect.poll(() => running?.rows(), { timeout: 10_000 }).toContain('i 5,"last"');
  });
  running = await startPipeline(connector, new PostgresWorld(database).options);
  await expect.poll(() => running?.copying(), { timeout: 10_000 }).toBe(0);
  const shown = (await running.rows()).map((line) => line.replace(/(.)\1+/, "$1"));
  expect(shown.sort()).toEqual(['i 2,"1"', 'i 3,"4"', 'i 4,"3"', 'i 5,"last"']);
});
