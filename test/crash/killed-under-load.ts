/**
 * Goal: the program and its devices may be killed at any instant and nothing is lost, doubled or half (I1–I6).
 * Method: real processes under load; they kill themselves at named steps on the way of a change, and are killed
 * at random instants; after each round every device's file is compared with queries of the database.
 * CHANGECAST_CRASH_ROUNDS sets how many random rounds there are, CHANGECAST_SEEDS the seed.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SeededRandom } from "../support/seeded-random.js";
import type { CrashBank } from "./crash-bank.js";
import { COPY_STEPS, ROUND_MS_MAX, ROUNDS, withRounds } from "./crash-rounds.js";
import type { CrashRounds, Step } from "./crash-rounds.js";

/** One kind of database, and where the program is killed with it. */
export interface CrashSubject<Server> {
  /** Of the test, to say how a failure is seen again. */
  readonly file: string;
  start(): Promise<Server>;
  bank(server: Server, random: SeededRandom): Promise<CrashBank>;
  readonly programSteps: readonly Step[];
  /** For program and device, around one transaction of 20 MB. */
  readonly hugeSteps: readonly (readonly [Step, Step])[];
  /** The rounds at steps prove nothing where fewer transactions were committed. */
  readonly committedMin: number;
}

export function killedUnderLoad<Server extends { close(): Promise<void> }>(
  name: string,
  subject: CrashSubject<Server>,
): void {
  const { file, programSteps, hugeSteps, committedMin } = subject;

  describe(`killed under load of ${name}`, () => {
    let server: Server;

    beforeAll(async () => {
      server = await subject.start();
    });

    afterAll(async () => {
      await server.close();
    });

    const run = (body: (rounds: CrashRounds) => Promise<void>): Promise<void> =>
      withRounds(file, (random) => subject.bank(server, random), body);

    it(
      "while it copies what is there, it begins again and ends right",
      () => run((rounds) => rounds.whileCopying()),
      COPY_STEPS.length * ROUND_MS_MAX,
    );

    it(
      "at each step between read and acknowledge, devices between rows and place and while they load",
      () =>
        run(async (rounds) => {
          await rounds.atSteps(programSteps);
          expect(rounds.world.committed).toBeGreaterThan(committedMin);
        }),
      programSteps.length * ROUND_MS_MAX,
    );

    it(
      "in the middle of a huge transaction, devices while they stage it",
      () => run((rounds) => rounds.whileHuge(hugeSteps)),
      hugeSteps.length * ROUND_MS_MAX,
    );

    it(
      `at random instants, ${String(ROUNDS)} rounds`,
      () => run((rounds) => rounds.atRandom(ROUNDS)),
      ROUNDS * ROUND_MS_MAX + ROUND_MS_MAX,
    );
  });
}
