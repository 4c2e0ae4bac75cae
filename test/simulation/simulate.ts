/** Runs one seed to its end and says what was found. */
import type { MakeChecker, Violation } from "./checkers.js";
import { strike } from "./faults.js";
import { World } from "./world.js";
import type { Mutation } from "./world.js";
import {
  acknowledgesDurable,
  appendsOnce,
  leavesNoRows,
  tellsLostSource,
  unitsAreTransactions,
} from "./journal-checkers.js";
import {
  endsEqual,
  reopensConsistent,
  showsNoStrayRows,
  showsWholeUnits,
} from "./device-checkers.js";
import {
  commitsSpeakForAll,
  serialsHaveNoHoles,
  tellsDurable,
  tellsLostJournal,
} from "./wire-checkers.js";
import { waitsAreBounded } from "./bound-checkers.js";

/** By the invariant of src/ARCHITECTURE.md that it watches. */
export const checkers: ReadonlyMap<string, MakeChecker> = new Map([
  ["I1 acknowledges what is durable", acknowledgesDurable],
  ["I2 appends once", appendsOnce],
  ["I3 tells what is durable", tellsDurable],
  ["I4 units are transactions", unitsAreTransactions],
  ["I4 commits speak for all channels", commitsSpeakForAll],
  ["I4 devices show whole units", showsWholeUnits],
  ["I5 serials have no holes", serialsHaveNoHoles],
  ["I6 devices reopen consistent", reopensConsistent],
  ["I7 a lost source is told", tellsLostSource],
  ["I7 a lost journal is told", tellsLostJournal],
  ["I8 the journal leaves no rows", leavesNoRows],
  ["I8 devices show no stray rows", showsNoStrayRows],
  ["I9 waits are bounded", waitsAreBounded],
  ["devices end where the tables are", endsEqual],
]);

export interface SimulationOptions {
  readonly seed: number;
  /** Things that happen. */
  readonly actions?: number;
  readonly makers?: ReadonlyMap<string, MakeChecker>;
  readonly mutation?: Mutation;
  /** The faults that strike; all where it is left out. */
  readonly faults?: readonly string[];
  /** False: something is wrong on purpose, so only the checkers count. */
  readonly canRest?: boolean;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly story: readonly string[];
  readonly steps: number;
  /** Log numbers that were written. */
  readonly units: number;
  readonly actions: number;
}

/** Small worlds: more of them fit into a minute, and most mistakes need few things to happen. */
const ACTIONS_MIN = 2;
const ACTIONS_MAX = 14;
/** Of 100 actions so many are faults. */
const FAULTS = 30;
/** Virtual milliseconds between two actions, at most. */
const GAP_MS_MAX = 25;
/** A run that has not come to rest after so many steps never will. */
const STEPS_MAX = 30_000;
/** Of a world that is wrong on purpose and may never come to rest. */
const STEPS_WRONG_MAX = 3_000;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, makers = checkers, mutation, canRest = true } = options;
  const world = new World({ seed, makers, ...(mutation === undefined ? {} : { mutation }) });
  const { random, scheduler, checkers: watching } = world;
  const some = ACTIONS_MIN + random.below(ACTIONS_MAX - ACTIONS_MIN);
  const actions = options.actions ?? some;
  const plan = new Plan(world, actions, options.faults);
  scheduler.after(0, () => {
    world.startAll();
    plan.act();
  });
  const stepsMax = canRest ? STEPS_MAX : STEPS_WRONG_MAX;
  await scheduler.run(
    () =>
      watching.violation !== undefined ||
      scheduler.steps > stepsMax ||
      (plan.isOver && world.unrest === undefined),
  );
  if (watching.violation === undefined) {
    const unrest = plan.isOver ? world.unrest : "things still happen";
    if (unrest === undefined) watching.settled(world.devices, world.set);
    else if (canRest) watching.violated("rest", `it does not come to rest: ${unrest}`);
  }
  const { violation } = watching;
  const { steps } = scheduler;
  return { seed, violation, story: world.story, steps, units: world.disk.log, actions };
}

/** For people: how to see one seed again. */
export function repeatCommand(seed: number, actions: number): string {
  return `npm run simulate -- --seed ${seed} --actions ${actions}`;
}

/** Commits and faults, one after the other, and peace at last. */
class Plan {
  readonly #world: World;
  readonly #faults: readonly string[] | undefined;
  #left: number;
  #isOver = false;

  constructor(world: World, actions: number, faults: readonly string[] | undefined) {
    this.#world = world;
    this.#faults = faults;
    this.#left = actions;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  act(): void {
    const { random, scheduler, shop } = this.#world;
    if (this.#left === 0) {
      this.#isOver = true;
      this.#world.heal();
      return;
    }
    this.#left -= 1;
    if (random.below(100) < FAULTS) strike(this.#world, this.#faults);
    else shop.commit();
    scheduler.after(random.below(GAP_MS_MAX), () => {
      this.act();
    });
  }
}
