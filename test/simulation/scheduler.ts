/**
 * Virtual time and the only loop of a simulation: whatever waits for anything (a timer, the disk, the
 * network, a turn of the event loop) stands here as a step, ordered by its due time. Between two steps
 * every promise that can go on does so, so one seed always runs the same way. No real timer is involved.
 */
import type { Clock } from "../../src/base/clock.js";

interface Step {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

const START_MS = 1_700_000_000_000;

export class Scheduler implements Clock {
  /** A binary heap by (at, order). */
  readonly #heap: Step[] = [];
  #now = 0;
  #count = 0;
  #steps = 0;

  now(): number {
    return START_MS + Math.floor(this.#now);
  }

  monotonic(): number {
    return this.#now;
  }

  /** Steps that were run. */
  get steps(): number {
    return this.#steps;
  }

  after(delayMs: number, run: () => void): () => void {
    const step: Step = { at: this.#now + delayMs, order: this.#count++, run };
    this.#push(step);
    return () => {
      step.run = undefined;
    };
  }

  /** Runs steps until `isOver`, which is asked after each; false where nothing was left to run. */
  async run(isOver: () => boolean): Promise<boolean> {
    const immediate = globalThis.setImmediate;
    // The only way of src to wait for the loop itself (turnOfLoop): there is none here but this one.
    globalThis.setImmediate = ((run: () => void) =>
      this.after(0, run)) as unknown as typeof setImmediate;
    try {
      for (;;) {
        await quiet();
        if (isOver()) return true;
        const step = this.#next();
        if (step?.run === undefined) return false;
        this.#now = step.at;
        this.#steps += 1;
        step.run();
      }
    } finally {
      globalThis.setImmediate = immediate;
    }
  }

  /** The next step that was not cancelled. */
  #next(): Step | undefined {
    for (;;) {
      const step = this.#pop();
      if (step === undefined || step.run !== undefined) return step;
    }
  }

  #push(step: Step): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(step);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(step, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = step;
  }

  #pop(): Step | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below !== undefined && right !== undefined && isBefore(right, below)) {
        below = right;
        child += 1;
      }
      if (below === undefined || !isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Step, b: Step): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Node runs a tick only when no promise can go on: far cheaper than a turn of its event loop. */
function quiet(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}
