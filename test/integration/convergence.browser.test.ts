/**
 * Goal: as convergence.test.ts, with browsers as clients: whatever happens on the way, IndexedDB and SQLite on
 * OPFS end up with what the rules say of the database, and never show a state that no transaction left behind.
 * Method: the same bank, program and faults; each client is an origin in Chromium with tabs that crash, reload,
 * come, close and go offline. CHANGECAST_SEEDS (numbers, commas between) chooses other seeds than the fixed ones.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresBank } from "../support/bank-postgres.js";
import { Browser } from "../support/browser.js";
import { chosenSeeds, ofSeed } from "../support/chosen-seeds.js";
import { runConvergence } from "../support/convergence-run.js";
import { PageDevices } from "../support/page-device.js";
import { startPostgres } from "../support/postgres-server.js";
import type { PostgresServer } from "../support/postgres-server.js";

const FIXED_SEEDS = 5;
/** In every fourth the server itself is restarted. */
const RESTART_EVERY = 4;
const RUN_MS = Number(process.env["CHANGECAST_RUN_MS"] ?? 8_000);

const seeds = chosenSeeds(FIXED_SEEDS);

let server: PostgresServer;
let browser: Browser;
let devices: PageDevices;

beforeAll(async () => {
  const settings = { max_prepared_transactions: "20" };
  server = await startPostgres({ version: 18, exclusive: true, settings });
  browser = await Browser.start("test/browser/bank-page.ts", {
    "/sqlite-worker.js": "test/browser/sqlite-worker.ts",
  });
  devices = await PageDevices.of(browser);
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

test.each(seeds)(
  "every store of a browser holds what the rules say of the database, seed %d",
  async (seed) => {
    const mayRestart = seed % RESTART_EVERY === 0;
    let count = seed;
    await ofSeed("test/integration/convergence.browser.test.ts", seed, async () => {
      const report = await runConvergence({
        ...{ seed, ms: RUN_MS, calmCopy: true },
        bank: (name, random) => PostgresBank.create({ server, name, random, mayRestart }),
        // Of four clients one has SQLite: another one with each seed.
        device: (options) => {
          count += 1;
          return devices.create(options, count % 4 === 0 ? "sqlite" : "indexeddb");
        },
      });
      expect(report.transactions).toBeGreaterThan(40);
      expect(report.counted).toBeGreaterThan(5);
      expect(browser.errors.splice(0)).toEqual([]);
    });
  },
);
