/**
 * The pipeline against a naive model, over random histories of a scripted database: moves, key changes,
 * unchanged values, truncations, partitions, altered tables, huge transactions, cuts, lost history and
 * restarts, beside the initial copy, and rows that move and are patched behind its chunks. A failure names its
 * seed; CHANGECAST_SEEDS=<seed> repeats it alone.
 */
import { describe, expect, test } from "vitest";
import { chosenSeeds } from "../support/chosen-seeds.js";
import { PipelineWorld, stateChannels } from "../support/pipeline-world.js";
import { SeededRandom } from "../support/seeded-random.js";

const STEPS = 60;
const ROUNDS = 3;

describe.each([
  ["memory", chosenSeeds(25)],
  ["lmdb", chosenSeeds(10)],
] as const)("on a journal of kind %s", (kind, seeds) => {
  test.each(seeds)("every channel holds what the rules say of the rows, seed %d", async (seed) => {
    const world = new PipelineWorld(new SeededRandom(seed), new SeededRandom(~seed), kind);
    try {
      await world.start();
      for (let round = 0; round < ROUNDS; round += 1) {
        for (let step = 0; step < STEPS / ROUNDS; step += 1) await world.step();
        await world.settled();
        for (const channel of stateChannels) {
          const where = `${channel}, seed ${seed}, after: ${world.story}`;
          expect(await world.rows(channel), where).toEqual(world.expected(channel));
        }
      }
    } finally {
      await world.close();
    }
  });
});
