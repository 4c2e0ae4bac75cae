/**
 * How fast a backlog of Postgres reaches a device: slot, rules, journal, broker, wire, SQLite; beside Postgres's own
 * subscription that fills a second server from a slot as old.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { changecast } from "../../src/client/client.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import { pause } from "../support/postgres-machine.js";
import { startPostgres } from "../support/postgres-server.js";
import type { PostgresServer } from "../support/postgres-server.js";
import { median, ratioOf, usageOf } from "./figure.js";
import type { Bench } from "./figure.js";
import { inserted } from "./ingest.js";
import { IngestWorld, itemsTable } from "./ingest-world.js";
import type { Reading } from "./ingest-world.js";
import { openDatabase } from "./local-store.js";

const STORES = 100;
/** Each look is a connection of its own. */
const LOOK_MS = 50;
const WAIT_MS = 600_000;

type Prepared = Awaited<ReturnType<IngestWorld["program"]>>;

export const subscriber: Bench = {
  name: "subscriber",
  run: async (isQuick) => {
    const rows = isQuick ? 100_000 : 500_000;
    const rounds = isQuick ? 1 : 3;
    const world = await IngestWorld.open();
    const second = await startPostgres({ version: 18, exclusive: true, settings: { fsync: "on" } });
    try {
      const readers: { readonly slot: string; readonly ours: Prepared }[] = [];
      for (let round = 0; round < rounds; round += 1) {
        readers.push({ slot: await world.slot(), ours: await world.program() });
      }
      await inserted(rows)(world);
      const end = await world.head();
      const ours: Reading[] = [];
      const plain: number[] = [];
      for (const { slot, ours: prepared } of readers) {
        plain.push(await subscription({ world, second, slot, rows }));
        ours.push(await device(world, prepared, { rows, end }));
      }
      const figure = Math.round(rows / median(ours.map(({ seconds }) => seconds)));
      const reference = Math.round(rows / median(plain));
      const what = "Postgres's own subscription filling a second server";
      return {
        ...{ bench: "subscriber", figure, unit: "rows/s", reference: { what, figure: reference } },
        ratio: ratioOf(figure, reference),
        cpuUsPerItem: Math.round((median(ours.map(({ cpuMs }) => cpuMs)) * 1_000) / rows),
        rssAnonMb: median(ours.map(({ rssAnonMb }) => rssAnonMb)),
        ...(isQuick ? { reduced: "100,000 rows instead of 500,000, one round" } : {}),
      };
    } finally {
      await second.close();
      await world.close();
    }
  },
};

/** From the start of the stream until a new SQLite file holds all rows of all channels. CPU and memory of program and client. */
async function device(
  world: IngestWorld,
  { program, slot }: Prepared,
  { rows, end }: { readonly rows: number; readonly end: string },
): Promise<Reading> {
  const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
  const database = openDatabase(join(folder, "store.db"));
  const cast = changecast({ url: program.url, WebSocket });
  const channels = Array.from({ length: STORES }, (_, store) => `store:${String(store)}`);
  program.start();
  await world.isRead(slot);
  const before = usageOf(process.pid).cpuMs;
  const startedAt = performance.now();
  await program.ready();
  const sync = cast.sync(sqliteStore(nodeSqlite(database)), channels);
  await sync.until("shop", end);
  const seconds = (performance.now() - startedAt) / 1_000;
  const [client, server] = [usageOf(process.pid), usageOf(program.pid ?? 0)];
  const found = database.prepare("SELECT count(*) AS rows FROM items").all();
  await cast.close();
  await program.stop();
  database.close();
  rmSync(folder, { recursive: true });
  if (JSON.stringify(found) !== JSON.stringify([{ rows }])) {
    throw new Error(`the device holds ${JSON.stringify(found)}, not ${String(rows)} rows`);
  }
  return {
    ...{ seconds, cpuMs: client.cpuMs - before + server.cpuMs },
    rssAnonMb: client.rssAnonMb + server.rssAnonMb,
  };
}

interface Subscribing {
  readonly world: IngestWorld;
  readonly second: PostgresServer;
  readonly slot: string;
  readonly rows: number;
}

/** Seconds from enabling the subscription until the last row is there. */
async function subscription({ world, second, slot, rows }: Subscribing): Promise<number> {
  const { host, port, user, password, database } = world.server;
  const login = `host=${host} port=${String(port)} user=${user} password=${password} dbname=${database}`;
  await second.exec(`drop table if exists items; ${itemsTable}`);
  await second.exec(`create subscription copy connection '${login}' publication bench
    with (create_slot = false, slot_name = '${slot}', enabled = false, copy_data = false)`);
  const startedAt = performance.now();
  await second.exec("alter subscription copy enable");
  await holds(second, rows);
  const seconds = (performance.now() - startedAt) / 1_000;
  await second.exec("alter subscription copy disable");
  await second.exec("alter subscription copy set (slot_name = none)");
  await second.exec("drop subscription copy");
  return seconds;
}

async function holds(server: PostgresServer, rows: number): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const [row] = await server.query("select max(id)::int as last from items");
    if (row?.["last"] === rows) return;
    if (performance.now() > deadline) throw new Error("the subscription did not fill in time");
    await pause(LOOK_MS);
  }
}
