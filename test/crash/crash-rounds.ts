/** The rounds of the crash tests: something is killed, everything comes up again, and every file is compared. */
import { ofSeed } from "../support/chosen-seeds.js";
import { type KillPoint, killPointText } from "../support/kill-point.js";
import { pause } from "../support/postgres-machine.js";
import { SeededRandom } from "../support/seeded-random.js";
import type { CrashBank } from "./crash-bank.js";
import { CrashWorld } from "./crash-world.js";

export type Step = readonly [point: string, moment: KillPoint["moment"], countMax: number];

export const ROUNDS = Number(process.env["CHANGECAST_CRASH_ROUNDS"] ?? 4);
export const ROUND_MS_MAX = 200_000;

const seed = Number(process.env["CHANGECAST_SEEDS"] ?? Math.floor(Math.random() * 1e9));

/** Inside the store's transactions, between rows and places, and around them. */
export const DEVICE_STEPS: readonly Step[] = [
  ["inside.runMany", "before", 60],
  ["inside.runMany", "after", 60],
  ["driver.transaction", "before", 20],
  ["driver.transaction", "after", 20],
  ["store.apply", "after", 20],
];

/** While existing rows are copied. */
export const COPY_STEPS: readonly Step[] = [
  ["RowWriter.copied", "before", 1],
  ["RowWriter.copied", "after", 2],
  ["BlockAppends.append", "in", 6],
];

/** A failure says how to see it again: `file` is that of the test. */
export async function withRounds(
  file: string,
  bankOf: (random: SeededRandom) => Promise<CrashBank>,
  body: (rounds: CrashRounds) => Promise<void>,
): Promise<void> {
  await ofSeed(`test/crash/${file}`, seed, async () => {
    const random = new SeededRandom(seed);
    const world = await CrashWorld.create(await bankOf(random), random);
    try {
      await body(new CrashRounds(world, random));
    } finally {
      await world.close();
    }
  });
}

export class CrashRounds {
  readonly world: CrashWorld;
  readonly #random: SeededRandom;

  constructor(world: CrashWorld, random: SeededRandom) {
    this.world = world;
    this.#random = random;
  }

  /** The copy is killed at each of them, and ends right. */
  async whileCopying(): Promise<void> {
    for (const step of COPY_STEPS) {
      const kill = this.#drawn(step);
      this.world.program.start({ kill });
      await this.world.reached(this.world.program, killPointText(kill));
    }
    await this.world.compare();
  }

  /** Every step of the program with some step of a device. */
  async atSteps(steps: readonly Step[]): Promise<void> {
    await this.world.compare();
    this.world.startWriters();
    const [device] = this.world.devices;
    for (const [at, step] of steps.entries()) {
      const deviceStep = DEVICE_STEPS[at % DEVICE_STEPS.length] ?? step;
      // A file that is begun anew loads its channels page by page.
      const isAnew = at >= DEVICE_STEPS.length;
      await this.#both(step, deviceStep, async () => (isAnew ? device.forget() : undefined));
    }
  }

  /** Around one transaction of 20 MB each. */
  async whileHuge(steps: readonly (readonly [Step, Step])[]): Promise<void> {
    await this.world.compare();
    this.world.startWriters();
    for (const [program, device] of steps) {
      await this.#both(program, device, () => this.world.writeHuge());
    }
  }

  async atRandom(rounds: number): Promise<void> {
    const { world } = this;
    const random = this.#random;
    await world.compare();
    world.startWriters();
    for (let at = 1; at <= rounds; at += 1) {
      await this.#round(`round ${String(at)} of ${String(rounds)}`, async () => {
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
  }

  /** Both kill themselves in one round, each at its step. */
  async #both(program: Step, device: Step, before: () => Promise<void>): Promise<void> {
    const { world } = this;
    const [first] = world.devices;
    const kills = { program: this.#drawn(program), device: this.#drawn(device) };
    const what = `program at ${killPointText(kills.program)}, device at ${killPointText(kills.device)}`;
    await this.#round(what, async () => {
      await world.program.kill();
      await first.kill();
      await before();
      world.program.start({ kill: kills.program });
      await world.reached(world.program, what);
      world.program.start();
      await world.program.ready();
      first.start(kills.device);
      await world.reached(first, what);
    });
  }

  async #round(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
      await this.world.compare();
    } catch (error) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    }
  }

  #drawn([point, moment, countMax]: Step): KillPoint {
    return { point, moment, count: 1 + this.#random.below(countMax) };
  }
}
