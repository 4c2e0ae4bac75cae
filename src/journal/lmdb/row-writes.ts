/**
 * Collects puts and removes of the derived file and commits them in slices, each a transaction of its own.
 * That is allowed because nobody sees a derived row above the watermark (overlay.ts), and every write sets
 * what holds after the whole batch, so that a batch cut off by a crash is simply written again. Rows that
 * must change together are added under one `group`.
 */
import { SLICE_ROWS, turnOfLoop } from "../turn.js";
import type { Environment, Table } from "./environment.js";

/** Slices that may wait for the disk while the next one is made. */
const SLICES_WAITING_MAX = 4;

/** Bytes that close a slice before its rows do. */
const SLICE_BYTES_MAX = 4 * 1024 * 1024;

interface Write {
  readonly table: Table;
  readonly key: Buffer;
  /** Undefined: remove. */
  readonly value: Uint8Array | undefined;
}

export class RowWrites {
  readonly #environment: Environment;
  #slice: Write[] = [];
  #bytes = 0;
  #waiting: Promise<void>[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  put(table: Table, key: Buffer, value: Uint8Array): void {
    this.#slice.push({ table, key, value });
    this.#bytes += value.length;
  }

  remove(table: Table, key: Buffer): void {
    this.#slice.push({ table, key, value: undefined });
  }

  /** Call between two groups: commits what is collected once it is a slice, and lets the loop go round. */
  async group(): Promise<void> {
    if (this.#slice.length < SLICE_ROWS && this.#bytes < SLICE_BYTES_MAX) return;
    this.#commit();
    if (this.#waiting.length >= SLICES_WAITING_MAX) await this.#waiting.shift();
    else await turnOfLoop();
  }

  /** Everything that was added is durable when it resolves. */
  async end(): Promise<void> {
    if (this.#slice.length > 0) this.#commit();
    const waiting = this.#waiting;
    this.#waiting = [];
    await Promise.all(waiting);
  }

  #commit(): void {
    const slice = this.#slice;
    this.#slice = [];
    this.#bytes = 0;
    const done = this.#environment.commit(() => {
      for (const { table, key, value } of slice) {
        if (value === undefined) table.remove(key);
        else table.put(key, value);
      }
    });
    // Heard again by `group` or `end`; until then it must not count as unheard.
    done.catch(() => undefined);
    this.#waiting.push(done);
  }
}
