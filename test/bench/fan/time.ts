/** Time that all processes of the machine share. */

/** Milliseconds of the machine's monotonic clock. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
