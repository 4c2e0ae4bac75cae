/**
 * Tokens when they are needed: a fresh one for each connect, and the next one before the present one ends.
 * A text is handed over as it is and cannot be renewed.
 */
import type { Clock } from "../base/clock.js";

export type TokenSource = string | (() => string | Promise<string>);

/** An app's own request for a token that takes longer has failed. */
const FETCH_MS = 30_000;
/** How long before its end a token is renewed: a quarter of what is left, at most this. */
const MARGIN_MS_MAX = 60_000;
/** Between two tries, and the least where the clock makes no sense. */
export const RETRY_MS = 5_000;
/** Timers of the platforms hold 24 days; a token that lives longer is renewed earlier. */
const DELAY_MS_MAX = 7 * 86_400_000;

export class TokenKeeper {
  readonly #source: TokenSource | undefined;
  readonly #clock: Clock;

  constructor(source: TokenSource | undefined, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  fetch(): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.#clock.after(FETCH_MS, () => {
        reject(new Error("no token came in time"));
      });
      this.#ask().then(resolve, reject).finally(stopTimer);
    });
  }

  /** How long until the next one is to be fetched, where the present one ends at `expiresAt`; undefined: never. */
  renewInMs(expiresAt: number | undefined): number | undefined {
    if (expiresAt === undefined || typeof this.#source !== "function") return undefined;
    const leftMs = expiresAt - this.#clock.now();
    // A clock that is wrong makes the end look past: then soon, but not at once and again and again.
    const delayMs = leftMs <= 0 ? RETRY_MS : leftMs - Math.min(MARGIN_MS_MAX, leftMs / 4);
    return Math.min(delayMs, DELAY_MS_MAX);
  }

  async #ask(): Promise<string | undefined> {
    return typeof this.#source === "function" ? this.#source() : this.#source;
  }
}
