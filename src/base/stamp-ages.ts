/**
 * How old stamps of the wall clock are, unmoved when that clock is set: each is aged by the monotonic clock
 * from when it was first looked at. One from the future counts as new.
 */
import type { Clock } from "./clock.js";

export class StampAges {
  readonly #clock: Clock;
  /** The newest stamp of each name; names are few and fixed (sources). */
  readonly #known = new Map<string, { readonly stamp: number; readonly from: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds. `stamp`: the newest of `name`, in milliseconds since 1970. */
  of(name: string, stamp: number): number {
    const now = this.#clock.monotonic();
    let known = this.#known.get(name);
    if (known?.stamp !== stamp) {
      known = { stamp, from: now - Math.max(0, this.#clock.now() - stamp) };
      this.#known.set(name, known);
    }
    return now - known.from;
  }
}
