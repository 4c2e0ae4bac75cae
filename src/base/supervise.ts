/**
 * The only retry loop: runs a task until its signal ends, with full-jitter backoff, which starts over at
 * the first progress. The disposition of the error's code decides whether it is tried again.
 */
import { isAbort, sleep } from "./abort.js";
import { backoffDelayMs, type BackoffLimits } from "./backoff.js";
import type { Clock, Random } from "./clock.js";
import { dispositionOf } from "./error-catalogue.js";
import { AppError, errorText } from "./errors.js";
import type { Log } from "./log.js";

export interface SuperviseOptions {
  /** Stable name for log lines. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly backoff: BackoffLimits;
  /** Told after each failure, before the wait. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/** Delay from which a retry is worth an operator's look. */
const WARN_DELAY_MS = 2_000;

/**
 * Resolves after the signal's abort, once the task has released everything. Rejects when the task fails
 * with an error that trying again cannot mend (`fatal`, `reject`, or not an AppError at all).
 * `task` calls `progress` when it has done something useful.
 */
export async function supervise(
  options: SuperviseOptions,
  task: (progress: () => void) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let attempt = 0;
  for (;;) {
    try {
      await task(() => {
        attempt = 0;
      });
      return;
    } catch (error) {
      if (isAbort(error, signal) || signal.aborted) return;
      if (!(error instanceof AppError) || dispositionOf(error.code) !== "retry") throw error;
      const delayMs = backoffDelayMs(options.backoff, attempt, options.random);
      const fields = {
        part: options.name,
        code: error.code,
        error: errorText(error),
        attempt,
        delayMs,
      };
      if (options.backoff.baseMs * 2 ** attempt >= WARN_DELAY_MS)
        options.log.warn("task.failed", fields);
      else options.log.info("task.failed", fields);
      options.onRetry?.(error, attempt, delayMs);
      attempt += 1;
      try {
        await sleep(options.clock, delayMs, signal);
      } catch {
        return; // only the signal rejects a sleep
      }
    }
  }
}
