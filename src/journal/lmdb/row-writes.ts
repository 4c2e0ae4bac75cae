/** Puts and removes of the derived file. */
import type { Environment, Table } from "./environment.js";

export interface RowSink {
  /** Neither key nor value is held. */
  put(table: Table, key: Buffer, value: Uint8Array): void;
  remove(table: Table, key: Buffer): void;
}

/** Inside `commitNow`: at once. */
export const rowsNow: RowSink = {
  put: (table, key, value) => {
    table.putNow(key, value);
  },
  remove: (table, key) => {
    table.removeNow(key);
  },
};

interface Write {
  readonly table: Table;
  readonly key: Buffer;
  /** Undefined: remove. */
  readonly value: Uint8Array | undefined;
}

/** Collects them, whose keys and values must stay as they are, and carries them out in one transaction. */
export class RowWrites implements RowSink {
  readonly #environment: Environment;
  #writes: Write[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get count(): number {
    return this.#writes.length;
  }

  put(table: Table, key: Buffer, value: Uint8Array): void {
    this.#writes.push({ table, key, value });
  }

  remove(table: Table, key: Buffer): void {
    this.#writes.push({ table, key, value: undefined });
  }

  /** All of it, in the order in which it was added, durable when it returns. */
  commit(): void {
    const writes = this.#take();
    if (writes.length === 0) return;
    this.#environment.commitNow(() => {
      for (const { table, key, value } of writes) {
        if (value === undefined) table.removeNow(key);
        else table.putNow(key, value);
      }
    });
  }

  /** The same without holding the thread up: durable when it resolves. */
  async end(): Promise<void> {
    const writes = this.#take();
    if (writes.length === 0) return;
    await this.#environment.commit(() => {
      for (const { table, key, value } of writes) {
        if (value === undefined) table.remove(key);
        else table.put(key, value);
      }
    });
  }

  #take(): readonly Write[] {
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }
}
