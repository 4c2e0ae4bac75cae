/** Lets the event loop go round between two slices of long work: sockets are read, timers run. */
export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
