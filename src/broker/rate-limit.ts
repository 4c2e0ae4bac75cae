/** A bucket that fills with time: what one client may ask for. Overflow is refused, never queued. */
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";

export interface Rate {
  readonly perSecond: number;
  /** How much may be taken at once after a rest. */
  readonly burst: number;
}

export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  #left: number;
  #filledAt: number;

  constructor(rate: Rate, clock: Clock) {
    assert(rate.perSecond > 0 && rate.burst > 0, "a rate must be positive");
    this.#rate = rate;
    this.#clock = clock;
    this.#left = rate.burst;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `count`; 0 when it was there, otherwise milliseconds until it may be (nothing is taken). */
  take(count: number): number {
    const now = this.#clock.monotonic();
    const grown = ((now - this.#filledAt) / 1_000) * this.#rate.perSecond;
    this.#left = Math.min(this.#rate.burst, this.#left + grown);
    this.#filledAt = now;
    if (count <= this.#left) {
      this.#left -= count;
      return 0;
    }
    return Math.ceil(((count - this.#left) / this.#rate.perSecond) * 1_000);
  }
}
