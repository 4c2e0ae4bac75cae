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
const RETRY_MS = 5_000;
/** Timers of the platforms hold 24 days; a token that lives longer is renewed earlier. */
const DELAY_MS_MAX = 7 * 86_400_000;

export class TokenKeeper {
  readonly #source: TokenSource | undefined;
  readonly #clock: Clock;

  constructor(source: TokenSource | undefined, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Calls one of both, later; neither once the returned function was called. */
  fetch(given: (token: string | undefined) => void, failed: (error: unknown) => void): () => void {
    let isOver = false;
    const once = (run: () => void): void => {
      if (isOver) return;
      end();
      run();
    };
    const stopTimer = this.#clock.after(FETCH_MS, () => {
      once(() => {
        failed(new Error(`no token came within ${FETCH_MS} ms`));
      });
    });
    const end = (): void => {
      isOver = true;
      stopTimer();
    };
    this.#ask().then(
      (token) => {
        once(() => {
          given(token);
        });
      },
      (error: unknown) => {
        once(() => {
          failed(error);
        });
      },
    );
    return end;
  }

  /**
   * Calls `given` with a new token before `expiresAt` (milliseconds since 1970). Tries again after a
   * failure until the server ends the session, which is the bound. The returned function stops it.
   */
  renew(expiresAt: number | undefined, given: (token: string) => void): () => void {
    if (expiresAt === undefined || typeof this.#source !== "function") return () => undefined;
    const leftMs = expiresAt - this.#clock.now();
    // A clock that is wrong makes the end look past: then soon, but not at once and again and again.
    const delayMs = leftMs <= 0 ? RETRY_MS : leftMs - Math.min(MARGIN_MS_MAX, leftMs / 4);
    let stop: () => void;
    const again = (inMs: number): void => {
      stop = this.#clock.after(inMs, () => {
        stop = this.fetch(
          (token) => {
            if (token !== undefined) given(token);
          },
          () => {
            again(RETRY_MS);
          },
        );
      });
    };
    again(Math.min(delayMs, DELAY_MS_MAX));
    return () => {
      stop();
    };
  }

  async #ask(): Promise<string | undefined> {
    return typeof this.#source === "function" ? this.#source() : this.#source;
  }
}
