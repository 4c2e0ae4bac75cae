/**
 * Goal: the store in SQLite on OPFS stands what a browser does to it: no room, other tabs, crashes, files that
 * somebody else holds, browsers without OPFS. Method: pages and workers of Chromium, from a server that sends
 * no special headers; quotas and crashes by the browser's own debugging protocol.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import type { StoreUnit } from "../../src/client/stores/store.js";
import type { PageAnswer } from "../browser/store-page.js";
import { batch, orders, products, step, unit } from "../contract/store.contract.js";
import { Browser } from "../support/browser.js";
import { callPage } from "../support/page-store.js";

const NAMES = "SELECT id, name FROM products ORDER BY id";

let browser: Browser;
let page: Page;
let name: string;
let count = 0;

beforeAll(async () => {
  browser = await Browser.start("test/browser/store-page.ts", {
    "/sqlite-worker.js": "test/browser/sqlite-worker.ts",
  });
  page = await browser.open();
});

beforeEach(() => {
  count += 1;
  name = `store ${String(count)}`;
});

afterAll(async () => {
  expect(browser.errors).toEqual([]);
  await browser.close();
});

async function opened(where: Page): Promise<number> {
  const id = await callPage(where, "createSqlite", name);
  const answer = await callPage(where, "call", id, "open", undefined);
  expect(answer.error).toBeUndefined();
  return id;
}

function applied(where: Page, id: number, what: StoreUnit): Promise<PageAnswer> {
  return callPage(where, "call", id, "apply", what);
}

function read(where: Page, sql = NAMES): ReturnType<typeof callPage<"sqliteRows">> {
  return callPage(where, "sqliteRows", name, sql);
}

/** A tab beside the one of all tests, closed afterwards. */
async function withTab(use: (tab: Page) => Promise<void>): Promise<void> {
  const tab = await browser.open();
  try {
    await use(tab);
  } finally {
    await tab.close();
  }
}

const tea = unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"]));
const salt = unit(2, [step("a", 2)], batch("a", products, [2, 2, 0, "i", 2, "salt"]));
const order = unit(2, [step("a", 2)], batch("a", orders, [2, 2, 0, "i", "x", 1, "y"]));

describe("without room", () => {
  it("refuses the unit whole with CLIENT_STORE_FULL, and goes on when there is room again", async () => {
    // An origin of its own: the quota is the origin's.
    const url = new URL(browser.pages.url);
    url.hostname = "localhost";
    const other = await browser.context.newPage();
    const protocol = await browser.context.newCDPSession(other);
    const { origin } = url;
    try {
      await other.goto(url.href);
      const id = await opened(other);
      expect((await applied(other, id, tea)).error).toBeUndefined();
      const { usage } = await protocol.send("Storage.getUsageAndQuota", { origin });
      await protocol.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 100_000 });
      const rows = Array.from(
        { length: 400 },
        (_, at): [number, number, number, "i", number, string] => [
          ...([at + 10, 9, at, "i", at + 10] as const),
          "x".repeat(20_000),
        ],
      );
      const more = unit(9, [step("a", 500)], batch("a", products, ...rows));
      expect((await applied(other, id, more)).error?.code).toBe("CLIENT_STORE_FULL");
      expect((await read(other)).rows).toEqual([{ id: 1, name: "tea" }]);

      await protocol.send("Storage.overrideQuotaForOrigin", { origin });
      expect((await applied(other, id, more)).error).toBeUndefined();
      const [counted] = (await read(other, "SELECT count(*) AS n FROM products")).rows;
      expect(counted).toEqual({ n: 401 });
    } finally {
      await other.close();
    }
  });
});

describe("another tab", () => {
  it("that opens the store takes it over: the one before fails, and nothing of that is kept", async () => {
    const first = await opened(page);
    await applied(page, first, tea);
    await withTab(async (tab) => {
      const second = await opened(tab);
      expect((await applied(page, first, order)).error?.code).toBe("CLIENT_STORE_TAKEN");
      expect((await read(tab)).rows).toEqual([{ id: 1, name: "tea" }]);
      const orderTable = "SELECT name FROM sqlite_schema WHERE name = 'order'";
      expect((await read(tab, orderTable)).rows).toEqual([]);
      expect((await applied(tab, second, order)).error).toBeUndefined();
      // Who lost it reads on, by asking the one that has it.
      expect((await read(page, orderTable)).rows).toHaveLength(1);
    });
  });

  it("reads through the one that has it open, and what it writes there is there", async () => {
    const id = await opened(page);
    await applied(page, id, tea);
    await withTab(async (tab) => {
      expect((await read(tab)).rows).toEqual([{ id: 1, name: "tea" }]);
      await applied(page, id, salt);
      expect((await read(tab)).rows).toHaveLength(2);
      const index = "CREATE INDEX by_name ON products (name)";
      expect(await callPage(tab, "sqliteExec", name, index)).toBeUndefined();
      expect(
        (await read(page, "EXPLAIN QUERY PLAN SELECT 1 FROM products ORDER BY name")).rows,
      ).toEqual([
        expect.objectContaining({ detail: "SCAN products USING COVERING INDEX by_name" }),
      ]);
    });
  });

  it("that reads waits until one has it open", async () => {
    const first = await opened(page);
    await applied(page, first, tea);
    await callPage(page, "call", first, "close", undefined);
    await withTab(async (tab) => {
      const reading = read(tab);
      await opened(page);
      expect((await reading).rows).toEqual([{ id: 1, name: "tea" }]);
    });
  });

  it("that holds the files and does not let go makes it CLIENT_STORE_BLOCKED, and nothing is lost", async () => {
    const first = await opened(page);
    await applied(page, first, tea);
    await callPage(page, "call", first, "close", undefined);
    await withTab(async (tab) => {
      await tab.evaluate(holdFiles, `changecast/${encodeURIComponent(name)}/.opaque`);
      const id = await callPage(page, "createSqlite", name);
      const { error } = await callPage(page, "call", id, "open", undefined);
      expect(error?.code).toBe("CLIENT_STORE_BLOCKED");
      expect(error?.message).toContain("another tab or window holds its files");
    });
    await opened(page);
    expect((await read(page)).rows).toEqual([{ id: 1, name: "tea" }]);
  });
});

describe("statements of the app's", () => {
  it("that write or are several are refused where rows are read, and leave no transaction open", async () => {
    const id = await opened(page);
    await applied(page, id, tea);
    expect((await read(page, "DELETE FROM products")).error).toBe("CLIENT_SQL_FAILED");
    expect((await read(page, "SELECT nothing FROM products")).error).toBe("CLIENT_SQL_FAILED");
    expect((await read(page, "BEGIN IMMEDIATE")).error).toBe("CLIENT_SQL_FAILED");
    expect((await read(page, `${NAMES}; DELETE FROM products`)).error).toBe("CLIENT_SQL_FAILED");
    expect((await read(page, `${NAMES};\n`)).rows).toHaveLength(1);
    const half = "CREATE TABLE own (id INTEGER); INSERT INTO missing VALUES (1)";
    expect(await callPage(page, "sqliteExec", name, half)).toBe("CLIENT_SQL_FAILED");
    expect(
      await callPage(page, "sqliteExec", name, "CREATE TABLE own (id INTEGER)"),
    ).toBeUndefined();
    expect((await applied(page, id, salt)).error).toBeUndefined();
    expect((await read(page)).rows).toHaveLength(2);
  });
});

describe("what was applied", () => {
  it("is there after a reload", async () => {
    await withTab(async (tab) => {
      const id = await opened(tab);
      await applied(tab, id, tea);
      await tab.reload();
      const again = await callPage(tab, "createSqlite", name);
      const { value } = await callPage(tab, "call", again, "open", undefined);
      expect(value).toEqual([
        { channel: "a", place: { epoch: 1, serial: 1, log: 1, run: "r1" }, ready: true },
      ]);
      expect((await read(tab)).rows).toEqual([{ id: 1, name: "tea" }]);
    });
  });

  it.each([20, 80, 200, 400])(
    "is there, and all or nothing of a unit in which the tab crashed after %d ms",
    async (ms) => {
      const tab = await browser.open();
      const debug = await browser.context.newCDPSession(tab);
      const id = await opened(tab);
      await applied(tab, id, tea);
      const rows = Array.from(
        { length: 20_000 },
        (_, at): [number, number, number, "u", number, string] => [
          ...([at + 10, 9, at, "u", at + 1] as const),
          "more",
        ],
      );
      const large = unit(9, [step("a", 30_000)], batch("a", products, ...rows));
      applied(tab, id, large).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, ms));
      debug.send("Page.crash").catch(() => undefined);
      const next = await opened(page);
      const answer = await callPage(page, "call", next, "open", undefined);
      const [kept] = answer.value as [{ place: { serial: number } }];
      const found = (await read(page)).rows;
      // The crash may have come after the commit: all of it then.
      if (kept.place.serial === 1) expect(found).toEqual([{ id: 1, name: "tea" }]);
      else expect(found).toHaveLength(20_000);
      expect((await read(page, "PRAGMA integrity_check")).rows).toEqual([
        { integrity_check: "ok" },
      ]);
    },
  );

  it("is there after the worker died, and the next call goes on", async () => {
    const id = await opened(page);
    await applied(page, id, tea);
    const [worker] = page.workers().slice(-1);
    await worker?.evaluate(() => {
      setTimeout(() => {
        throw new Error("out of order");
      }, 0);
    });
    await expect.poll(() => page.workers().includes(worker as never)).toBe(false);
    expect((await read(page)).rows).toHaveLength(1);
    expect((await applied(page, id, salt)).error).toBeUndefined();
    expect((await read(page)).rows).toHaveLength(2);
  });
});

describe("whoever opens the store", () => {
  it("is refused a format that is newer than its own", async () => {
    await opened(page);
    const newer = "UPDATE changecast_meta SET value = 99 WHERE name = 'format'";
    expect(await callPage(page, "sqliteExec", name, newer)).toBeUndefined();
    const id = await callPage(page, "createSqlite", name);
    const { error } = await callPage(page, "call", id, "open", undefined);
    expect(error?.code).toBe("CLIENT_STORE_NEWER");
  });

  it("is told that the worker cannot be loaded, and begins with another at the next try", async () => {
    await withTab(async (tab) => {
      const id = await callPage(tab, "createSqlite", name);
      await tab.route("**/sqlite-worker.js", (route) => route.abort());
      const { error } = await callPage(tab, "call", id, "open", undefined);
      expect(error?.code).toBe("CLIENT_STORE_FAILED");
      expect(error?.message).toContain("could not be loaded");
      await tab.unroute("**/sqlite-worker.js");
      expect((await callPage(tab, "call", id, "open", undefined)).error).toBeUndefined();
    });
  });

  it.each([
    ["the origin is not secure", "isSecureContext"],
    ["there are no Web Locks", "navigator.locks"],
    ["there is no OPFS", "navigator.storage"],
  ])("is told that %s", async (_, missing) => {
    await withTab(async (tab) => {
      await tab.evaluate((path) => {
        const [last, ...above] = path.split(".").reverse();
        const owner = above.length > 0 ? globalThis.navigator : globalThis;
        Object.defineProperty(owner, last ?? "", { value: undefined });
      }, missing);
      await expect(callPage(tab, "createSqlite", name)).rejects.toThrow("in OPFS");
    });
  });
});

/** As an app of its own would: the files of a folder of OPFS, open in a worker. */
async function holdFiles(path: string): Promise<void> {
  const code = `
    let folder = await navigator.storage.getDirectory();
    for (const name of ${JSON.stringify(path)}.split("/")) folder = await folder.getDirectoryHandle(name);
    globalThis.held = [];
    for await (const file of folder.values()) held.push(await file.createSyncAccessHandle());
    postMessage(held.length);`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => {
      reject(new Error(event.message));
    };
  });
}
