/**
 * Goal: a query gives the same over IndexedDB, whatever key or index serves it, as over memory. Method: random
 * queries over the same rows in both; columns whose values IndexedDB has no keys for are among them.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Page } from "playwright-core";
import type { Condition, Order } from "../../src/client/row-conditions.js";
import { type MemoryStore, memoryStore } from "../../src/client/stores/memory-store.js";
import type { TableSchema } from "../../src/model/table.js";
import { type AskedQuery, askedOf } from "../browser/asked-query.js";
import { batch, step, unit } from "../contract/store.contract.js";
import { Browser } from "../support/browser.js";
import { callPage } from "../support/page-store.js";
import { SeededRandom } from "../support/seeded-random.js";

const QUERIES = 400;
const ROWS = 120;

const schema: TableSchema = {
  table: "rows",
  version: 1,
  kind: "state",
  columns: [
    { name: "shop", type: "int" },
    { name: "id", type: "int" },
    { name: "rank", type: "int" },
    { name: "name", type: "text" },
    { name: "big", type: "int64" },
    { name: "flag", type: "bool" },
    { name: "share", type: "float" },
  ],
  key: ["shop", "id"],
};

let browser: Browser;
let page: Page;
let memory: MemoryStore;

beforeAll(async () => {
  browser = await Browser.start("test/browser/store-page.ts");
  page = await browser.open();
  memory = memoryStore();
  await memory.open();
  const random = new SeededRandom(1);
  const entries = Array.from(
    { length: ROWS },
    (_, at): [number, number, number, "i", ...unknown[]] => [
      ...([at + 1, 1, at, "i", at % 5, at] as const),
      // Unique, or the order of equals would be anybody's.
      (at * 37) % ROWS,
      random.next() < 0.2 ? null : `n${random.below(10)}`,
      random.pick([null, 1, 2, "9007199254740993", "-9007199254740993"]),
      random.pick([null, true, false]),
      random.pick([null, "NaN", "Infinity", 0.5, -1]),
    ],
  );
  const rows = unit(1, [step("a", ROWS)], batch("a", schema, ...entries));
  await memory.apply(rows);
  const id = await callPage(page, "create", "rows", {
    indexes: { rows: ["rank", "name", "big", "share", ["name", "rank"], ["shop", "name", "rank"]] },
  });
  await callPage(page, "call", id, "open", undefined);
  const answer = await callPage(page, "call", id, "apply", rows);
  expect(answer.error).toBeUndefined();
});

afterAll(async () => {
  await browser.close();
});

const values: Readonly<Record<string, readonly Condition[]>> = {
  shop: [0, 3, 9, { gt: 2 }, { in: [1, 2] }],
  id: [0, 17, { gte: 50 }, { gt: 10, lt: 20 }, { gt: 5, lte: 5 }],
  rank: [5, { lt: 10 }, { gte: 30, lte: 60 }, { gt: 80 }, { gt: 60, lt: 30 }, null],
  name: ["n1", null, { gte: "n5" }, { gt: "n2", lt: "n4" }, { in: ["n1", "n9"] }, 7],
  big: [1, { gt: 1 }, { lt: 0 }, 9007199254740993n, null],
  flag: [true, false, null],
  share: [0.5, Infinity, NaN, { gt: 0 }, { lte: 0.5 }],
};

function randomQuery(random: SeededRandom): AskedQuery {
  const where: Record<string, Condition> = {};
  for (let count = random.below(4); count > 0; count -= 1) {
    const column = random.pick(Object.keys(values)) ?? "id";
    where[column] = random.pick(values[column] ?? []) ?? null;
  }
  const order: Order[] =
    random.next() < 0.3 ? [] : [{ column: "rank", descending: random.next() < 0.5 }];
  const limit = order.length > 0 && random.next() < 0.5 ? random.below(6) : undefined;
  return { table: "rows", where, order, limit };
}

it("any query gives the same rows over IndexedDB as over memory", async () => {
  const random = new SeededRandom(7);
  for (let count = 0; count < QUERIES; count += 1) {
    const query = randomQuery(random);
    const wanted = await askedOf(memory, query).rows();
    const found = await callPage(page, "query", "rows", query);
    const sorted = query.order.length > 0 ? found : byId(found);
    expect(sorted, `query ${count}`).toEqual(query.order.length > 0 ? wanted : byId(wanted));
  }
});

function byId(rows: readonly unknown[]): readonly unknown[] {
  const idOf = (row: unknown): number => (row as { id: number }).id;
  return [...rows].sort((a, b) => idOf(a) - idOf(b));
}
