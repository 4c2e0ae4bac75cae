/**
 * Goal: whatever happens on the way, every store ends up with what the rules say of the database, and on the
 * way never shows a state that no transaction left behind. Method: per seed a bank with random transactions,
 * the program as a child process, clients that come and go, and faults everywhere; at the end the stores are
 * compared with queries. CHANGECAST_SEEDS (numbers, commas between) chooses other seeds than the fixed ones.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PostgresBank } from "../support/bank-postgres.js";
import { chosenSeeds, ofSeed } from "../support/chosen-seeds.js";
import { runConvergence } from "../support/convergence-run.js";
import { startPostgres } from "../support/postgres-server.js";
import type { PostgresServer, PostgresVersion } from "../support/postgres-server.js";

const FIXED_SEEDS = 20;
/** Every fifth seed runs on the older server. */
const OLD_EVERY = 5;
/** In every fourth the server itself is restarted. */
const RESTART_EVERY = 4;
const RUN_MS = Number(process.env["CHANGECAST_RUN_MS"] ?? 5_000);

const seeds = chosenSeeds(FIXED_SEEDS);

const versionOf = (seed: number): PostgresVersion => (seed % OLD_EVERY === 0 ? 15 : 18);

const versions = [...new Set(seeds.map(versionOf))];

describe.each<PostgresVersion>(versions)("on Postgres %d", (version) => {
  const mine = seeds.filter((seed) => versionOf(seed) === version);
  let server: PostgresServer;

  beforeAll(async () => {
    const settings = { max_prepared_transactions: "20" };
    server = await startPostgres({ version, exclusive: true, settings });
  });

  afterAll(async () => {
    await server.close();
  });

  test.each(mine)("every store holds what the rules say of the database, seed %d", async (seed) => {
    const mayRestart = seed % RESTART_EVERY === 0;
    await ofSeed("test/integration/convergence.test.ts", seed, async () => {
      const report = await runConvergence({
        ...{ seed, ms: RUN_MS },
        bank: (name, random) => PostgresBank.create({ server, name, random, mayRestart }),
      });
      expect(report.transactions).toBeGreaterThan(40);
      expect(report.counted).toBeGreaterThan(5);
    });
  });
});
