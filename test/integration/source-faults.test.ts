/**
 * Goal: whatever happens to the source while it is read, its state and the reason are shown, clients stay and
 * are told how old their data is, and all ends with what the database holds (architecture §11). Method: the
 * program as a process behind a proxy on a real Postgres; one fault after the other, each with its name.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pause } from "../support/postgres-machine.js";
import { type PostgresServer, startPostgres } from "../support/postgres-server.js";
import { ServedTable } from "../support/served-table.js";

/** A question to the database fails after 30 s; the next tick of the stream may be a second away. */
const HALF_OPEN_MS_MAX = 45_000;

let server: PostgresServer;
let served: ServedTable;

beforeAll(async () => {
  server = await startPostgres({ version: 18, exclusive: true });
  served = await ServedTable.create(
    await server.createDatabase("shop"),
    "limits: { staleAfter: 2s }\n",
  );
  await served.up();
});

beforeEach(async () => {
  // Its delays between tries begin anew.
  await served.program.stop();
  served.program.start();
  await served.program.ready();
  await served.sync.live();
  await expect.poll(async () => (await served.health()).fresh).toBe(true);
});

afterAll(async () => {
  await served.close();
  await server.close();
});

const slot = "slot_name = 'shop'";

async function terminate(): Promise<void> {
  await served.database.query(
    `select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where ${slot} and active`,
  );
}

/** Until `/freshz` shows what is wrong. */
async function why(pattern: RegExp, msMax = 15_000): Promise<void> {
  const until = Date.now() + msMax;
  for (;;) {
    const health = await served.health();
    const told = `${health.state}: ${health.why ?? ""}`;
    if (pattern.test(told)) return;
    if (Date.now() > until) expect(told, served.program.logTail(10)).toMatch(pattern);
    await pause(20);
  }
}

/** What the log has said since the fault. */
async function logged(from: number, text: string): Promise<void> {
  await expect.poll(() => served.program.log.slice(from)).toContain(text);
}

/** The session of the client outlived the fault. */
async function followed(when: string): Promise<void> {
  await served.write(3, when);
  await served.equal(when);
  expect(await served.program.metric("changecast_sessions"), when).toBe(1);
}

describe("a source that is read", () => {
  it("loses its walsender: it is opened again", async () => {
    const from = served.program.log.length;
    await terminate();
    await logged(from, "CONNECTOR_CONNECTION_LOST");
    await followed("after the walsender's end");
  });

  it("is cut off and refuses: it waits, clients are told that data is stale, then fresh", async () => {
    served.proxy.cut();
    await why(/^waiting: .*(?:ECONN|terminated|closed|ended)/);
    await expect.poll(() => served.sync.status.staleSources.size).toBe(1);
    await served.write(3, "while it was cut off");
    served.proxy.mend();
    await followed("after the cut");
    await expect.poll(() => served.sync.status.staleSources.size).toBe(0);
  });

  it("is half open, as behind a pulled cable: the silence is found out", async () => {
    served.proxy.freeze();
    await served.write(3, "while nothing moved");
    await why(/^(?:waiting|connecting): .*(?:timeout|nothing came)/i, HALF_OPEN_MS_MAX);
    served.proxy.mend();
    await followed("after the silence");
  });

  it.each(["fast", "immediate"] as const)("is stopped (%s) and comes back", async (mode) => {
    await server.stop(mode);
    await why(/^waiting: .*(?:ECONNREFUSED|terminated|reset|closed|starting|ended)/);
    await server.restart(mode);
    await followed(`after the server's end (${mode})`);
  });

  it("loses its slot: history is lost, tables are copied again", async () => {
    const from = served.program.log.length;
    served.proxy.cut();
    await terminate();
    await server.exec(`select pg_drop_replication_slot('shop')`);
    await served.database.exec("delete from stock where id = 1");
    served.proxy.mend();
    await logged(from, "the slot is gone");
    expect(served.program.log.slice(from)).toContain("POSTGRES_HISTORY_LOST");
    await followed("after the slot's loss");
    await expect.poll(() => served.gaps.length).toBeGreaterThan(0);
  });

  it("loses its publication, and one is made anew: tables are copied again", async () => {
    const from = served.program.log.length;
    await served.database.exec("drop publication shop");
    await served.database.exec("delete from stock where id = 2");
    await served.database.exec("create publication shop for table stock, trail");
    await logged(from, "the publication was dropped or made anew");
    await followed("after the publication was made anew");
  });
});
