/** Waiting that ends with its signal, and never leaves a listener behind. */
import type { Clock } from "./clock.js";

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * The promise's result, or the signal's reason if that comes first. A result that comes too late is
 * given to `release`, so that a connection opened after the abort is not lost.
 */
export function raceAbort<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  release?: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let aborted = false;
    const onAbort = (): void => {
      aborted = true;
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        if (aborted) release?.(value);
        else resolve(value);
      },
      (cause: unknown) => {
        const error = cause as Error;
        signal.removeEventListener("abort", onAbort);
        if (!aborted) reject(error);
      },
    );
  });
}

/**
 * A controller that `signal` aborts too, until it is released. Not `AbortSignal.any`: what that makes Node
 * keeps for as long as somebody listens to it, though nobody may be left who could abort it.
 */
export function following(signal: AbortSignal): {
  readonly controller: AbortController;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const onAbort = (): void => {
    controller.abort(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return {
    controller,
    release: () => {
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/** Whether `error` is the end of this signal rather than a failure. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && error === signal.reason;
}
