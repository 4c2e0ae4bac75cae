/**
 * What must survive in the Postgres connector: restarts, idle and silent databases, lost slots, publications
 * made anew, restored databases. Numbers are those of the pitfalls that each test stands for.
 */
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import { freshDatabase, startPostgres } from "../support/postgres-server.js";
import type {
  PostgresDatabase,
  PostgresServer,
  PostgresVersion,
} from "../support/postgres-server.js";
import { chunkOf, PostgresWorld, relationOf } from "../support/postgres-world.js";
import type { PostgresWorldOptions } from "../support/postgres-world.js";
import { StreamWorld, systemSleep } from "../support/stream-world.js";
import type { Reading } from "../support/stream-world.js";

const versions: readonly PostgresVersion[] = [18, 15];

const worlds: PostgresWorld[] = [];
const servers: PostgresServer[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
  for (const server of servers.splice(0)) await server.close();
});

function worldOf(database: PostgresDatabase, options?: PostgresWorldOptions): PostgresWorld {
  const world = new PostgresWorld(database, options);
  worlds.push(world);
  return world;
}

async function ownServer(
  version: PostgresVersion,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const server = await startPostgres({ version, settings, exclusive: true });
  servers.push(server);
  return server;
}

const items = "create table items (id int primary key, name text)";

async function insert(database: PostgresDatabase, id: number): Promise<void> {
  await database.exec(`insert into items values (${String(id)}, 'n')`);
}

/** Bytes between the slot's place and the end of the log. */
async function held(database: PostgresDatabase): Promise<number> {
  const [row] = await database.query(
    `select (pg_current_wal_lsn() - confirmed_flush_lsn)::float8 as bytes
       from pg_replication_slots where slot_name = $1`,
    [database.database],
  );
  return Number(row?.["bytes"]);
}

async function sent(reading: Reading): Promise<void> {
  await reading.atHead();
  // Acknowledgements are gathered for a tenth of a second.
  await systemSleep(300);
}

describe.each(versions)("the history of Postgres %i", (version) => {
  it("goes on behind the journal's position, without loss or doubles (P-1, P-2)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const first = await world.open();
    first.acknowledges = false;
    for (let id = 1; id <= 3; id += 1) await insert(database, id);
    await first.take(3);
    const [, second] = first.transactions;
    const kept = { generation: 1, position: second?.position ?? "", mark: second?.mark ?? "" };
    const memo = first.session.memo();
    await first.close();
    await insert(database, 4);
    const again = await world.open({ ...kept, memo });
    expect(again.lost).toBeUndefined();
    expect(await again.take(2)).toEqual(["+ items 3,n", "+ items 4,n"]);
  });

  it("is not told again once acknowledged, and the slot moves on (P-2, P-5)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const first = await world.open();
    await insert(database, 1);
    await first.take(1);
    await sent(first);
    expect(await held(database)).toBeLessThan(1_000);
    const { position } = first;
    await first.close();
    const again = await world.open(position);
    expect(again.lost).toBeUndefined();
    await insert(database, 2);
    expect(await again.take(1)).toEqual(["+ items 2,n"]);
  });

  it("orders transactions by their commits, whatever the order of their rows (P-3)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    await database.exec("create table steps (id int primary key)");
    const reading = await worldOf(database, { relations: ["public.items"] }).open();
    // The outer transaction writes first and commits last.
    const outer = database.exec(`begin; insert into items values (1, 'early');
      insert into steps values (1); select pg_sleep(0.6); commit`);
    await systemSleep(200);
    await insert(database, 2);
    await outer;
    expect(await reading.take(2)).toEqual(["+ items 2,n", "+ items 1,early"]);
    const positions = reading.transactions.map(({ position }) => position);
    expect([...positions].sort()).toEqual(positions);
  });

  it("lets an idle slot follow a database that is busy elsewhere (P-6)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table other (id int, body text)`);
    const reading = await worldOf(database, { relations: ["public.items"] }).open();
    await database.exec(
      "insert into other select n, repeat('x', 500) from generate_series(1, 20000) n",
    );
    expect(await held(database)).toBeGreaterThan(5_000_000);
    await reading.atHead();
    await expect.poll(() => held(database)).toBeLessThan(100_000);
    expect(reading.changes).toEqual([]);
  });

  it("stays connected to a database in which nothing happens", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    // Twenty times as fast: more than two minutes pass below.
    world.clock = {
      ...systemClock,
      monotonic: () => systemClock.monotonic() * 20,
      after: (ms, run) => systemClock.after(ms / 20, run),
    };
    const reading = await world.open();
    await reading.atHead();
    await systemSleep(7_000);
    expect(reading.failure).toBeUndefined();
    await insert(database, 1);
    expect(await reading.take(1)).toEqual(["+ items 1,n"]);
  });

  it("stays connected while nobody takes its batches, and loses nothing (P-7, P-9)", async () => {
    const server = await ownServer(version, { wal_sender_timeout: "3s" });
    await server.exec(items);
    const reading = await worldOf(server, { slot: "changecast" }).open();
    await reading.until(() => reading.batches.length > 0);
    let go = (): void => undefined;
    reading.gate = new Promise((resolve) => (go = resolve));
    await server.exec(`do $$ begin for i in 0..59 loop
      insert into items select i * 1000 + n, repeat('x', 500) from generate_series(1, 1000) n;
      commit; end loop; end $$`);
    await systemSleep(7_000);
    // What was not taken stays with the server, but for what the sockets hold.
    const [sender] = await server.query(
      "select (pg_current_wal_lsn() - sent_lsn)::float8 as unsent from pg_stat_replication",
    );
    expect(Number(sender?.["unsent"])).toBeGreaterThan(15_000_000);
    expect(reading.failure).toBeUndefined();
    go();
    await reading.take(60_000);
    await systemSleep(4_000);
    expect(reading.failure).toBeUndefined();
  });

  it("does not keep a server from stopping, and goes on when it is back (P-8, P-10)", async () => {
    const server = await ownServer(version);
    await server.exec(items);
    const world = worldOf(server, { slot: "changecast" });
    const first = await world.open();
    await insert(server, 1);
    await first.take(1);
    const startedAt = performance.now();
    await server.restart("fast");
    expect(performance.now() - startedAt).toBeLessThan(50_000);
    expect(await first.failed()).toMatchObject({ code: "CONNECTOR_CONNECTION_LOST" });
    const { position } = first;
    await first.close();
    const again = await world.open(position);
    expect(again.lost).toBeUndefined();
    await insert(server, 2);
    expect(await again.take(1)).toEqual(["+ items 2,n"]);
  });

  it("goes on after a crash of the server (P-5)", async () => {
    const server = await ownServer(version);
    await server.exec(items);
    const world = worldOf(server, { slot: "changecast" });
    const first = await world.open();
    for (let id = 1; id <= 3; id += 1) await insert(server, id);
    await first.take(3);
    await server.restart("immediate");
    await first.failed();
    const { position } = first;
    await first.close();
    await insert(server, 4);
    const again = await world.open(position);
    expect(again.lost).toBeUndefined();
    expect(await again.take(1)).toEqual(["+ items 4,n"]);
  });

  it("says what ended it: a killed walsender is a lost connection (P-10)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const reading = await world.open();
    await reading.atHead();
    await database.query(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1",
      [database.database],
    );
    expect(await reading.failed()).toMatchObject({ code: "CONNECTOR_CONNECTION_LOST" });
    const { position } = reading;
    await reading.close();
    expect((await world.open(position)).lost).toBeUndefined();
  });

  it("begins anew where the slot was lost, and copies what came meanwhile (P-11)", async () => {
    const server = await ownServer(version, {
      ...{ max_slot_wal_keep_size: "1MB", min_wal_size: "32MB", max_wal_size: "32MB" },
    });
    await server.exec(`${items}; create table other (id int, body text)`);
    const world = worldOf(server, { slot: "changecast", relations: ["public.items"] });
    const first = await world.open();
    await insert(server, 1);
    await first.take(1);
    const { position } = first;
    await first.close();
    await insert(server, 2);
    for (let round = 0; round < 6; round += 1) {
      await server.exec(`insert into other select n, repeat('x', 1000)
        from generate_series(1, 10000) n; select pg_switch_wal()`);
      await server.exec("checkpoint");
    }
    const [slot] = await server.query("select wal_status from pg_replication_slots");
    expect(slot).toEqual({ wal_status: "lost" });
    const again = await world.open(position);
    expect(again.session.generation).toBe(2);
    expect(again.lost).toMatchObject({ code: "POSTGRES_HISTORY_LOST" });
    expect(again.lost?.message).toContain("invalidated");
    const { rows } = await chunkOf(again, relationOf(again, "public.items"));
    expect(rows).toHaveLength(2);
    await insert(server, 3);
    expect(await again.take(1)).toEqual(["+ items 3,n"]);
  });

  it("begins anew where the slot was dropped or moved on by somebody else", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const first = await world.open();
    await insert(database, 1);
    await first.take(1);
    const { position } = first;
    await first.close();
    await insert(database, 2);
    await database.query("select pg_drop_replication_slot($1)", [database.database]);
    const second = await world.open(position);
    expect([second.session.generation, second.lost?.message]).toEqual([
      2,
      expect.stringContaining("the slot is gone"),
    ]);
    await second.atHead();
    const next = second.position;
    await second.close();
    await insert(database, 3);
    await database.query("select pg_replication_slot_advance($1, pg_current_wal_lsn())", [
      database.database,
    ]);
    const third = await world.open(next);
    expect([third.session.generation, third.lost?.message]).toEqual([
      3,
      expect.stringContaining("the slot stands behind what was read"),
    ]);
  });

  it("waits for older transactions to make a slot, and names them at last (P-12)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const writing = database.exec(
      "begin; insert into items values (1, 'a'); select pg_sleep(13); commit",
    );
    await systemSleep(200);
    const failing = worldOf(database).open();
    await expect(failing).rejects.toMatchObject({ code: "POSTGRES_SLOT_BUSY" });
    await expect(failing).rejects.toThrow(/process \d+ since/);
    await writing;
    const reading = await worldOf(database).open();
    const { rows } = await chunkOf(reading, relationOf(reading, "public.items"));
    expect(rows).toHaveLength(1);
  });

  it("begins anew where the publication was made anew while it was away (P-20)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const first = await world.open();
    await insert(database, 1);
    await first.take(1);
    const { position } = first;
    await first.close();
    await database.exec("drop publication changecast");
    await insert(database, 2);
    await database.exec("create publication changecast for table items");
    const again = await world.open(position);
    expect(again.lost?.message).toContain("the publication was dropped or made anew");
    expect(again.session.generation).toBe(2);
    await insert(database, 3);
    expect(await again.take(1)).toEqual(["+ items 3,n"]);
  });

  it("ends when the publication or a table of it goes while it reads (P-19, P-20)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table other (id int primary key)`);
    const world = new StreamWorld(database, { publication: "changecast", reconcileMs: 300 });
    const first = await world.open();
    await database.exec("alter publication changecast drop table items");
    expect(await first.failed()).toMatchObject({ code: "CONNECTOR_CONNECTION_LOST" });
    const { position } = first;
    await first.close();
    const second = await world.open(position);
    expect(second.lost?.message).toContain("out of the publication");
    await database.exec("drop publication changecast");
    expect(await second.failed()).toBeInstanceOf(AppError);
    const next = second.position;
    await second.close();
    const third = await world.open(next);
    expect(third.session.generation).toBe(3);
    await insert(database, 1);
    expect(await third.take(1)).toEqual(["+ items 1,n"]);
    await world.close();
  });

  it("begins anew in a restored database, which lacks the last commit", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const world = worldOf(database);
    const first = await world.open();
    first.acknowledges = false;
    for (let id = 1; id <= 3; id += 1) await insert(database, id);
    await first.take(3);
    const [, second] = first.transactions;
    const memo = first.session.memo();
    await first.close();
    const mark = (second?.mark ?? "").replace(/-(\d+)$/, "-1");
    const kept = { generation: 4, position: second?.position ?? "", mark, memo };
    const again = await world.open(kept);
    expect(again.session.generation).toBe(5);
    expect(again.lost?.message).toContain("restored");
    // Everything that the slot still has comes again: rows are upserted by their identity.
    expect((await again.take(3)).at(-1)).toBe("+ items 3,n");
    await again.close();
    const ahead = await world.open({ ...kept, position: "FFFFFFFF00000000", mark: "" });
    expect(ahead.lost?.message).toContain("restored to an earlier moment");
  });

  it("begins anew where a table was out of the publication for a while (P-19)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table other (id int primary key)`);
    const world = worldOf(database);
    const first = await world.open();
    await insert(database, 1);
    await first.take(1);
    const { position } = first;
    await first.close();
    await database.exec("alter publication changecast drop table items");
    await insert(database, 2);
    const again = await world.open(position);
    expect(again.lost?.message).toContain("out of the publication");
    await insert(database, 3);
    expect(await again.take(1)).toEqual(["+ items 3,n"]);
  });

  it("takes tables in that are new to the rules, without losing the others' history", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table other (id int primary key)`);
    const first = await worldOf(database, { relations: ["public.items"] }).open();
    await insert(database, 1);
    await first.take(1);
    const { position } = first;
    await first.close();
    await database.exec("insert into other values (1)");
    const again = await worldOf(database, { relations: ["public.*"] }).open(position);
    expect(again.lost).toBeUndefined();
    await database.exec("insert into other values (2)");
    expect(await again.take(1)).toEqual(["+ other 2"]);
  });

  it("shows prepared transactions when they are committed, and no others (P-23)", async () => {
    const server = await ownServer(version, { max_prepared_transactions: "5" });
    await server.exec(items);
    const reading = await worldOf(server, { slot: "changecast" }).open();
    await server.exec("begin; insert into items values (1, 'a'); prepare transaction 'one'");
    await server.exec("begin; insert into items values (2, 'b'); prepare transaction 'two'");
    await insert(server, 3);
    expect(await reading.take(1)).toEqual(["+ items 3,n"]);
    await server.query("commit prepared 'two'");
    await server.query("rollback prepared 'one'");
    expect(await reading.take(2)).toEqual(["+ items 3,n", "+ items 2,b"]);
  });

  it("passes over messages that applications put into the log (P-24)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const reading = await worldOf(database).open();
    await database.exec(`select pg_logical_emit_message(true, 'app', 'x');
      insert into items values (1, 'n'); select pg_logical_emit_message(false, 'app', 'y')`);
    expect(await reading.take(1)).toEqual(["+ items 1,n"]);
  });

  it("tells which partition a TRUNCATE emptied, none that is detached (P-17)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table logs (id int primary key) partition by range (id);
      create table logs_1 partition of logs for values from (0) to (10);
      create table logs_2 partition of logs for values from (10) to (20);
      insert into logs values (1), (11)`);
    const reading = await worldOf(database, { relations: ["public.logs"] }).open();
    await database.exec("truncate logs_2");
    await reading.take(1);
    await database.exec("alter table logs detach partition logs_2");
    await database.exec("insert into logs_2 values (12); insert into logs values (2)");
    expect((await reading.take(2)).slice(0, 2)).toEqual(["0 logs/logs_2", "+ logs/logs_1 2"]);
  });
});
