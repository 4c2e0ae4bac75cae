/**
 * Work in line, one piece at a time, with the bytes that wait. The bound is kept by whoever fills it: feeds
 * stop reading above it (cast.ts). A failure drops what waits behind it, for nothing after a lost unit may
 * be applied.
 */
export class JobQueue {
  readonly #failed: (error: unknown) => void;
  readonly #done: () => void;
  #jobs: { readonly bytes: number; readonly run: () => Promise<void> }[] = [];
  #running: Promise<void> | undefined;
  #bytes = 0;
  readonly #waiting: (() => void)[] = [];

  /** `done` is called after each job, well or not. */
  constructor(failed: (error: unknown) => void, done: () => void) {
    this.#failed = failed;
    this.#done = done;
  }

  /** Of jobs that wait and of the one that runs. */
  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: number, run: () => Promise<void>): void {
    this.#jobs.push({ bytes, run });
    this.#bytes += bytes;
    this.#running ??= this.#work();
  }

  /** Drops what has not begun. */
  clear(): void {
    for (const { bytes } of this.#jobs) this.#bytes -= bytes;
    this.#jobs = [];
  }

  /** Calls `run` when nothing waits or runs: at once if so now. */
  whenIdle(run: () => void): void {
    if (this.#running === undefined) run();
    else this.#waiting.push(run);
  }

  /** Resolves when nothing waits or runs. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #work(): Promise<void> {
    // Let the caller finish: a job never begins inside `push`.
    await Promise.resolve();
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        await job.run();
      } catch (error) {
        this.clear();
        this.#failed(error);
      }
      this.#bytes -= job.bytes;
      this.#done();
    }
    this.#running = undefined;
    for (const run of this.#waiting.splice(0)) run();
  }
}
