/**
 * Time and chance come in through these two, so that a test can drive them. Nothing in src or
 * connectors calls the globals directly outside this file.
 */
export interface Clock {
  /** Milliseconds since 1970, of the wall. */
  now(): number;
  /** Milliseconds that never go back: for durations. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};

export const systemRandom: Random = { next: () => Math.random() };
