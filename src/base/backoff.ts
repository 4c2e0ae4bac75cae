/**
 * Full jitter: a random delay between nothing and a doubling ceiling, so that thousands of clients that
 * lost one server do not come back in step.
 */
import type { Random } from "./clock.js";

export interface BackoffLimits {
  /** Ceiling of the first delay. */
  readonly baseMs: number;
  /** Ceiling of every delay. */
  readonly maxMs: number;
}

/** The delay before try number `attempt` (0 is the first retry). */
export function backoffDelayMs(limits: BackoffLimits, attempt: number, random: Random): number {
  const ceiling = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random.next() * ceiling);
}
