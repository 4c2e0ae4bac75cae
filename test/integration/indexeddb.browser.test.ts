/**
 * Goal: the IndexedDB store stands what a browser does to it: no room, other tabs, upgrades, data cleared.
 * Method: the store in a page of Chromium; quotas and clearing by the browser's own debugging protocol.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CDPSession, Page } from "playwright-core";
import type { IndexedDbOptions } from "../../src/client/stores/indexeddb-store.js";
import type { EntryBatch, StoreUnit } from "../../src/client/stores/store.js";
import type { PageAnswer, StorePage } from "../browser/store-page.js";
import { batch, feed, orders, products, step, unit } from "../contract/store.contract.js";
import { Browser } from "../support/browser.js";
import { callPage } from "../support/page-store.js";

let browser: Browser;
let page: Page;
let debug: CDPSession;
let name: string;
let count = 0;

beforeAll(async () => {
  browser = await Browser.start("test/browser/store-page.ts");
  page = await browser.open();
  debug = await browser.context.newCDPSession(page);
});

beforeEach(() => {
  count += 1;
  name = `store ${count}`;
});

afterAll(async () => {
  expect(browser.errors).toEqual([]);
  await browser.close();
});

function inPage<Name extends keyof StorePage>(
  method: Name,
  ...args: Parameters<StorePage[Name]>
): ReturnType<typeof callPage<Name>> {
  return callPage(page, method, ...args);
}

async function opened(options?: IndexedDbOptions): Promise<number> {
  const id = await inPage("create", name, options);
  await inPage("call", id, "open", undefined);
  return id;
}

async function applied(id: number, what: StoreUnit): Promise<PageAnswer> {
  return inPage("call", id, "apply", what);
}

const tea = unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"]));
const order = unit(2, [step("a", 2)], batch("a", orders, [2, 2, 0, "i", "x", 1, "y"]));

function large(serial: number): EntryBatch {
  const entries = Array.from(
    { length: 400 },
    (_, at): [number, number, number, "i", number, string] => [
      serial + at,
      serial,
      at,
      "i",
      serial + at,
      // Text that compresses badly, for IndexedDB compresses.
      Array.from({ length: 500 }, (_, no) => ((at * 7919 + no * 104729) % 65521).toString(36)).join(
        "",
      ),
    ],
  );
  return batch("a", products, ...entries);
}

describe("without room", () => {
  it("refuses the unit whole with CLIENT_STORE_FULL, and goes on when there is room again", async () => {
    // An origin of its own: the browser remembers for a while how much room it found.
    const url = new URL(browser.pages.url);
    url.hostname = "localhost";
    const other = await browser.context.newPage();
    const protocol = await browser.context.newCDPSession(other);
    const { origin } = url;
    try {
      await other.goto(url.href);
      await protocol.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 200_000 });
      const id = await callPage(other, "create", name);
      await callPage(other, "call", id, "open", undefined);
      expect((await callPage(other, "call", id, "apply", tea)).error).toBeUndefined();
      const more = unit(9, [step("a", 500)], large(10));
      const answer = await callPage(other, "call", id, "apply", more);
      expect(answer.error?.code).toBe("CLIENT_STORE_FULL");
      expect(await callPage(other, "rows", name, "products")).toEqual([{ id: 1, name: "tea" }]);

      await protocol.send("Storage.overrideQuotaForOrigin", { origin });
      expect((await callPage(other, "call", id, "apply", more)).error).toBeUndefined();
      expect(await callPage(other, "rows", name, "products")).toHaveLength(401);
    } finally {
      await other.close();
    }
  });
});

describe("an upgrade for a new table", () => {
  it("goes through while another tab of ours reads, which reads on", async () => {
    const id = await opened();
    await applied(id, tea);
    const other = await browser.open();
    try {
      expect(await callPage(other, "begin", name)).toBeUndefined();
      expect((await applied(id, order)).error).toBeUndefined();
      expect(await callPage(other, "rows", name, "order")).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  it("is told as CLIENT_STORE_BLOCKED while a tab holds on, and goes through afterwards", async () => {
    const id = await opened();
    await applied(id, tea);
    const held = await inPage("hold", name);
    expect((await applied(id, order)).error?.code).toBe("CLIENT_STORE_BLOCKED");
    await inPage("letGo", held);
    expect((await applied(id, order)).error).toBeUndefined();
    expect(await inPage("rows", name, "order")).toHaveLength(1);
  });

  it("is made by two tabs at once for tables of each", async () => {
    const id = await opened();
    const other = await inPage("create", name);
    const both = await Promise.all([applied(id, tea), inPage("call", other, "stage", [large(5)])]);
    // The second was never opened: its generation is not the store's.
    expect(both.map(({ error }) => error?.code)).toEqual([undefined, "CLIENT_STORE_TAKEN"]);
    expect(await inPage("rows", name, "products")).toHaveLength(1);
  });
});

describe("whoever opens the store", () => {
  it("takes it over: the one before fails inside its next write, and nothing of that is kept", async () => {
    const first = await opened();
    await applied(first, tea);
    const other = await browser.open();
    try {
      const second = await callPage(other, "create", name, {});
      await callPage(other, "call", second, "open", undefined);
      expect((await applied(first, order)).error?.code).toBe("CLIENT_STORE_TAKEN");
      expect(await inPage("rows", name, "order")).toEqual([]);
      const answer = await callPage(other, "call", second, "apply", order);
      expect(answer.error).toBeUndefined();
    } finally {
      await other.close();
    }
  });

  it("as a newer version of the app, in another tab, has its index and rows; the older one reads on and can take it back", async () => {
    const older = await opened();
    await applied(older, tea);
    const other = await browser.open();
    try {
      const newer = await callPage(other, "create", name, { indexes: { products: ["name"] } });
      await callPage(other, "call", newer, "open", undefined);
      const second = unit(2, [step("a", 2)], batch("a", products, [2, 2, 0, "i", 2, "tea"]));
      expect((await callPage(other, "call", newer, "apply", second)).error).toBeUndefined();
      expect(await callPage(other, "indexed", name, "products", "name", "tea")).toEqual([1, 2]);
      expect(await inPage("rows", name, "products")).toHaveLength(2);
      expect((await applied(older, order)).error?.code).toBe("CLIENT_STORE_TAKEN");

      const back = await opened();
      const third = unit(3, [step("a", 3)], batch("a", products, [3, 3, 0, "i", 3, "tea"]));
      expect((await applied(back, third)).error).toBeUndefined();
      expect(await inPage("indexed", name, "products", "name", "tea")).toEqual([1, 2, 3]);
      const late = await callPage(other, "call", newer, "apply", order);
      expect(late.error?.code).toBe("CLIENT_STORE_TAKEN");
    } finally {
      await other.close();
    }
  });

  it("is refused a format that is newer than its own", async () => {
    await opened();
    await inPage("put", name, "changecast_meta", "format", 99);
    const id = await inPage("create", name);
    const answer = await inPage("call", id, "open", undefined);
    expect(answer.error?.code).toBe("CLIENT_STORE_NEWER");
  });

  it("is told that there is no IndexedDB", async () => {
    const other = await browser.open();
    try {
      await other.evaluate(() => {
        Object.defineProperty(globalThis, "indexedDB", { value: undefined });
      });
      expect(await callPage(other, "begin", name)).toBe("CLIENT_STORE_UNAVAILABLE");
    } finally {
      await other.close();
    }
  });

  it("hears of data that the browser cleared, instead of going on with a part", async () => {
    const id = await opened();
    await applied(id, tea);
    const { origin } = new URL(browser.pages.url);
    await debug.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
    const { error } = await applied(id, order);
    expect(error?.code).toBe("CLIENT_STORE_TAKEN");
    expect(error?.message).toContain("cleared");
  });
});

describe("indexes", () => {
  it("are made with the table, and later for rows that are there already", async () => {
    const id = await opened({ indexes: { products: ["name"] } });
    await applied(id, tea);
    expect(await inPage("indexed", name, "products", "name", "tea")).toEqual([1]);
    await inPage("call", id, "close", undefined);

    const again = await opened({ indexes: { products: ["name", ["name", "id"]] } });
    await applied(again, unit(2, [step("a", 2)], batch("a", products, [2, 2, 0, "i", 2, "tea"])));
    expect(await inPage("indexed", name, "products", "name,id", ["tea", 1])).toEqual([1]);
    expect(await inPage("indexed", name, "products", "name", "tea")).toEqual([1, 2]);
  });
});

describe("tables", () => {
  it("whose names or columns the store cannot keep are refused, and nothing else", async () => {
    const id = await opened();
    const own = { ...products, table: "changecast_meta" };
    const strange = { ...feed, columns: [{ name: "__proto__", type: "int" as const }] };
    for (const schema of [own, strange]) {
      const answer = await inPage("call", id, "check", schema);
      expect(answer.error?.code).toBe("CLIENT_TABLE_MISFIT");
    }
  });
});
