/** Time that stands still until a test moves it. */
import type { Clock } from "../../src/base/clock.js";

export class VirtualClock implements Clock {
  #now: number;
  #jumpedMs = 0;
  #lastId = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#jumpedMs;
  }

  /** The wall clock is set: time itself does not pass. */
  jump(ms: number): void {
    this.#now += ms;
    this.#jumpedMs += ms;
  }

  get timers(): number {
    return this.#timers.size;
  }

  after(delayMs: number, run: () => void): () => void {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#timers.set(id, { at: this.#now + delayMs, run });
    return () => {
      this.#timers.delete(id);
    };
  }

  /** Moves time on, running what falls due in order, and lets promises settle after each. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (;;) {
      let next: [number, { readonly at: number; readonly run: () => void }] | undefined;
      for (const timer of this.#timers) {
        if (timer[1].at <= until && (next === undefined || timer[1].at < next[1].at)) next = timer;
      }
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].run();
      await settled();
    }
    this.#now = until;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
