/**
 * Goal: what only the SQLite store has to get right: how values lie in the file, tables of the app's beside
 * and beneath, a second opener, failures in the middle. Method: real SQLite, looked at with plain SQL.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SqliteStoreOptions } from "../../../../src/client/stores/sqlite-store.js";
import type { Store } from "../../../../src/client/stores/store.js";
import type { TableSchema } from "../../../../src/model/table.js";
import {
  type OpenDatabase,
  openPhotostructure,
  sqliteSubject,
} from "../../../contract/sqlite-subject.js";
import {
  batch,
  feed,
  products,
  step,
  type StoreSubject,
  unit,
} from "../../../contract/store.contract.js";

let subject: StoreSubject & { readonly database: OpenDatabase };
let store: Store;
let database: OpenDatabase;

beforeEach(async () => {
  await use();
});

afterEach(async () => {
  await subject.close();
});

async function use(options?: SqliteStoreOptions): Promise<void> {
  subject = await sqliteSubject(openPhotostructure, options);
  ({ store, database } = subject);
}

async function remap(options: SqliteStoreOptions, sql: string): Promise<void> {
  await subject.close();
  await use(options);
  database.exec(sql);
}

const tea = (at = 1): ReturnType<typeof unit> =>
  unit(at, [step("a", at)], batch("a", products, [at, at, 0, "i", 1, "tea"]));

describe("how values lie in the file", () => {
  it("as the mapping table says, with the type that SQL sees", async () => {
    const schema: TableSchema = {
      table: 'odd "name" select',
      version: 1,
      kind: "state",
      columns: [
        { name: "id", type: "int64" },
        { name: "from", type: "bool" },
        { name: 'a "b"', type: "float" },
        { name: "c", type: "decimal" },
        { name: "d", type: "bytes" },
        { name: "e", type: "json" },
        { name: "f", type: "array", of: "int" },
      ],
      key: ["id"],
    };
    const big = "9007199254740993";
    await store.apply(
      unit(
        1,
        [step("a", 2)],
        batch(
          "a",
          schema,
          [1, 1, 0, "i", big, true, 5, "1.10", "AAE=", '{"x":1.0}', [1, 2]],
          [2, 1, 1, "i", 2, false, "NaN", null, null, null, null],
        ),
      ),
    );
    const [small, large] = database.all(
      `SELECT id, typeof(id) AS a, typeof("from") AS b, typeof("a ""b""") AS c, typeof(c) AS d,
       typeof(d) AS e, typeof(e) AS f, f AS g FROM "odd ""name"" select" ORDER BY id`,
    );
    expect(large).toEqual({
      id: BigInt(big),
      a: "integer",
      b: "integer",
      c: "real",
      d: "text",
      e: "blob",
      f: "text",
      g: "[1,2]",
    });
    expect(small).toMatchObject({ id: 2n, a: "integer", c: "text", d: "null" });
    await store.apply(unit(2, [step("a", 3)], batch("a", schema, [3, 2, 0, "d", big])));
    expect(database.all(`SELECT id FROM "odd ""name"" select"`)).toEqual([{ id: 2n }]);
  });

  it("without a membership per row while one channel feeds a table, with them from the second on", async () => {
    const members = (): number =>
      Number(database.all("SELECT count(*) AS n FROM changecast_members_products")[0]?.["n"]);
    await store.apply(tea());
    expect(members()).toBe(0);
    await store.apply(unit(2, [step("b", 1)], batch("b", products, [1, 2, 0, "i", 2, "salt"])));
    expect(members()).toBe(2);
    await store.apply(unit(9, [step("b", 9, { replace: "all" })]));
    expect(members()).toBeLessThanOrEqual(1);
    expect(await subject.rows(products)).toEqual([{ id: 1, name: "tea" }]);
  });
});

describe("tables that are in the way", () => {
  it.each([
    ["a table", "CREATE TABLE Products (x)"],
    ["a view", "CREATE VIEW products AS SELECT 1 AS id"],
  ])("are left alone: %s of the app's with that name", async (_name, sql) => {
    database.exec(sql);
    await expect(store.check(products)).rejects.toMatchObject({ code: "CLIENT_TABLE_EXISTS" });
    await expect(store.apply(tea())).rejects.toMatchObject({ code: "CLIENT_TABLE_EXISTS" });
    expect(await subject.again().open()).toEqual([]);
  });

  it.each([
    ["a reserved name", { ...products, table: "sqlite_x" }],
    ["a name like the store's own", { ...products, table: "changecast_meta" }],
    [
      "columns that differ by capitals only",
      {
        ...products,
        columns: [...products.columns, { name: "NAME", type: "text" as const }],
      },
    ],
  ])("cannot be made: %s", async (_name, schema) => {
    await expect(store.check(schema)).rejects.toMatchObject({ code: "CLIENT_TABLE_MISFIT" });
  });
});

describe("tables of the app's own", () => {
  const mapping = { tables: { products: { table: "my_products", columns: { name: "title" } } } };
  const ddl =
    "CREATE TABLE my_products (id INTEGER PRIMARY KEY, title TEXT, stars INTEGER DEFAULT 3)";
  const rows = (): unknown[] => database.all("SELECT * FROM my_products ORDER BY id");

  it("get the rows, and keep what the app wrote: other columns, other rows", async () => {
    await remap(mapping, ddl);
    database.exec("INSERT INTO my_products VALUES (7, 'mine', 5)");
    await store.apply(tea());
    database.exec("UPDATE my_products SET stars = 1 WHERE id = 1");
    await store.apply(
      unit(2, [step("a", 2)], batch("a", products, [2, 2, 0, "u", 1, "green tea"])),
    );
    expect(rows()).toEqual([
      { id: 1n, title: "green tea", stars: 1n },
      { id: 7n, title: "mine", stars: 5n },
    ]);
    await store.apply(unit(3, [step("a", 3)], batch("a", products, [3, 3, 0, "t"])));
    expect(rows()).toEqual([{ id: 7n, title: "mine", stars: 5n }]);
    await store.apply(unit(4, [step("a", 4)], batch("a", products, [4, 4, 0, "i", 2, "salt"])));
    await store.detach(["a"]);
    expect(rows()).toEqual([{ id: 7n, title: "mine", stars: 5n }]);
  });

  it("may leave columns out", async () => {
    await remap(
      { tables: { products: { table: "keys", columns: { name: null } } } },
      "CREATE TABLE keys (id INTEGER PRIMARY KEY)",
    );
    await store.apply(tea());
    await store.apply(unit(2, [step("b", 1)], batch("b", products, [1, 2, 0, "u", 1, "x"])));
    expect(database.all("SELECT * FROM keys")).toEqual([{ id: 1n }]);
  });

  it("take events where they have the three columns and their key", async () => {
    await remap(
      { tables: { feed: { table: "my_feed", columns: { op: "what" } } } },
      "CREATE TABLE my_feed (channel TEXT, serial INTEGER, changecast_op TEXT, id INTEGER, what TEXT, UNIQUE (channel, serial))",
    );
    await store.apply(unit(1, [step("a", 1)], batch("a", feed, [1, 1, 0, "i", 5, "x"])));
    expect(database.all("SELECT * FROM my_feed")).toEqual([
      { channel: "a", serial: 1n, changecast_op: "i", id: 5n, what: "x" },
    ]);
  });

  it.each([
    ["is missing", "CREATE TABLE other (id)", /no table "my_products"/],
    ["lacks a column", "CREATE TABLE my_products (id INTEGER PRIMARY KEY)", /no column "title"/],
    [
      "would change values",
      "CREATE TABLE my_products (id INTEGER PRIMARY KEY, title NUMERIC)",
      /declared NUMERIC and would change values of type text/,
    ],
    ["has no key", "CREATE TABLE my_products (id INTEGER, title TEXT)", /no PRIMARY KEY or UNIQUE/],
    [
      "wants more than it gets",
      "CREATE TABLE my_products (id INTEGER PRIMARY KEY, title TEXT, shop TEXT NOT NULL)",
      /"shop" of "my_products" is NOT NULL/,
    ],
  ])("are refused when one %s, with the way to mend it", async (_name, sql, message) => {
    await remap(mapping, sql);
    const checked = store.check(products);
    await expect(checked).rejects.toMatchObject({ code: "CLIENT_TABLE_MISFIT" });
    await expect(checked).rejects.toThrow(message);
    await expect(checked).rejects.toHaveProperty("cure", expect.any(String));
  });

  it("must stay where they are", async () => {
    await store.apply(tea());
    const moved = (await import("../../../../src/client/stores/sqlite-store.js")).sqliteStore(
      database.driver,
      mapping,
    );
    await moved.open();
    await expect(moved.check(products)).rejects.toThrow(
      /has it in "products", not in "my_products"/,
    );
  });
});

describe("an opener", () => {
  it("of an older client refuses a file that a newer one wrote", async () => {
    database.exec("UPDATE changecast_meta SET value = 99 WHERE name = 'format'");
    await expect(subject.again().open()).rejects.toMatchObject({ code: "CLIENT_STORE_NEWER" });
  });
});

describe("failures in the middle", () => {
  it("of a unit leave rows, places and what the store remembers as they were", async () => {
    await store.apply(tea());
    database.exec(
      "CREATE TRIGGER guard BEFORE INSERT ON products WHEN new.name = 'bad' BEGIN SELECT raise(ABORT, 'no'); END",
    );
    const wider: TableSchema = {
      ...products,
      version: 2,
      columns: [...products.columns, { name: "price", type: "decimal" }],
    };
    const bad = unit(
      2,
      [step("a", 3), step("b", 1)],
      batch("b", orders2, [1, 2, 0, "i", 1]),
      batch("a", wider, [2, 2, 1, "i", 2, "good", "1"], [3, 2, 2, "i", 3, "bad", "1"]),
    );
    const failed = store.apply(bad);
    await expect(failed).rejects.toMatchObject({ code: "CLIENT_STORE_FAILED" });
    await expect(failed).rejects.toThrow(/no/);
    expect(await subject.rows(products)).toEqual([{ id: 1, name: "tea" }]);
    expect(database.all("SELECT name FROM sqlite_master WHERE name = 'others'")).toEqual([]);
    database.exec("DROP TRIGGER guard");
    await store.apply(bad);
    expect(await subject.rows(wider)).toHaveLength(3);
    expect(await subject.rows(orders2)).toHaveLength(1);
    expect((await subject.again().open()).map(({ place }) => place.serial)).toEqual([3, 1]);
  });

  it("because the app holds a transaction open pass when it has ended", async () => {
    database.exec("BEGIN");
    await expect(store.apply(tea())).rejects.toMatchObject({ code: "CLIENT_STORE_FAILED" });
    database.exec("COMMIT");
    await store.apply(tea());
    expect(await subject.rows(products)).toHaveLength(1);
  });

  it("are never seen by code that reads over the same connection in between", async () => {
    const seen = new Set<number>();
    const entries = Array.from(
      { length: 5_000 },
      (_, id): [number, number, number, "i", number, string] => [id + 1, 1, id, "i", id, "x"],
    );
    await store.apply(tea());
    const progress = { isDone: false };
    const reading = (async () => {
      while (!progress.isDone) {
        seen.add(Number(database.all("SELECT count(*) AS n FROM products")[0]?.["n"]));
        await Promise.resolve();
      }
    })();
    await store.apply(unit(2, [step("a", 9)], batch("a", products, ...entries)));
    progress.isDone = true;
    await reading;
    expect([...seen].every((count) => count === 1 || count === 5_000)).toBe(true);
  });
});

const orders2: TableSchema = {
  table: "others",
  version: 1,
  kind: "state",
  columns: [{ name: "id", type: "int" }],
  key: ["id"],
};

describe("a rebuilt table", () => {
  it("keeps the app's indexes, triggers and views that still make sense", async () => {
    await store.apply(tea());
    database.exec("CREATE TABLE seen (id INTEGER)");
    database.exec("CREATE INDEX by_name ON products (name)");
    database.exec("CREATE INDEX by_id ON products (id)");
    database.exec(
      "CREATE TRIGGER note AFTER INSERT ON products BEGIN INSERT INTO seen VALUES (new.id); END",
    );
    database.exec("CREATE VIEW ids AS SELECT id FROM products");
    const narrower: TableSchema = {
      ...products,
      version: 2,
      columns: [
        { name: "id", type: "int" },
        { name: "stock", type: "int" },
      ],
    };
    await store.apply(unit(2, [step("a", 2)], batch("a", narrower, [2, 2, 0, "i", 2, 7])));
    const left = database.all(
      "SELECT name FROM sqlite_master WHERE tbl_name = 'products' AND type <> 'table' ORDER BY name",
    );
    expect(left).toEqual([{ name: "by_id" }, { name: "note" }]);
    expect(database.all("SELECT * FROM ids ORDER BY id")).toEqual([{ id: 1n }, { id: 2n }]);
    expect(database.all("SELECT * FROM seen")).toEqual([{ id: 2n }]);
  });
});
