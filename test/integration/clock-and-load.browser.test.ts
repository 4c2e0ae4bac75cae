/**
 * Goal: a clock that somebody sets neither cuts a session nor stops what a page shows, and a first load of
 * 100,000 rows is whole. Method: pages in Chromium whose `Date` is moved by days, against a real broker; the
 * rows are counted by IndexedDB itself.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Page } from "playwright-core";
import type { BenchPage } from "../browser/bench-page.js";
import type { TabsPage } from "../browser/tabs-page.js";
import { Browser } from "../support/browser.js";
import { BrokerWorld } from "../support/broker-world.js";

const ROWS = 100_000;
const DAY_MS = 86_400_000;
/** Often enough that the client looks at its clock several times. */
const HEARTBEAT_MS = 200;

let broker: BrokerWorld;
let browser: Browser;

beforeEach(async () => {
  broker = await new BrokerWorld({ limits: { heartbeatMs: HEARTBEAT_MS } }).open();
});

afterEach(async () => {
  const errors = [...browser.errors];
  await browser.close();
  await broker.close();
  expect(errors).toEqual([]);
});

function inPage<Target>(page: Page, run: (target: Target) => unknown): Promise<unknown> {
  return page
    .waitForFunction(() => "page" in globalThis)
    .then(() => page.evaluate(`(${String(run)})(globalThis.page)`));
}

it("a clock set days ahead and back costs a ping, and nothing else", async () => {
  browser = await Browser.start("test/browser/tabs-page.ts");
  await browser.context.addInitScript(
    `const now = Date.now; globalThis.aheadMs = 0; Date.now = () => now() + globalThis.aheadMs;`,
  );
  const url = encodeURIComponent(`ws://127.0.0.1:${broker.port}/v1`);
  const page = await browser.open(`?url=${url}`);
  const states = new Set<unknown>();
  const look = async (): Promise<string> => {
    states.add(await inPage<TabsPage>(page, (target) => target.status()));
    return JSON.stringify(await inPage<TabsPage>(page, (target) => target.shown()));
  };
  await expect.poll(look).toBe("[]");
  await expect.poll(() => inPage<TabsPage>(page, (target) => target.status())).toBe("live");
  states.clear();
  for (const [key, aheadMs] of [DAY_MS, -3 * DAY_MS, 0].entries()) {
    await page.evaluate(`globalThis.aheadMs = ${aheadMs}`);
    await page.waitForTimeout(5 * HEARTBEAT_MS);
    broker.reader.append([
      { channel: "store:1", op: "u", key, value: "x" },
      { channel: "store:2", op: "u", key: key + 1_000, value: "x" },
    ]);
    await expect.poll(look).toContain(`${key + 1_000}=x`);
  }
  expect([...states]).toEqual(["live"]);
});

it("a first load of 100,000 rows is there whole, and after a reload too", async () => {
  browser = await Browser.start("test/browser/bench-page.ts");
  const page = await browser.open();
  await page.waitForFunction(() => "page" in globalThis);
  await page.evaluate(`page.apply(${ROWS})`);
  await page.reload();
  expect(await inPage<BenchPage>(page, (target) => target.count())).toBe(ROWS);
  expect(await inPage<BenchPage>(page, (target) => target.start())).toBeGreaterThan(0);
});
