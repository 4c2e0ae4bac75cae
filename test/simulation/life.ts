/**
 * The life of one simulated process: everything that it waits for passes through here, and never comes back
 * once the process was killed. So it stops at any step, in the middle of whatever it was doing, and what it
 * leaves behind is what was durable.
 */
import type { Clock } from "../../src/base/clock.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { Scheduler } from "./scheduler.js";

export class Life implements Clock {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  #isOver = false;

  constructor(scheduler: Scheduler, random: SeededRandom) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  kill(): void {
    this.#isOver = true;
  }

  now(): number {
    return this.#scheduler.now();
  }

  monotonic(): number {
    return this.#scheduler.monotonic();
  }

  after(delayMs: number, run: () => void): () => void {
    if (this.#isOver) return () => undefined;
    return this.#scheduler.after(delayMs, () => {
      if (!this.#isOver) run();
    });
  }

  /** Waits for something outside that takes a while: mostly a moment, now and then long. */
  passes(): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayOf(this.#random), resolve);
    });
  }

  /** What comes from outside reaches the living only. */
  reaches<T>(outside: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      outside.then(
        (value) => {
          if (!this.#isOver) resolve(value);
        },
        (cause: unknown) => {
          const error = cause as Error;
          if (!this.#isOver) reject(error);
        },
      );
    });
  }
}

/** Milliseconds that something outside takes. */
export function delayOf(random: SeededRandom): number {
  const draw = random.next();
  if (draw < 0.6) return draw;
  if (draw < 0.95) return (draw - 0.6) * 30;
  return (draw - 0.95) * 2_000;
}
