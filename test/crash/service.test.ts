/**
 * Goal: the program and its devices may be killed at any instant and nothing is lost, doubled or half (I1–I6).
 * Method: real processes under load; they kill themselves at named steps on the way of a change, and are killed
 * at random instants; after each round every device's file is compared with queries of the database.
 * CHANGECAST_CRASH_ROUNDS sets how many random rounds there are, CHANGECAST_SEEDS the seed.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type KillPoint, killPointText } from "../support/kill-point.js";
import { pause } from "../support/postgres-machine.js";
import { type PostgresServer, startPostgres } from "../support/postgres-server.js";
import { SeededRandom } from "../support/seeded-random.js";
import { CrashWorld } from "./crash-world.js";

type Step = readonly [point: string, moment: KillPoint["moment"], countMax: number];

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

/** Inside the store's transactions, between rows and places, and around them. */
const DEVICE_STEPS: readonly Step[] = [
  ["inside.runMany", "before", 60],
  ["inside.runMany", "after", 60],
  ["driver.transaction", "before", 20],
  ["driver.transaction", "after", 20],
  ["store.apply", "after", 20],
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

/** While existing rows are copied. */
const COPY_STEPS: readonly Step[] = [
  ["RowWriter.copied", "before", 1],
  ["RowWriter.copied", "after", 2],
  ["BlocksFile.append", "in", 6],
];

const ROUNDS = Number(process.env["CHANGECAST_CRASH_ROUNDS"] ?? 4);
const ROUND_MS_MAX = 60_000;
const seed = Number(process.env["CHANGECAST_SEEDS"] ?? Math.floor(Math.random() * 1e9));

describe("killed under load", () => {
  let server: PostgresServer;
  let world: CrashWorld;
  let random: SeededRandom;

  beforeAll(async () => {
    server = await startPostgres({
      ...{ version: 18, exclusive: true },
      settings: { max_prepared_transactions: "20" },
    });
  });

  afterEach(async () => {
    await world.close();
  });

  afterAll(async () => {
    await server.close();
  });

  /** A failure says how to see it again. */
  async function run(body: () => Promise<void>): Promise<void> {
    random = new SeededRandom(seed);
    world = await CrashWorld.create(server, random);
    try {
      await body();
    } catch (error) {
      const again = `CHANGECAST_SEEDS=${String(seed)} npm test -- test/crash/service.test.ts`;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`again with: ${again}\n${reason}`, { cause: error });
    }
  }

  async function round(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
      await world.compare();
    } catch (error) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    }
  }

  function drawn([point, moment, countMax]: Step): KillPoint {
    return { point, moment, count: 1 + random.below(countMax) };
  }

  /** Both kill themselves in one round, each at its step. */
  async function steps(program: Step, device: Step, before?: () => Promise<void>): Promise<void> {
    const [first] = world.devices;
    if (first === undefined) throw new Error("there is no device");
    const kills = { program: drawn(program), device: drawn(device) };
    const what = `program at ${killPointText(kills.program)}, device at ${killPointText(kills.device)}`;
    await round(what, async () => {
      await world.program.kill();
      await first.kill();
      await before?.();
      world.program.start({ kill: kills.program });
      await world.reached(world.program, what);
      world.program.start();
      await world.program.ready();
      first.start(kills.device);
      await world.reached(first, what);
    });
  }

  it(
    "while it copies existing rows, it begins again and ends right",
    () =>
      run(async () => {
        for (const step of COPY_STEPS) {
          const kill = drawn(step);
          world.program.start({ kill });
          await world.reached(world.program, killPointText(kill));
        }
        await world.compare();
      }),
    COPY_STEPS.length * ROUND_MS_MAX,
  );

  it(
    "at each step between read and acknowledge, devices between rows and place and while they load",
    () =>
      run(async () => {
        await world.compare();
        world.startWriters();
        const [device] = world.devices;
        for (const [at, step] of PROGRAM_STEPS.entries()) {
          const deviceStep = DEVICE_STEPS[at % DEVICE_STEPS.length] ?? step;
          // A file that is begun anew loads its channels page by page.
          const isAnew = at >= DEVICE_STEPS.length;
          await steps(step, deviceStep, async () => (isAnew ? device?.forget() : undefined));
        }
        expect(world.committed).toBeGreaterThan(100);
      }),
    PROGRAM_STEPS.length * ROUND_MS_MAX,
  );

  it(
    "in the middle of a huge transaction, devices while they stage it",
    () =>
      run(async () => {
        await world.compare();
        world.startWriters();
        for (const [program, device] of HUGE_STEPS) {
          await steps(program, device, () => world.writeHuge());
        }
      }),
    HUGE_STEPS.length * ROUND_MS_MAX,
  );

  it(
    `at random instants, ${String(ROUNDS)} rounds`,
    () =>
      run(async () => {
        await world.compare();
        world.startWriters();
        for (let at = 1; at <= ROUNDS; at += 1) {
          await round(`round ${String(at)} of ${String(ROUNDS)}`, async () => {
            const device = random.pick(world.devices);
            const victims = [world.program, ...(random.below(2) === 0 ? [] : [device])];
            if (random.below(6) === 0) await device?.forget();
            if (random.below(8) === 0) await world.writeHuge();
            await pause(random.below(400));
            for (const victim of victims) await victim?.kill();
            world.program.start();
            // Sometimes the next kill comes while it starts.
            if (random.below(3) === 0) {
              await pause(random.below(700));
              await world.program.kill();
            }
          });
        }
      }),
    ROUNDS * ROUND_MS_MAX + ROUND_MS_MAX,
  );
});
