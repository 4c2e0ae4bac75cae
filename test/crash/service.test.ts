/**
 * Goal: the program and its devices may be killed at any instant and nothing is lost, doubled or half (I1–I6).
 * Method: real processes under load; they kill themselves at named steps on the way of a change, and are killed
 * at random instants; after each round every device's file is compared with queries of the database.
 * CHANGECAST_CRASH_ROUNDS sets how many random rounds there are, CHANGECAST_SEEDS the seed.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PostgresServer, startPostgres } from "../support/postgres-server.js";
import { PostgresCrashBank } from "./crash-postgres.js";
import { COPY_STEPS, ROUND_MS_MAX, ROUNDS, withRounds } from "./crash-rounds.js";
import type { CrashRounds, Step } from "./crash-rounds.js";

/** From the socket to the acknowledgement, and the durable work behind it. */
const PROGRAM_STEPS: readonly Step[] = [
  ["ChangeStream.next", "after", 60],
  ["RowWriter.apply", "in", 40],
  ["RowWriter.apply", "after", 40],
  ["BlocksFile.append", "before", 40],
  ["Environment.commit", "in", 60],
  ["BlocksFile.append", "after", 40],
  ["LmdbKeep.release", "before", 40],
  ["Notices.release", "before", 40],
  ["Notices.release", "in", 40],
  ["SourceIntake.durable", "before", 40],
  ["ChangeStream.acknowledge", "in", 40],
  ["BlockWriter.units", "before", 8],
  ["WriteBack.units", "before", 8],
  ["WriteBack.units", "after", 8],
];

/** For both, around one transaction of 10 MB. */
const HUGE_STEPS: readonly (readonly [Step, Step])[] = [
  [
    ["BlocksFile.writePart", "after", 20],
    ["store.stage", "before", 1],
  ],
  [
    ["DerivedQueue.merge", "in", 1],
    ["store.stage", "after", 1],
  ],
  [
    ["WriteBack.part", "after", 4],
    ["store.stage", "after", 1],
  ],
  [
    ["DerivedQueue.merge", "after", 1],
    ["store.apply", "after", 2],
  ],
];

describe("killed under load", () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({
      ...{ version: 18, exclusive: true },
      settings: { max_prepared_transactions: "20" },
    });
  });

  afterAll(async () => {
    await server.close();
  });

  const run = (body: (rounds: CrashRounds) => Promise<void>): Promise<void> =>
    withRounds("service.test.ts", (random) => PostgresCrashBank.create(server, random), body);

  it(
    "while it copies existing rows, it begins again and ends right",
    () => run((rounds) => rounds.whileCopying()),
    COPY_STEPS.length * ROUND_MS_MAX,
  );

  it(
    "at each step between read and acknowledge, devices between rows and place and while they load",
    () =>
      run(async (rounds) => {
        await rounds.atSteps(PROGRAM_STEPS);
        expect(rounds.world.committed).toBeGreaterThan(100);
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
