/** Waiting in the demo, which has no clock of its own to drive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
