/**
 * Goal: as service.test.ts, with MongoDB as the source: the program and its devices may be killed at any instant,
 * and no change is lost, doubled or half. Method: the same rounds over a replica set that stays up; after each one
 * every device's file is compared with the database. CHANGECAST_CRASH_ROUNDS sets how many random rounds there
 * are, CHANGECAST_SEEDS the seed.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";
import { MongodbCrashBank } from "./crash-mongodb.js";
import { COPY_STEPS, ROUND_MS_MAX, ROUNDS, withRounds } from "./crash-rounds.js";
import type { CrashRounds, Step } from "./crash-rounds.js";

/** Where the connector has a part in it; the way behind it is the same for all sources. */
const PROGRAM_STEPS: readonly Step[] = [
  ["ResumingStream.next", "after", 60],
  ["DocumentReads.byKeys", "after", 10],
  ["MongodbSession.memo", "before", 40],
  ["BlocksFile.append", "after", 40],
  ["SourceIntake.durable", "before", 40],
];

const HUGE_STEPS: readonly (readonly [Step, Step])[] = [
  [
    ["BlocksFile.writePart", "after", 8],
    ["store.stage", "before", 1],
  ],
  [
    ["DerivedQueue.merge", "after", 1],
    ["store.apply", "after", 2],
  ],
];

describe("killed under load from MongoDB", () => {
  let server: MongodbServer;

  beforeAll(async () => {
    server = await startMongodb({ exclusive: true });
  });

  afterAll(async () => {
    await server.close();
  });

  const run = (body: (rounds: CrashRounds) => Promise<void>): Promise<void> =>
    withRounds("mongodb.test.ts", (random) => MongodbCrashBank.create(server, random), body);

  it(
    "while it copies existing documents, it begins again and ends right",
    () => run((rounds) => rounds.whileCopying()),
    COPY_STEPS.length * ROUND_MS_MAX,
  );

  it(
    "at each step between the stream and the journal",
    () =>
      run(async (rounds) => {
        await rounds.atSteps(PROGRAM_STEPS);
        expect(rounds.world.committed).toBeGreaterThan(50);
      }),
    PROGRAM_STEPS.length * ROUND_MS_MAX,
  );

  it(
    "in the middle of a huge transaction, devices while they stage it",
    () => run((rounds) => rounds.whileHuge(HUGE_STEPS)),
    HUGE_STEPS.length * ROUND_MS_MAX,
  );

  it(
    `at random instants, ${String(ROUNDS)} rounds`,
    () => run((rounds) => rounds.atRandom(ROUNDS)),
    ROUNDS * ROUND_MS_MAX + ROUND_MS_MAX,
  );
});
