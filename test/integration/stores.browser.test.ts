/** The store suite on real IndexedDB, in Chromium. */
import { afterAll, beforeAll } from "vitest";
import type { Page } from "playwright-core";
import { storeContract } from "../contract/store.contract.js";
import { Browser } from "../support/browser.js";
import { indexedDbSubject } from "../support/page-store.js";

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await Browser.start("test/browser/store-page.ts");
  page = await browser.open();
});

afterAll(async () => {
  await browser.close();
});

storeContract("IndexedDB", () => indexedDbSubject(page));
