/**
 * Who wants to know what changed. Listeners are the app's code: what they throw is logged and never
 * reaches the sync.
 */
import { errorText } from "../../base/errors.js";
import type { Log } from "../../base/log.js";
import type { StoreChanges, TableChange } from "./store.js";
import { CHANGED_KEYS_MAX } from "./store.js";

export class Watchers {
  readonly #log: Log;
  readonly #listeners = new Set<{
    readonly tables: ReadonlySet<string> | undefined;
    readonly listener: (changes: StoreChanges) => void;
  }>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    const wanted =
      tables === undefined ? undefined : new Set(typeof tables === "string" ? [tables] : tables);
    const watcher = { tables: wanted, listener };
    this.#listeners.add(watcher);
    return () => {
      this.#listeners.delete(watcher);
    };
  }

  tell(changes: StoreChanges): void {
    if (changes.size === 0) return;
    for (const { tables, listener } of [...this.#listeners]) {
      const seen = tables === undefined ? changes : restrict(changes, tables);
      if (seen.size === 0) continue;
      try {
        listener(seen);
      } catch (error) {
        this.#log.error("client.listener.failed", { error: errorText(error) });
      }
    }
  }
}

/** Adds up what one transaction does, per table. */
export class ChangeTally {
  readonly #tables = new Map<
    string,
    { inserted: number; updated: number; deleted: number; keys: (readonly unknown[])[] | undefined }
  >();

  rows(table: string, counts: { inserted?: number; updated?: number; deleted?: number }): void {
    const tally = this.#of(table);
    tally.inserted += counts.inserted ?? 0;
    tally.updated += counts.updated ?? 0;
    tally.deleted += counts.deleted ?? 0;
  }

  /** Keys of this table are still listed: fewer than CHANGED_KEYS_MAX so far. */
  lists(table: string): boolean {
    return this.#of(table).keys !== undefined;
  }

  key(table: string, key: readonly unknown[]): void {
    const tally = this.#of(table);
    if (tally.keys === undefined) return;
    if (tally.keys.length < CHANGED_KEYS_MAX) tally.keys.push(key);
    else tally.keys = undefined;
  }

  /** Rows changed that nobody listed. */
  unlisted(table: string): void {
    this.#of(table).keys = undefined;
  }

  get changes(): StoreChanges {
    const changes = new Map<string, TableChange>();
    for (const [table, { keys, ...counts }] of this.#tables) {
      if (counts.inserted + counts.updated + counts.deleted === 0) continue;
      changes.set(table, keys === undefined ? counts : { ...counts, keys });
    }
    return changes;
  }

  #of(table: string) {
    let tally = this.#tables.get(table);
    if (tally === undefined) {
      this.#tables.set(table, (tally = { inserted: 0, updated: 0, deleted: 0, keys: [] }));
    }
    return tally;
  }
}

function restrict(changes: StoreChanges, tables: ReadonlySet<string>): StoreChanges {
  return new Map([...changes].filter(([table]) => tables.has(table)));
}
