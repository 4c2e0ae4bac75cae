/**
 * Goal: the demo's page does what it says: stock appears, a write flashes, a move leaves one store and enters
 * the other, offline and online it catches up, and a second tab follows the one that leads until that closes.
 * Method: the demo as a child process, its page in a real Chromium, worked by keyboard.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Browser } from "../support/browser.js";
import { PATIENCE_MS } from "../support/patience.js";

const DEMO = fileURLToPath(new URL("../../dist/demo/main.js", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "changecast-page-test-"));
// Where root runs the demo, Postgres is another user, who has to get in.
chmodSync(folder, 0o755);
let demo: ChildProcess;
let browser: Browser;
let url = "";

beforeAll(async () => {
  const env = { ...process.env, TMPDIR: folder };
  demo = spawn(process.execPath, [DEMO], { stdio: ["ignore", "pipe", "inherit"], env });
  let said = "";
  demo.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  url = await vi.waitFor(
    () => /http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0] ?? Promise.reject(new Error(said)),
    { timeout: PATIENCE_MS, interval: 100 },
  );
  browser = await Browser.start("test/browser/entry-core.ts");
});

afterAll(async () => {
  await browser.close();
  const ended = once(demo, "exit");
  demo.kill("SIGINT");
  await ended;
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

async function opened(): Promise<Page> {
  const page = await browser.context.newPage();
  page.on("pageerror", (error) => browser.errors.push(error));
  await page.goto(url);
  return page;
}

function text(page: Page, id: string): Promise<string> {
  return page.locator(`#${id}`).innerText();
}

/** The rows once nothing new is drawn for a while: what had come by then may still have been on its way. */
async function stoodStill(page: Page): Promise<string> {
  for (let tries = 0; tries < 20; tries += 1) {
    const before = await page.locator("#rows-1").innerText();
    await page.waitForTimeout(1_500);
    if ((await page.locator("#rows-1").innerText()) === before) return before;
  }
  throw new Error("rows still come");
}

/** Goes to the button by Tab alone, as somebody without a mouse does. */
async function press(page: Page, id: string, key: "Enter" | "Space"): Promise<void> {
  const button = page.locator(`#${id}`);
  for (let count = 0; count < 20; count += 1) {
    await page.keyboard.press("Tab");
    if (!(await button.evaluate((found) => found.matches(":focus-visible")))) continue;
    await page.keyboard.press(key);
    return;
  }
  throw new Error(`${id} was not reached by Tab`);
}

it("shows both stores, writes, moves, goes offline and comes back, and lets a second tab follow and lead", async () => {
  const first = await opened();
  await expect.poll(() => text(first, "state")).toBe("live");
  for (const id of ["sum-1", "sum-2"]) {
    await expect
      .poll(() => text(first, id))
      .toMatch(/^[1-9]\d* products, [1-9]\d* pieces in stock$/);
  }
  expect(await text(first, "role")).toBe("this tab leads");
  await expect.poll(() => first.locator("tr.came").count()).toBeGreaterThan(0);

  await press(first, "change", "Enter");
  await expect.poll(() => text(first, "told")).toMatch(/here after \d+ ms$/);
  await press(first, "move", "Space");
  await expect.poll(() => text(first, "told")).toMatch(/moves to store [12]: here after \d+ ms$/);

  await press(first, "offline", "Enter");
  await expect.poll(() => text(first, "state")).toBe("offline");
  const before = await stoodStill(first);
  await press(first, "offline", "Enter");
  await expect.poll(() => text(first, "state")).toBe("live");
  await expect.poll(() => first.locator("#rows-1").innerText()).not.toBe(before);
  await press(first, "kill", "Enter");
  await expect.poll(() => text(first, "state")).toBe("live");

  const second = await opened();
  await expect.poll(() => text(second, "role")).toBe("another tab leads");
  await expect.poll(() => text(second, "state")).toBe("live");
  expect(await second.locator("#kill").isDisabled()).toBe(true);
  const seen = await second.locator("#rows-1").innerText();
  await expect.poll(() => second.locator("#rows-1").innerText()).not.toBe(seen);
  await press(second, "change", "Enter");
  await expect.poll(() => text(second, "told")).toMatch(/here after \d+ ms$/);
  await first.close();
  await expect.poll(() => text(second, "role")).toBe("this tab leads");
  await expect.poll(() => text(second, "state")).toBe("live");
  await second.setViewportSize({ width: 390, height: 844 });
  const isWide = await second
    .locator("html")
    .evaluate((page) => page.scrollWidth > page.clientWidth);
  expect(isWide).toBe(false);
  expect(browser.errors).toEqual([]);
});
