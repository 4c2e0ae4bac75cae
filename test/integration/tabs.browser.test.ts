/**
 * Goal: the tabs of a browser share one connection and one store, and lose nothing when the one that leads
 * closes, crashes, freezes or wakes again. Method: real tabs in Chromium, a real broker over a scripted
 * journal, crash and freeze by the browser's debugging protocol. Every unit writes a pair of rows. IndexedDB
 * is read by each tab itself, SQLite through the tab that leads.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import type { TabsPage } from "../browser/tabs-page.js";
import { Browser } from "../support/browser.js";
import { BrokerWorld } from "../support/broker-world.js";
import { PATIENCE_MS } from "../support/patience.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const KEYS = 10;
const SECOND = 1_000;
/** A frozen leader is found out in 7 s; the rest is the machine. */

let browser: Browser;
let broker: BrokerWorld;
let network: TcpProxy;
let written = 0;

beforeEach(async () => {
  broker = await new BrokerWorld().open();
  network = await TcpProxy.start({ host: "127.0.0.1", port: broker.port });
  browser = await Browser.start("test/browser/tabs-page.ts", {
    "/sqlite-worker.js": "test/browser/sqlite-worker.ts",
  });
});

afterEach(async () => {
  const errors = [...browser.errors];
  await browser.close();
  await network.close();
  await broker.close();
  expect(errors).toEqual([]);
});

async function tab(more = ""): Promise<Page> {
  const url = encodeURIComponent(`ws://127.0.0.1:${network.port}/v1`);
  const page = await browser.open(`?url=${url}${more}`);
  await page.waitForFunction(() => "page" in globalThis);
  return page;
}

function call<Name extends keyof TabsPage>(
  page: Page,
  name: Name,
  argument = "",
): Promise<Awaited<ReturnType<TabsPage[Name]>>> {
  const run = ([called, given]: readonly string[]): unknown => {
    const { page: target } = globalThis as unknown as { page: Record<string, unknown> };
    return (target[called ?? ""] as (value?: string) => unknown)(given);
  };
  return page.evaluate(run, [name, argument]) as Promise<Awaited<ReturnType<TabsPage[Name]>>>;
}

function write(count = 1): void {
  for (let at = 0; at < count; at += 1) {
    written += 1;
    const key = written % KEYS;
    const value = `v${written}`;
    broker.reader.append([
      { channel: "store:1", op: "u", key, value },
      { channel: "store:2", op: "u", key: key + SECOND, value },
    ]);
  }
}

function wanted(channels = ["store:1", "store:2"]): readonly string[] {
  return channels
    .flatMap((channel) => [...broker.reader.content(channel)])
    .sort(([a], [b]) => a - b)
    .map(([key, value]) => `${key}=${value}`);
}

async function eventually<T>(what: () => Promise<T>, wants: T | (() => T)): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const expected = typeof wants === "function" ? (wants as () => T)() : wants;
    const found = await what();
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    if (performance.now() > until) expect(found).toEqual(expected);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function shows(pages: readonly Page[]): Promise<void> {
  for (const page of pages) await eventually(() => call(page, "shown"), wanted);
  for (const page of pages) expect(await call(page, "torn")).toBe(0);
}

async function leader(pages: readonly Page[]): Promise<{ leads: Page; others: Page[] }> {
  let found: Page | undefined;
  const leaders = async (): Promise<number> => {
    const flags = await Promise.all(pages.map((page) => call(page, "leads")));
    found = pages[flags.indexOf(true)];
    return flags.filter((flag) => flag).length;
  };
  await eventually(leaders, 1);
  if (found === undefined) throw new Error("no tab leads");
  const leads = found;
  return { leads, others: pages.filter((page) => page !== leads) };
}

/** Units keep coming until the returned function is called. */
function load(): () => void {
  const timer = setInterval(() => {
    write(3);
  }, 10);
  return () => {
    clearInterval(timer);
  };
}

const stores = [
  ["IndexedDB", ""],
  ["SQLite", "&store=sqlite"],
] as const;

describe.each(stores)("tabs over %s", (_, kind) => {
  it("share one connection; each shows what changes, and asks the leader for what it wants", async () => {
    write(20);
    const first = await tab(`${kind}&channels=store:1`);
    await leader([first]);
    const second = await tab(`${kind}&channels=store:1`);
    await eventually(
      () => call(second, "shown"),
      () => wanted(["store:1"]),
    );
    expect(await call(second, "leads")).toBe(false);
    await call(second, "attach", "store:2");
    await shows([first, second]);
    write(5);
    await shows([first, second]);
    expect(network.accepted).toBe(1);
    expect(await call(second, "status")).toBe("live");

    // The first still wants store:1, nobody store:2 any more.
    await call(second, "detach", "store:1");
    await call(second, "detach", "store:2");
    await eventually(
      () => call(first, "shown"),
      () => wanted(["store:1"]),
    );
  });

  it("wait for a position through the leader", async () => {
    const pages = [await tab(kind), await tab(kind)];
    const { others } = await leader(pages);
    const [other] = others;
    if (other === undefined) throw new Error("there is one tab");
    await shows(pages);
    broker.reader.source("shop", "0000000001", {});
    let isReached = false;
    const reached = call(other, "until", "7").then(() => {
      isReached = true;
    });
    write();
    await shows(pages);
    expect(isReached).toBe(false);
    broker.reader.source("shop", "0000000007", {});
    await reached;
  });
});

describe.each(stores)(
  "over %s another tab takes over under load, and misses nothing",
  (_store, kind) => {
    it.each([
      ["is closed", async (page: Page) => page.close()],
      [
        "crashes",
        async (page: Page) => {
          const debug = await browser.context.newCDPSession(page);
          // The page never answers.
          debug.send("Page.crash").catch(() => undefined);
        },
      ],
    ])("when the leader %s", async (_, end) => {
      const pages = [await tab(kind), await tab(kind), await tab(kind)];
      const { leads, others } = await leader(pages);
      const stop = load();
      try {
        await eventually(async () => (await call(leads, "shown")).length > 0, true);
        await end(leads);
        await leader(others);
        await new Promise((resolve) => setTimeout(resolve, 300));
      } finally {
        stop();
      }
      await shows(others);
      expect(network.accepted).toBe(2);
    });

    it("when the leader freezes, which follows when it wakes", async () => {
      // A new table needs every tab to let go of the database, which a frozen one cannot.
      write(KEYS);
      const pages = [await tab(kind), await tab(kind)];
      const { leads, others } = await leader(pages);
      await shows(pages);
      for (const page of others) await page.bringToFront();
      // The browser freezes no page that holds a lock, so that the debugger must: nothing of it runs any more.
      const debug = await browser.context.newCDPSession(leads);
      await debug.send("Debugger.enable");
      const paused = new Promise<void>((resolve) => {
        debug.once("Debugger.paused", () => {
          resolve();
        });
      });
      // Outside of any transaction: an open one would hold up every tab, which is why browsers don't freeze then.
      await leads.evaluate(() => {
        setTimeout(() => {
          // eslint-disable-next-line no-debugger -- the breakpoint that the test needs
          debugger;
        }, 0);
      });
      await paused;
      const stop = load();
      try {
        await leader(others);
      } finally {
        stop();
      }
      await shows(others);
      await debug.send("Debugger.resume");
      await debug.send("Debugger.disable");
      await leads.bringToFront();
      write(3);
      await shows(pages);
      await eventually(() => call(leads, "leads"), false);
      expect(await call(leads, "trouble")).toBeUndefined();
    });
  },
);

describe("without Web Locks", () => {
  it("one tab leads, too, and another takes over when it is gone", async () => {
    write(5);
    const first = await tab("&locks=no");
    await leader([first]);
    const second = await tab("&locks=no");
    await shows([first, second]);
    expect(await call(second, "leads")).toBe(false);
    await first.close();
    await leader([second]);
    write(5);
    await shows([second]);
  });
});

describe.each(stores)("a browser that was away, with %s", (_, kind) => {
  it("reloads to what it had, and comes to an hour of changes", async () => {
    write(50);
    const page = await tab(kind);
    await shows([page]);
    network.cut();
    write(3_600);
    await page.reload();
    await page.waitForFunction(() => "page" in globalThis);
    await eventually(async () => (await call(page, "shown")).length, 2 * KEYS);
    expect(await call(page, "torn")).toBe(0);
    network.mend();
    await shows([page]);
  });
});
