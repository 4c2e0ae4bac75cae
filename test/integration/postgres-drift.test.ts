/**
 * Goal: whatever is done to tables while they are written to, the stream goes on and devices end with what
 * the tables hold, column by column; a new column reaches open devices with its type in the commit of the
 * first row that has it. Method: real servers, a writer that never rests, the whole service, a device.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FollowedDevice } from "../support/followed-device.js";
import { PATIENCE_MS } from "../support/patience.js";
import { pause, withClient } from "../support/postgres-machine.js";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";

const versions: readonly PostgresVersion[] = [18, 15];

/** Writes before and after each change of a table. */
const AROUND_MS = 150;
const KEYS = 60;

let database: PostgresDatabase;
let device: FollowedDevice;
let writer: Writer;

/** Inserts, updates and deletes rows of tables that have `id` and `n`, one transaction after the other. */
class Writer {
  /** What is written to; those that are not there, or refuse, are passed over. */
  tables = ["goods", "logs"];
  refusals = 0;
  #goesOn = true;
  #count = 0;
  readonly #ended: Promise<void>;

  constructor() {
    this.#ended = withClient(database, async (client) => {
      while (this.#goesOn) {
        const table = this.tables[this.#count % this.tables.length] ?? "goods";
        const id = (this.#count * 7) % KEYS;
        this.#count += 1;
        const what = [
          `insert into ${table} (id, n) values (${id}, ${this.#count}) on conflict (id)
             do update set n = excluded.n`,
          `update ${table} set n = n + 1 where id between ${id} and ${id + 3}`,
          `delete from ${table} where id = ${id + 5}`,
        ];
        await client
          .query(`begin; ${what[0] ?? ""}; ${what[1 + (this.#count % 2)] ?? ""}; commit`)
          .catch(async () => {
            this.refusals += 1;
            await client.query("rollback");
          });
        await pause(2);
      }
    });
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await this.#ended;
  }
}

/** The statements as one transaction between writes, then writes for a while. */
async function alter(...statements: string[]): Promise<void> {
  await pause(AROUND_MS);
  await database.exec(statements.join("; "));
  await pause(AROUND_MS);
}

/** Text of every value, as both print them: integers, decimals and texts. */
async function rowsOf(table: string): Promise<Record<string, string | null>[]> {
  const [shape = {}] = await database.query(
    `select string_agg(format('%I::text', attname), ', ' order by attnum) list from pg_attribute
       where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped`,
  );
  const rows = await database.query(
    `select ${String(shape["list"])} from ${table} order by ${table}.id`,
  );
  return rows.map((row) => sorted(row));
}

function heldOf(table: string): Record<string, string | null>[] {
  if (device.columns(table).length === 0) return [];
  return device.all(`select * from "${table}" order by id`).map((row) => sorted(row));
}

/** Where a column stands in its table differs. */
function sorted(row: Readonly<Record<string, unknown>>): Record<string, string | null> {
  const cells = Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    cells.map(([name, value]) => [name, value === null ? null : String(value as string | bigint)]),
  );
}

/** The writer rests, and the device holds just what the tables do. */
async function followed(...tables: string[]): Promise<void> {
  await writer.stop();
  const deadline = performance.now() + PATIENCE_MS;
  for (const table of tables) {
    for (;;) {
      const wanted = await rowsOf(table);
      const held = heldOf(table);
      if (JSON.stringify(held) === JSON.stringify(wanted)) break;
      expect(device.tables.failure, "the pipeline goes on").toBeUndefined();
      if (performance.now() > deadline) expect(held, table).toEqual(wanted);
      await pause(30);
    }
  }
}

function typeOf(table: string, column: string): string | undefined {
  return device.columns(table).find(({ name }) => name === column)?.type;
}

describe.each(versions)("while Postgres %i is written to", (version) => {
  beforeEach(async () => {
    database = await freshDatabase(version);
    await database.exec(`create table goods (id int primary key, n int, name text, price int);
      create table logs (id int primary key, n int, what text) partition by range (id);
      create table logs_1 partition of logs for values from (0) to (30);
      create table logs_2 partition of logs for values from (30) to (1000);
      insert into goods select k, 0, 'name ' || k, k * 10 from generate_series(0, 40) k;
      insert into logs select k, 0, 'what ' || k from generate_series(0, 40) k`);
    device = new FollowedDevice(database);
    await device.start();
    writer = new Writer();
  });

  afterEach(async () => {
    await writer.stop();
    await device.close();
  });

  it("a column that is added comes with its type, in the commit of the row that first has it", async () => {
    const seen = new Set<string>();
    device.sync.on("changed", () => {
      if (device.all("select 1 from goods where id = 900").length === 0) return;
      const held = typeOf("goods", "extra") === undefined ? "no column" : typeOf("goods", "extra");
      const [row] = held === "TEXT" ? device.all("select extra from goods where id = 900") : [];
      seen.add(`${held ?? ""} ${String(row?.["extra"])}`);
    });
    await alter(
      "alter table goods add column extra numeric(10,2)",
      "insert into goods (id, n, extra) values (900, 1, 1.5)",
    );
    await followed("goods", "logs");
    expect([...seen]).toEqual(["TEXT 1.50"]);
  });

  it("a column that is added with a value for the rows there are reaches them", async () => {
    await alter("alter table goods add column stock int not null default 7");
    await followed("goods", "logs");
    expect(typeOf("goods", "stock")).toBe("INTEGER");
  });

  it("a column that is dropped goes", async () => {
    await alter("alter table goods drop column price");
    await followed("goods", "logs");
    expect(device.columns("goods").map(({ name }) => name)).toEqual(["id", "n", "name"]);
  });

  it("a column that is renamed keeps its values under the new name", async () => {
    await alter("alter table goods rename column name to title");
    await alter("update goods set title = 'new ' || id where id < 10");
    await followed("goods", "logs");
    expect(device.columns("goods").map(({ name }) => name)).toContain("title");
  });

  it("a column that gets another type has its values in it", async () => {
    await alter("alter table goods alter column price type text using 'p' || price");
    await followed("goods", "logs");
    expect(typeOf("goods", "price")).toBe("TEXT");
  });

  it("a column that gets a wider type has values that only fit there", async () => {
    await alter(
      "alter table goods alter column price type bigint",
      "update goods set price = 9223372036854775807 where id < 5",
    );
    await followed("goods", "logs");
  });

  it("columns that swap their names swap their values", async () => {
    await alter(
      "alter table goods add column other int",
      "update goods set other = -price",
      "alter table goods rename column price to between",
      "alter table goods rename column other to price",
      "alter table goods rename column between to other",
    );
    await followed("goods", "logs");
  });

  it("a key that is another column from now on", async () => {
    await alter(
      "alter table goods add column code text",
      "update goods set code = 'c' || id",
      "delete from goods where code is null",
      "alter table goods drop constraint goods_pkey",
      "alter table goods add primary key (code)",
      "alter table goods alter column code set default gen_random_uuid()::text",
      "create unique index on goods (id)",
    );
    await followed("goods", "logs");
  });

  it("a table that is renamed goes on under its new name", async () => {
    await alter("alter table goods rename to wares");
    writer.tables = ["wares", "logs"];
    await pause(AROUND_MS);
    await followed("wares", "logs");
    await device.until("nothing is left under the old name", () => heldOf("goods").length === 0);
  });

  it("a table that is dropped and made anew, otherwise than it was", async () => {
    await alter(
      "drop table goods",
      "create table goods (id int primary key, n int, label text, size numeric)",
      "insert into goods values (1, 1, 'new', 1.10), (2, 2, null, 'NaN')",
    );
    await followed("goods", "logs");
    expect(typeOf("goods", "size")).toBe("TEXT");
  });

  it("a column that is added to a table with partitions", async () => {
    await alter(
      "alter table logs add column level int",
      "update logs set level = id where id between 25 and 35",
    );
    await followed("goods", "logs");
  });

  it("partitions that are attached and detached", async () => {
    await alter(
      "create table logs_3 (id int primary key, n int, what text)",
      "insert into logs_3 select k, 0, 'third ' || k from generate_series(1000, 1010) k",
      "alter table logs attach partition logs_3 for values from (1000) to (2000)",
    );
    await alter("alter table logs detach partition logs_1");
    await followed("goods", "logs", "logs_1");
  });

  it("a partition whose columns stand in another order", async () => {
    await alter(
      "create table logs_3 (what text, dropped int, n int, id int primary key)",
      "alter table logs_3 drop column dropped",
      "insert into logs_3 (id, n, what) values (1000, 1, 'one'), (1001, 2, 'two')",
      "alter table logs attach partition logs_3 for values from (1000) to (2000)",
    );
    await alter("update logs set n = 5, what = 'changed' where id = 1001");
    await followed("goods", "logs");
  });

  it("a replica identity that is full, an index, nothing, and the key again", async () => {
    await alter("alter table goods replica identity full");
    await alter(
      "alter table goods replica identity default",
      "alter table goods alter column n set not null",
      "create unique index goods_n on goods (id, n)",
      "alter table goods replica identity using index goods_n",
    );
    await alter("delete from goods where id = 3", "update goods set name = 'x' where id = 4");
    const { refusals } = writer;
    await alter("alter table goods replica identity nothing");
    await alter("alter table goods replica identity default");
    await alter("update goods set name = 'again' where id = 5");
    await followed("goods", "logs");
    // Postgres itself refuses updates of a published table that has none.
    expect(writer.refusals).toBeGreaterThanOrEqual(refusals);
  });
});
