/**
 * The whole pipeline on virtual time, from one seed each (see world.ts), and the proof that each checker can
 * fail. `npm run simulate` runs many more; CHANGECAST_SEEDS=<seed> repeats one here.
 */
import { describe, expect, test } from "vitest";
import { chosenSeeds } from "../support/chosen-seeds.js";
import { memoryInUse } from "../support/memory-in-use.js";
import { canaries } from "./canaries.js";
import { checkers, repeatCommand, simulate } from "./simulate.js";

const SEEDS = 2_000;
/** Once these found something. */
const FOUND = [4_835, 7_707, 11_802, 38_875, 42_576];
const SEEDS_PER_TEST = 500;
/** A canary is seen by then. */
const CANARY_SEEDS_MAX = 100;
const CANARY_ACTIONS = 25;

const seeds = chosenSeeds(SEEDS, FOUND);
const groups = Array.from({ length: Math.ceil(seeds.length / SEEDS_PER_TEST) }, (_, at) =>
  seeds.slice(at * SEEDS_PER_TEST, (at + 1) * SEEDS_PER_TEST),
);

describe("a simulation", () => {
  test.each(groups.map((group) => [group[0] ?? 0, group.at(-1) ?? 0, group] as const))(
    "keeps every invariant, seeds %d to %d",
    async (_first, _last, group) => {
      for (const seed of group) {
        const { violation, story, actions } = await simulate({ seed });
        const where = `${repeatCommand(seed, actions)}\n${story.join("\n")}`;
        expect(violation, where).toBeUndefined();
      }
    },
  );

  test("runs the same way every time", async () => {
    for (const seed of [3, 14, 15, 17])
      expect(await simulate({ seed })).toEqual(await simulate({ seed }));
  });
});

test("a world that is over leaves nothing in memory, though its processes were not stopped", async () => {
  const heapAfter = async (from: number, to: number): Promise<number> => {
    for (let seed = from; seed <= to; seed += 1) await simulate({ seed });
    return memoryInUse().heapUsed;
  };
  const before = await heapAfter(1, 20);
  const after = await heapAfter(21, 120);
  // One takes 400 KB.
  expect(after - before).toBeLessThan(10e6);
});

describe("the checker", () => {
  test("of every invariant has a canary", () => {
    expect([...canaries.keys()].sort()).toEqual([...checkers.keys()].sort());
  });

  test.each([...canaries])("%s: sees its canary", async (name, canary) => {
    const { actions = CANARY_ACTIONS, faults, ...mutation } = canary;
    const options = { actions, mutation, canRest: false, ...(faults && { faults }) };
    const makers = new Map([...checkers].filter(([known]) => known === name));
    for (let seed = 1; seed <= CANARY_SEEDS_MAX; seed += 1) {
      const { violation } = await simulate({ seed, makers, ...options });
      // What is wrong may end a process first.
      if (violation?.checker === name) return;
    }
    expect.fail(`${CANARY_SEEDS_MAX} seeds passed`);
  });
});
