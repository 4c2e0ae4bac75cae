/** The copy of existing rows, on real servers, beside the stream (architecture §5, initial copy). */
import { afterEach, describe, expect, it } from "vitest";
import type { CopyRow } from "../../src/connector/connector.js";
import type { RowChange } from "../../src/model/change.js";
import { freshDatabase, startPostgres } from "../support/postgres-server.js";
import type {
  PostgresDatabase,
  PostgresServer,
  PostgresVersion,
} from "../support/postgres-server.js";
import { chunkOf, copyAll, powerOf, PostgresWorld, relationOf } from "../support/postgres-world.js";
import type { PostgresWorldOptions } from "../support/postgres-world.js";
import { systemSleep } from "../support/stream-world.js";
import type { Reading } from "../support/stream-world.js";

const versions: readonly PostgresVersion[] = [18, 15];

const worlds: PostgresWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function opened(
  database: PostgresDatabase,
  options?: PostgresWorldOptions,
): Promise<Reading> {
  const world = new PostgresWorld(database, options);
  worlds.push(world);
  return world.open();
}

function keysOf(rows: readonly CopyRow[]): string[] {
  return rows.map(({ identity }) => identity);
}

describe.each(versions)("a copy from Postgres %i", (version) => {
  it("shows every row once, in key order, in chunks of at most so many rows", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (a int, b text, c text, primary key (b, a));
      insert into items select n % 7, 'it''s "' || n || '" \\' , null
        from generate_series(1, 95) n`);
    const reading = await opened(database);
    const { rows, chunks } = await copyAll(reading, "public.items", { rowsMax: 10 });
    expect(chunks.map((chunk) => chunk.rows.length)).toEqual([...Array<number>(9).fill(10), 5]);
    const found = await database.query(
      "select json_build_array(a, b)::text as key from items order by b, a",
    );
    const plain = (text: unknown): string => JSON.stringify(JSON.parse(String(text)));
    expect(keysOf(rows)).toEqual(found.map(({ key }) => plain(key)));
  });

  it("ends a chunk of rows of the exact number with an empty one at most", async () => {
    const database = await freshDatabase(version);
    await database.exec(
      "create table items (id int primary key); insert into items select generate_series(1, 20)",
    );
    const reading = await opened(database);
    const { rows } = await copyAll(reading, "public.items", { rowsMax: 10 });
    expect(rows).toHaveLength(20);
  });

  it("keeps a chunk near its bytes, and always goes on by a row", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (id int primary key, body text);
      insert into items select n, repeat('x', 1000 * (1 + n % 3)) from generate_series(1, 200) n`);
    const reading = await opened(database);
    const { rows, chunks } = await copyAll(reading, "public.items", { bytesMax: 20_000 });
    expect(rows).toHaveLength(200);
    const sizes = chunks.map((chunk) => chunk.rows.map(({ values }) => values.join("").length));
    for (const size of sizes) {
      expect(size.slice(0, -1).reduce((sum, each) => sum + each, 0)).toBeLessThan(20_000);
    }
    const tiny = await chunkOf(reading, relationOf(reading, "public.items"), undefined, {
      bytesMax: 1,
    });
    expect(keysOf(tiny.rows)).toEqual(["[1]"]);
    expect(tiny.next).toBeDefined();
  });

  it("pages by the order of the key's own type, wherever its operators are", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create schema tools; create extension citext schema tools;
      create domain word as tools.citext;
      create table items (id word primary key, kind regtype);
      insert into items select w, 'tools.citext'
        from unnest(array['a','B','c','D','e','_','Z']) w`);
    const reading = await opened(database);
    const { rows } = await copyAll(reading, "public.items", { rowsMax: 1 });
    expect(keysOf(rows)).toEqual(["_", "a", "B", "c", "D", "e", "Z"].map((id) => `["${id}"]`));
    expect(rows[0]?.values[1]).toBe('"tools.citext"');
  });

  it("finds tables whose names need quotes", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create schema "My Shop"; create table "My Shop"."we.ird ""Tab" (
      "Id" int primary key, "select" text); insert into "My Shop"."we.ird ""Tab" values (1, 'a')`);
    const reading = await opened(database, {
      relations: ["My Shop.*"],
      publication: `It's "mine"`,
    });
    await database.exec(`update "My Shop"."we.ird ""Tab" set "select" = 'b'`);
    expect(await reading.take(1)).toEqual(["~ My Shop.we.ird Tab 1,b"]);
    const { rows } = await copyAll(reading, 'My Shop.we.ird "Tab');
    expect(rows.map(({ values }) => values)).toEqual([["1", '"b"']]);
  });

  it("tells which partition holds a row, by the columns of the root (P-18)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`
      create table logs (id int, day int, text text, primary key (id, day))
        partition by range (day);
      create table logs_1 partition of logs for values from (0) to (10);
      create table logs_2 (text text, day int not null, id int not null, primary key (id, day))
        partition by list (id);
      alter table logs attach partition logs_2 for values from (10) to (20);
      create table logs_2_any partition of logs_2 default;
      insert into logs values (1, 5, 'a'), (2, 15, 'b')`);
    const reading = await opened(database);
    await database.exec("insert into logs values (3, 16, 'c')");
    await reading.until(() => reading.changes.length === 1);
    const { rows } = await copyAll(reading, "public.logs", { rowsMax: 2 });
    expect(rows.map(({ leaf, values }) => [leaf, ...values])).toEqual([
      ["public.logs_1", "1", "5", '"a"'],
      ["public.logs_2_any", "2", "15", '"b"'],
      ["public.logs_2_any", "3", "16", '"c"'],
    ]);
    const [change] = reading.changes as RowChange[];
    expect(change?.values).toEqual(rows[2]?.values);
    expect(change?.leaf).toBe(rows[2]?.leaf);
    expect(change?.relation.fingerprint).toBe(rows[2]?.relation.fingerprint);
  });

  it("leaves out the rows of tables that inherit, which are tables of their own", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table base (id int primary key); insert into base values (1);
      create table derived (primary key (id)) inherits (base); insert into derived values (2)`);
    const reading = await opened(database);
    expect(keysOf((await copyAll(reading, "public.base")).rows)).toEqual(["[1]"]);
    expect(keysOf((await copyAll(reading, "public.derived")).rows)).toEqual(["[2]"]);
  });

  it("has no rows of a table that cannot tell them apart", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table logs (text text); insert into logs values ('a'), ('a');
      alter table logs replica identity full`);
    const reading = await opened(database);
    const { rows, chunks } = await copyAll(reading, "public.logs");
    expect([rows.length, chunks.length]).toEqual([0, 1]);
  });

  it.each(["ours", "stored", "none"])("shows the columns of the stream (P-16): %s", async (how) => {
    const database = await freshDatabase(version);
    if (how !== "ours") {
      const option = version < 18 ? "" : `with (publish_generated_columns = ${how})`;
      await database.exec(`create publication changecast ${option}`);
    }
    const virtual = version < 18 ? "" : ", virtual int generated always as (id * 3) virtual";
    await database.exec(`create table items (id int primary key,
        double int generated always as (id * 2) stored, name text ${virtual});
      insert into items values (1, default, 'a')`);
    const reading = await opened(database);
    await database.exec("insert into items values (2, default, 'b')");
    await reading.until(() => reading.changes.length === 1);
    const { rows } = await copyAll(reading, "public.items");
    const isShown = version >= 18 && how !== "none";
    expect(rows.map(({ values }) => values)).toEqual([
      ["1", ...(isShown ? ["2"] : []), '"a"'],
      ["2", ...(isShown ? ["4"] : []), '"b"'],
    ]);
    const [change] = reading.changes as RowChange[];
    expect(change?.values).toEqual(rows[1]?.values);
    expect(change?.relation).toEqual(rows[0]?.relation);
    const untold = [...(isShown ? [] : ["double"]), ...(version < 18 ? [] : ["virtual"])];
    expect([...(change?.relation.untold?.keys() ?? [])]).toEqual(untold);
  });

  it("says where its rows stand in the stream, and an idle stream is there soon", async () => {
    const database = await freshDatabase(version);
    await database.exec("create table items (id int primary key); insert into items values (1)");
    const reading = await opened(database);
    await reading.atHead();
    const startedAt = performance.now();
    for (let round = 0; round < 5; round += 1) {
      const { hi } = await chunkOf(reading, relationOf(reading, "public.items"));
      await reading.until(() => (reading.position?.position ?? "") >= hi);
    }
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it("places its rows behind every commit that they show, asynchronous ones included", async () => {
    const database = await freshDatabase(version);
    await database.exec("create table items (id int primary key)");
    const reading = await opened(database);
    await reading.atHead();
    // A stream that is slow to be read is behind what the rows show.
    reading.gate = systemSleep(400);
    const shown: number[] = [];
    for (let id = 1; id <= 20; id += 1) {
      const mode = id % 2 === 0 ? "on" : "off";
      await database.exec(
        `set synchronous_commit = ${mode}; insert into items values (${String(id)})`,
      );
      const { rows, hi } = await chunkOf(reading, relationOf(reading, "public.items"));
      shown.push(rows.length);
      await reading.until(() => (reading.position?.position ?? "") >= hi);
      expect(reading.changes.length).toBeGreaterThanOrEqual(rows.length);
      reading.gate = systemSleep(20);
    }
    expect(shown.at(-1)).toBe(20);
  });

  it("shows a table as it is at each chunk, its new columns included (P-19)", async () => {
    const database = await freshDatabase(version);
    await database.exec(
      "create table items (id int primary key); insert into items select generate_series(1, 20)",
    );
    const reading = await opened(database);
    const relation = relationOf(reading, "public.items");
    const first = await chunkOf(reading, relation, undefined, { rowsMax: 10 });
    await database.exec("alter table items add column name text default 'new'");
    const second = await chunkOf(reading, relation, first.next, { rowsMax: 10 });
    expect(first.rows[0]?.relation.fingerprint).toBe(relation.fingerprint);
    expect(second.rows[0]?.values).toEqual(["11", '"new"']);
    expect(second.rows[0]?.relation.fingerprint).not.toBe(relation.fingerprint);
    await database.exec("insert into items values (21, 'x')");
    await reading.until(() => reading.changes.length === 1);
    const [change] = reading.changes;
    expect(change?.relation.fingerprint).toBe(second.rows[0]?.relation.fingerprint);
  });

  it("refuses what the user may not read, instead of showing less", async () => {
    const database = await freshDatabase(version);
    const user = `reader_${database.database}`;
    await database.exec(`create table items (id int primary key);
      create table hidden (id int primary key); alter table hidden enable row level security;
      create role ${user} login replication password 'x'; grant select on hidden to ${user};
      create publication changecast for table items, hidden`);
    const reading = await opened(database, { user, password: "x" });
    const missing = copyAll(reading, "public.items");
    await expect(missing).rejects.toMatchObject({ code: "POSTGRES_PRIVILEGE_MISSING" });
    await reading.close();
    const again = await opened(database, { user, password: "x" });
    const filtered = copyAll(again, "public.hidden");
    await expect(filtered).rejects.toMatchObject({ code: "POSTGRES_PRIVILEGE_MISSING" });
  });

  it("knows about how many rows there are, once Postgres does", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (id int primary key);
      insert into items select generate_series(1, 500)`);
    await database.exec("analyze items");
    const reading = await opened(database);
    expect(await powerOf(reading).estimate(relationOf(reading, "public.items"))).toBe(500);
  });

  it("leaves no connection behind when the session is closed", async () => {
    const database = await freshDatabase(version);
    await database.exec("create table items (id int primary key); insert into items values (1)");
    const reading = await opened(database);
    await powerOf(reading).chunk(
      {
        ...{ relation: relationOf(reading, "public.items"), after: undefined },
        ...{ rowsMax: 10, bytesMax: 1_000 },
      },
      new AbortController().signal,
    );
    await reading.close();
    const left = async (): Promise<number> => {
      const [row] = await database.query(`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and application_name like 'changecast%'`);
      return Number(row?.["n"]);
    };
    for (let tries = 0; tries < 100 && (await left()) > 0; tries += 1) await systemSleep(20);
    expect(await left()).toBe(0);
  });

  it("comes to the table's own content while others write to it", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (id int primary key, n int);
      insert into items select n, 0 from generate_series(1, 2000) n`);
    const reading = await opened(database);
    let writes = 0;
    let isOver = false;
    const write = async (seed: number): Promise<void> => {
      while (!isOver) {
        const id = 1 + ((writes * 7_919 + seed * 104_729) % 2_500);
        const statements = [
          `insert into items values (${String(id)}, ${String(writes)})
             on conflict (id) do update set n = excluded.n + 1`,
          `delete from items where id = ${String(id)}`,
          `update items set id = id + 5000 where id = ${String(id)}`,
        ];
        await database.exec(statements[writes % 3] ?? "");
        writes += 1;
      }
    };
    const writers = [write(1), write(2), write(3)];
    const kept = await followed(reading);
    isOver = true;
    await Promise.all(writers);
    await reading.atHead();
    const model = await kept();
    const rows = await database.query("select id, n from items order by id");
    expect(writes).toBeGreaterThan(20);
    expect([...model].sort(([a], [b]) => a - b)).toEqual(rows.map(({ id, n }) => [id, n]));
  });
});

/** Copies the items beside the stream as the pipeline does: what the stream touched meanwhile wins. */
async function followed(reading: Reading): Promise<() => Promise<Map<number, number>>> {
  const relation = relationOf(reading, "public.items");
  const model = new Map<number, number>();
  let applied = 0;
  const touched = new Set<number>();
  const apply = (upTo: string): void => {
    const { transactions } = reading;
    for (; applied < transactions.length; applied += 1) {
      const transaction = transactions[applied];
      if (transaction === undefined || transaction.position > upTo) return;
      for (const change of transaction.changes as RowChange[]) {
        const [id = 0] = JSON.parse(change.identity ?? "[]") as number[];
        const [previous] = JSON.parse(change.previous ?? "[]") as number[];
        touched.add(id);
        if (previous !== undefined) {
          touched.add(previous);
          model.delete(previous);
        }
        if (change.op === "delete") model.delete(id);
        else model.set(id, Number(change.values[1]));
      }
    }
  };
  for (let after: string | undefined; ;) {
    // What was read before the request is in the rows; what comes from here on may be or not.
    apply("G");
    touched.clear();
    const chunk = await chunkOf(reading, relation, after, { rowsMax: 37 });
    await reading.until(() => (reading.position?.position ?? "") >= chunk.hi);
    apply("G");
    for (const { identity, values } of chunk.rows) {
      const [id = 0] = JSON.parse(identity) as number[];
      if (!touched.has(id)) model.set(id, Number(values[1]));
    }
    after = chunk.next;
    if (after === undefined) break;
  }
  return async () => {
    apply("G");
    return model;
  };
}

describe.each(versions)("a commit of Postgres %i that waits for a standby", (version) => {
  const servers: PostgresServer[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  it("is streamed before snapshots show it; chunks wait, after a restart too", async () => {
    const server = await startPostgres({ version, exclusive: true });
    servers.push(server);
    const database = await server.createDatabase("shop");
    await database.exec("create table items (id int primary key); insert into items values (1)");
    const world = new PostgresWorld(database);
    worlds.push(world);
    const first = await world.open();
    first.acknowledges = false;
    await waitFor(server, "nobody");
    const committing = database.exec("insert into items values (2)");
    await first.until(() => first.changes.length === 1);
    const { position } = first;
    await expectWaiting(first);
    await first.close();
    const second = await world.open(position);
    expect(second.lost).toBeUndefined();
    const chunk = chunkOf(second, relationOf(second, "public.items"));
    let isThere = false;
    const watched = chunk.then(() => (isThere = true));
    await systemSleep(300);
    expect(isThere).toBe(false);
    await waitFor(server, "");
    await committing;
    await watched;
    expect(keysOf((await chunk).rows)).toEqual(["[1]", "[2]"]);
    await world.close();
  });

  it("is described by the catalogue that it left, not by the one before (P-19)", async () => {
    const server = await startPostgres({ version, exclusive: true });
    servers.push(server);
    const database = await server.createDatabase("shop");
    await database.exec("create table items (id int primary key, code int not null)");
    const world = new PostgresWorld(database);
    worlds.push(world);
    const reading = await world.open();
    await reading.atHead();
    await waitFor(server, "nobody");
    const committing = database.exec(`begin; create unique index on items (code);
      alter table items rename to things; insert into things values (1, 1); commit`);
    await systemSleep(500);
    expect(reading.changes).toEqual([]);
    await waitFor(server, "");
    await committing;
    expect(await reading.take(1)).toEqual(["+ things 1,1"]);
    expect(reading.changes[0]?.relation.uniqueKeys).toEqual([["id"], ["code"]]);
    await world.close();
  });
});

async function waitFor(server: PostgresServer, standby: string): Promise<void> {
  await server.query(`alter system set synchronous_standby_names = '${standby}'`);
  await server.query("select pg_reload_conf()");
  await systemSleep(200);
}

/** The chunk does not come while the reading lasts; it is given up with it. */
async function expectWaiting(reading: Reading): Promise<void> {
  let isThere = false;
  const chunk = chunkOf(reading, relationOf(reading, "public.items")).then(
    () => (isThere = true),
    () => undefined,
  );
  await systemSleep(300);
  expect(isThere).toBe(false);
  chunk.catch(() => undefined);
}
