/** The hooks in a React app in Chromium: what it shows follows the store, the query and the status. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Page } from "playwright-core";
import type { StoreUnit } from "../../src/client/stores/store.js";
import type { ReactPage } from "../browser/react-page.js";
import { batch, products, step, unit } from "../contract/store.contract.js";
import { Browser } from "../support/browser.js";

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await Browser.start("test/browser/react-page.ts");
  page = await browser.open();
});

afterAll(async () => {
  expect(browser.errors).toEqual([]);
  await browser.close();
});

async function shows(text: string): Promise<void> {
  await page.getByRole("button", { name: text, exact: true }).waitFor();
}

function apply(what: StoreUnit): Promise<void> {
  return page.evaluate(async (given) => {
    await (globalThis as unknown as { page: ReactPage }).page.apply(given as StoreUnit);
  }, what as unknown);
}

it("shows rows as they change, another query when its values change, and the status", async () => {
  await shows("connecting:");
  await apply(
    unit(
      1,
      [step("a", 2)],
      batch("a", products, [1, 1, 0, "i", 1, "tea"], [2, 1, 1, "i", 2, "salt"]),
    ),
  );
  await shows("connecting: salt tea");
  await page.evaluate(() => {
    (globalThis as unknown as { page: ReactPage }).page.status("live");
  });
  await shows("live: salt tea");
  await page.getByRole("button").click();
  await shows("live: salt");
  await apply(unit(2, [step("a", 3)], batch("a", products, [3, 2, 0, "u", 2, "sea salt"])));
  await shows("live: sea salt");
});
