import { defineConfig } from "vitest/config";

/** Everything a test may start (a database, a child process) is slow beside plain code. */
const SERVER_TIMEOUT_MS = 60_000;
const PLAIN_TIMEOUT_MS = 20_000;

const servers = ["test/integration/**", "test/crash/**", "test/conformance/**"];

const alias = [
  { find: /^@changecast\/client$/, replacement: `${import.meta.dirname}/src/client/client.ts` },
  { find: /^@changecast\/client\/(.*)$/, replacement: `${import.meta.dirname}/src/client/$1.ts` },
];

export default defineConfig({
  test: {
    // A process per file: native drivers, exit hooks and child servers end with it.
    pool: "forks",
    // Two cores are what the project promises to be testable on; more workers make its timing worse.
    maxWorkers: 2,
    passWithNoTests: false,
    allowOnly: false,
    projects: [
      {
        resolve: { alias },
        test: {
          name: "plain",
          include: ["test/**/*.test.ts"],
          exclude: servers,
          testTimeout: PLAIN_TIMEOUT_MS,
          hookTimeout: PLAIN_TIMEOUT_MS,
        },
      },
      {
        resolve: { alias },
        test: {
          name: "servers",
          include: servers.map((folder) => `${folder}/*.test.ts`),
          testTimeout: SERVER_TIMEOUT_MS,
          hookTimeout: SERVER_TIMEOUT_MS,
        },
      },
    ],
  },
});
