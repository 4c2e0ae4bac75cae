/** Microseconds since 1970, as the database on the same machine tells them; `Date.now` alone has milliseconds. */
import { performance } from "node:perf_hooks";

export class WallClock {
  #ahead = 0;

  /** Waits for the next millisecond to begin: call it when nothing is measured. */
  set(): void {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    this.#ahead = now - performance.now();
  }

  ms(): number {
    return this.#ahead + performance.now();
  }
}
