/** Lets the event loop go round between two slices of long work: sockets are read, timers run. */

/** Rows that one slice of work may take: about 2 ms at a few microseconds each. */
export const SLICE_ROWS = 500;

/** Longest slice that is measured by time. */
export const SLICE_MS = 2;

export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
