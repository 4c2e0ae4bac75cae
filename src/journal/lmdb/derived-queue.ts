/**
 * Brings released units into the derived file, some at a time and one batch after the other, and lets the
 * overlay go of them. The only one who has the derived file written: retention works in its turns.
 */
import { sleep } from "../../base/abort.js";
import type { Clock } from "../../base/clock.js";
import type { Overlay } from "../overlay.js";
import type { Unit } from "../unit.js";
import type { DerivedFile } from "./derived-file.js";
import type { DerivedWriter } from "./derived-writer.js";

/**
 * Few units go soon: a write-back holds the flushes of appends up, a small one the least. Many are gathered: rows
 * that change again meanwhile are written once, and rows of one page together.
 */
const LINGER_MS = 100;
const FEW_BYTES = 512 * 1024;
const GATHER_MS = 5_000;

/** How often it looks how many they are. */
const LOOK_MS = 50;

/** Of a unit in memory beside its block: the tables of its documents and channels. */
const UNIT_BYTES = 2_048;

export interface DerivedQueueParts {
  readonly writer: DerivedWriter;
  readonly file: DerivedFile;
  readonly overlay: Overlay;
  readonly clock: Clock;
  /** What one batch takes, and from which it does not linger. */
  readonly batchBytesMax: number;
}

export class DerivedQueue {
  readonly #parts: DerivedQueueParts;
  readonly #hurry = new AbortController();
  #units: Unit[] = [];
  #bytes = 0;
  #tail: Promise<void> = Promise.resolve();
  #isDraining = false;
  #failed: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(parts: DerivedQueueParts) {
    this.#parts = parts;
  }

  /** Of units that are not in the derived file yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws what made a write fail. */
  assertSound(): void {
    if (this.#failed !== undefined) throw this.#failed.error;
  }

  add(unit: Unit): void {
    this.#units.push(unit);
    this.#bytes += bytesOf(unit);
    if (this.#isDraining || this.#failed !== undefined) return;
    this.#isDraining = true;
    this.#drain().catch((error: unknown) => {
      this.fail(error);
    });
  }

  /** Resolves at the next batch that was written, or at a failure. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Everything that was added is in the derived file when it resolves. */
  async flush(): Promise<void> {
    while (this.#units.length > 0) await this.turn(() => this.#batch());
    await this.#tail;
    this.assertSound();
  }

  /** No more lingering; then `flush`. */
  async end(): Promise<void> {
    this.#hurry.abort();
    try {
      await this.flush();
    } finally {
      await this.#parts.writer.close();
    }
  }

  /**
   * Alone with the derived file. After a failure nothing has a turn any more: what was cut off then is finished by
   * the next start, which looks how far it got.
   */
  turn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => {
      this.assertSound();
      return work();
    });
    this.#tail = done.then(
      () => undefined,
      (error: unknown) => {
        this.fail(error);
      },
    );
    return done;
  }

  /** A huge unit's parts, once all units before it are written back. Readers are told that views are not whole meanwhile. */
  async merge(unit: Unit): Promise<void> {
    const { file, overlay, writer } = this.#parts;
    overlay.beginMerge();
    try {
      await this.flush();
      await this.turn(() => writer.merge(unit.log));
      file.environment.fresh();
      overlay.drop(unit);
    } finally {
      overlay.endMerge();
    }
  }

  async #drain(): Promise<void> {
    try {
      while (this.#units.length > 0) {
        await this.#linger();
        await this.turn(() => this.#batch());
      }
    } finally {
      this.#isDraining = false;
    }
  }

  async #linger(): Promise<void> {
    const { clock, batchBytesMax } = this.#parts;
    const { signal } = this.#hurry;
    for (let waited = 0; waited < GATHER_MS; waited += LOOK_MS) {
      const isFew = waited >= LINGER_MS && this.#bytes < FEW_BYTES;
      if (signal.aborted || isFew || this.#bytes >= batchBytesMax) return;
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #batch(): Promise<void> {
    const { file, overlay, writer, batchBytesMax } = this.#parts;
    let bytes = 0;
    let count = 0;
    for (const unit of this.#units) {
      if (count > 0 && bytes + bytesOf(unit) > batchBytesMax) break;
      bytes += bytesOf(unit);
      count += 1;
    }
    const units = this.#units.slice(0, count);
    const [first, last] = [units[0], units.at(-1)];
    if (first === undefined || last === undefined) return;
    await writer.units(first.log, last.log);
    this.#units = this.#units.slice(count);
    this.#bytes -= bytes;
    // What leaves the overlay must be found in the file in this very turn.
    file.environment.fresh();
    for (const unit of units) overlay.drop(unit);
    this.#wake();
  }

  /** Nothing is written from now on; whoever asks gets the first error. */
  fail(error: unknown): void {
    this.#failed ??= { error };
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

function bytesOf({ block }: Unit): number {
  return UNIT_BYTES + block.length;
}
