/**
 * Goal: queries over a store give the rows that match, in order, and stay live. Method: a store in memory; the
 * indexes of IndexedDB are held against this in test/integration/table.browser.test.ts.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { type MemoryStore, memoryStore } from "../../../src/client/stores/memory-store.js";
import { table } from "../../../src/client/table.js";
import type { TableSchema } from "../../../src/model/table.js";
import { batch, step, unit } from "../../contract/store.contract.js";
import { settled } from "../../support/virtual-clock.js";

interface Product {
  readonly id: number;
  readonly name: string | null;
  readonly price: number | bigint | null;
}

const schema: TableSchema = {
  table: "products",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int" },
    { name: "name", type: "text" },
    { name: "price", type: "int64" },
  ],
  key: ["id"],
};

let store: MemoryStore;

beforeEach(async () => {
  store = memoryStore();
  await store.open();
  await put([1, "tea", 5], [2, "salt", null], [3, null, "9007199254740993"], [4, "rice", 5]);
});

let serial = 0;
async function put(...rows: unknown[][]): Promise<void> {
  const entries = rows.map((row): [number, number, number, "u", ...unknown[]] => {
    serial += 1;
    return [serial, serial, 0, "u", ...row];
  });
  await store.apply(unit(serial, [step("a", serial)], batch("a", schema, ...entries)));
}

function products() {
  return table<Product>(store, "products");
}

async function ids(query: { rows(): Promise<readonly Product[]> }): Promise<number[]> {
  return (await query.rows()).map(({ id }) => id);
}

describe("a query", () => {
  it("of a table that never came has no rows", async () => {
    expect(await table(store, "nothing").rows()).toEqual([]);
  });

  it.each([
    ["equal", { name: "tea" }, [1]],
    ["null, which is equal to null alone", { name: null }, [3]],
    ["above", { price: { gt: 5 } }, [3]],
    ["at or above, bigints among numbers", { price: { gte: 5 } }, [1, 3, 4]],
    ["below, which null never is", { price: { lt: 100 } }, [1, 4]],
    ["between", { id: { gte: 2, lt: 4 } }, [2, 3]],
    ["one of a list", { name: { in: ["tea", "rice", null] } }, [1, 3, 4]],
    ["several columns together", { name: "tea", price: 5 }, [1]],
    [
      "a value of another type, which never matches",
      { name: { gt: "a" }, id: { lt: 9 } },
      [1, 2, 4],
    ],
  ] as const)("finds what is %s", async (_, where, wanted) => {
    expect((await ids(products().where(where))).sort()).toEqual(wanted);
  });

  it("sorts by several columns, null last either way, and takes the first so many", async () => {
    expect(await ids(products().orderBy("price").orderBy("name", "desc"))).toEqual([1, 4, 3, 2]);
    expect(await ids(products().orderBy("price", "desc").orderBy("name"))).toEqual([3, 4, 1, 2]);
    expect(await ids(products().orderBy("name").limit(2))).toEqual([4, 2]);
  });

  it("filters by the app's own function before it takes the first so many", async () => {
    const even = products()
      .filter(({ id }) => id % 2 === 0)
      .orderBy("id")
      .limit(1);
    expect(await ids(even)).toEqual([2]);
  });

  it("is a value: what is added to it makes another", async () => {
    const all = products();
    all.where({ id: 1 }).limit(0);
    expect(await all.rows()).toHaveLength(4);
  });
});

describe("a live query", () => {
  it("tells nothing when a change leaves its rows as they are", async () => {
    const told: (readonly Product[])[] = [];
    products()
      .where({ id: { lte: 3 } })
      .orderBy("id")
      .live((rows) => told.push(rows));
    await settled();
    await put([4, "rice", 6]);
    await put([2, "salt", null], [3, null, "9007199254740993"]);
    await settled();
    expect(told).toHaveLength(1);
    await put([3, null, "9007199254740995"]);
    await settled();
    expect(told).toHaveLength(2);
    expect(told[1]?.[2]?.price).toBe(9007199254740995n);
  });

  it("tells its rows now, and after each transaction that changes the table", async () => {
    const told: unknown[] = [];
    const stop = products()
      .where({ price: 5 })
      .orderBy("id")
      .live((rows) => told.push(rows.map(({ id }) => id)));
    await settled();
    await put([5, "oats", 5]);
    await settled();
    await store.apply(unit(99, [step("b", 1)], batch("b", { ...schema, table: "other" })));
    await settled();
    stop();
    await put([6, "oil", 5]);
    await settled();
    expect(told).toEqual([
      [1, 4],
      [1, 4, 5],
    ]);
  });

  it("makes one of the changes that come while it reads, and ends with the newest", async () => {
    const told: number[] = [];
    const stop = products().live((rows) => told.push(rows.length));
    await Promise.all([5, 6, 7, 8].map((id) => put([id, "x", 1])));
    await settled();
    stop();
    expect(told.at(-1)).toBe(8);
    expect(told.length).toBeLessThan(5);
  });

  it("says that it failed, and goes on with the next change", async () => {
    const failures: unknown[] = [];
    let isBroken = true;
    const told: number[] = [];
    const stop = products()
      .filter(() => {
        if (isBroken) throw new Error("the app's own");
        return true;
      })
      .live(
        (rows) => told.push(rows.length),
        (error) => failures.push(error),
      );
    await settled();
    isBroken = false;
    await put([5, "oats", 5]);
    await settled();
    stop();
    expect(failures).toHaveLength(1);
    expect(told).toEqual([5]);
  });
});
