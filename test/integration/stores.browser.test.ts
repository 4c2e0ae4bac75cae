/** The store suite on real IndexedDB and on SQLite in real OPFS, in Chromium. */
import { afterAll, beforeAll } from "vitest";
import type { Page } from "playwright-core";
import { storeContract } from "../contract/store.contract.js";
import { storeTakeoverContract } from "../contract/store-takeover.js";
import { Browser } from "../support/browser.js";
import { indexedDbSubject, sqliteOpfsSubject } from "../support/page-store.js";

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await Browser.start("test/browser/store-page.ts", {
    "/sqlite-worker.js": "test/browser/sqlite-worker.ts",
  });
  page = await browser.open();
});

afterAll(async () => {
  await browser.close();
});

storeContract("IndexedDB", () => indexedDbSubject(page));
storeTakeoverContract("IndexedDB", () => indexedDbSubject(page));

// Each time that it is opened takes a worker and a new instance of SQLite: fewer trials.
storeContract("SQLite WASM on OPFS", () => sqliteOpfsSubject(page), { seeds: 8 });
storeTakeoverContract("SQLite WASM on OPFS", () => sqliteOpfsSubject(page));
