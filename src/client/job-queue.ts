/**
 * Work in line, one piece at a time, with the bytes that wait. The bound is kept by whoever fills it: feeds
 * stop reading above it (wire.ts). A failure drops what waits behind it, for nothing after a lost unit may
 * be applied.
 */
interface Job<Unit> {
  bytes: number;
  readonly run: () => Promise<void>;
  readonly unit: Unit | undefined;
}

export interface JobOwner {
  failed(error: unknown): void;
  /** After each job, well or not. */
  relieved(): void;
}

export class JobQueue<Unit> {
  /** Of jobs that wait and of the one that runs. */
  bytes = 0;
  readonly #owner: JobOwner;
  readonly #jobs: Job<Unit>[] = [];
  #running: Promise<void> | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(owner: JobOwner) {
    this.#owner = owner;
  }

  /** The newest, where it has not begun. */
  get last(): Job<Unit> | undefined {
    return this.#jobs.at(-1);
  }

  /** `unit`: what the job is about, for whoever looks at the last. */
  push(bytes: number, run: () => Promise<void>, unit?: Unit): void {
    this.#jobs.push({ bytes, run, unit });
    this.bytes += bytes;
    this.#running ??= this.#work();
  }

  /** Calls `run` when nothing waits or runs: at once if so now. */
  whenIdle(run: () => void): void {
    if (this.#running === undefined) run();
    else this.#waiting.push(run);
  }

  async #work(): Promise<void> {
    // Let the caller finish: a job never begins inside `push`.
    await Promise.resolve();
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        await job.run();
      } catch (error) {
        for (const { bytes } of this.#jobs.splice(0)) this.bytes -= bytes;
        this.#owner.failed(error);
      }
      this.bytes -= job.bytes;
      this.#owner.relieved();
    }
    this.#running = undefined;
    for (const run of this.#waiting.splice(0)) run();
  }
}
