import { defineConfig } from "vitest/config";
import { PATIENCE_MS } from "./test/support/patience.js";

/**
 * What surely comes is waited for up to PATIENCE_MS, so that a slow machine fails no test; a test may wait for a
 * few such things. Only what hangs takes as long as this.
 */
const TEST_TIMEOUT_MS = 400_000;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@changecast\/client$/, replacement: `${import.meta.dirname}/src/client/client.ts` },
      {
        find: /^@changecast\/client\/(.*)$/,
        replacement: `${import.meta.dirname}/src/client/$1.ts`,
      },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: TEST_TIMEOUT_MS,
    expect: { poll: { timeout: PATIENCE_MS } },
    // A process per file: native drivers, exit hooks and child servers end with it.
    pool: "forks",
    // Two cores are what the project promises to be testable on; more workers make its timing worse.
    maxWorkers: 2,
    passWithNoTests: false,
    allowOnly: false,
  },
});
