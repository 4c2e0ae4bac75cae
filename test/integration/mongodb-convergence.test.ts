/**
 * Goal: as convergence.test.ts, with MongoDB as the source: whatever happens on the way, every store ends up with
 * what the rules say of the database, and on the way never shows a state that no transaction left behind. Method:
 * the same bank, devices and faults; every operator, transactions, bulk writes and retryable writes; failing
 * streams, a cut network, elections of a set of three. CHANGECAST_SEEDS chooses other seeds than the fixed ones.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MongodbBank } from "../support/bank-mongodb.js";
import { chosenSeeds, ofSeed } from "../support/chosen-seeds.js";
import { runConvergence } from "../support/convergence-run.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";

const FIXED_SEEDS = 20;
/** Every fifth seed runs on a set with elections. */
const ELECTIONS_EVERY = 5;
const RUN_MS = Number(process.env["CHANGECAST_RUN_MS"] ?? 5_000);

const seeds = chosenSeeds(FIXED_SEEDS);

const membersOf = (seed: number): 1 | 3 => (seed % ELECTIONS_EVERY === 0 ? 3 : 1);

const sizes = [...new Set(seeds.map(membersOf))];

describe.each<1 | 3>(sizes)("on a replica set of %d", (members) => {
  let server: MongodbServer;

  beforeAll(async () => {
    server = await startMongodb({ members, exclusive: true });
  });

  afterAll(async () => {
    await server.close();
  });

  test.each(seeds.filter((seed) => membersOf(seed) === members))(
    "every store holds what the rules say of the database, seed %d",
    async (seed) => {
      const updates = seed % 2 === 0 ? "nested" : "refetch";
      await ofSeed("test/integration/mongodb-convergence.test.ts", seed, async () => {
        const report = await runConvergence({
          ...{ seed, ms: RUN_MS },
          bank: (name, random) => MongodbBank.create({ server, name, random, updates }),
        });
        expect(report.transactions).toBeGreaterThan(20);
        expect(report.counted).toBeGreaterThan(0);
      });
    },
  );
});
