/** One holder at a time, in the order of asking. A holder that fails lets the next one in. */
export class FairLock {
  #tail: Promise<void> = Promise.resolve();

  /** Resolves with the way to let go, which may be called twice. Waits as long as holders hold: they are bounded. */
  async take(): Promise<() => void> {
    const before = this.#tail;
    let release: () => void = () => undefined;
    this.#tail = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release;
  }

  async with<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.take();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
