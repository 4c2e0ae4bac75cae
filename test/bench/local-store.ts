/** SQLite files as an app would open them, and stores over them that tell when they hold a log number. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import type { Store } from "../../src/client/stores/store.js";

export type Database = InstanceType<typeof DatabaseSync>;

/** Runs `work` with a new database in a folder of its own. */
export async function inDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
  const database = openDatabase(join(folder, "store.db"));
  try {
    return await work(database);
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
}

export function openDatabase(file: string): Database {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  return database;
}

/** The store, and when its channels hold log number `last` whole. */
export function watchedStore(
  store: Store,
  last: number,
): { readonly store: Store; readonly held: Promise<void> } {
  let resolve = (): void => undefined;
  const held = new Promise<void>((done) => {
    resolve = done;
  });
  const watched: Store = {
    apply: async (unit) => {
      const changes = await store.apply(unit);
      if (unit.at >= last && unit.channels.every(({ ready }) => ready)) resolve();
      return changes;
    },
    open: () => store.open(),
    check: (schema) => store.check(schema),
    stage: (batches) => store.stage(batches),
    unstage: (channels) => store.unstage(channels),
    detach: (channels) => store.detach(channels),
    watch: (tables, listener) => store.watch(tables, listener),
    close: () => store.close(),
  };
  return { store: watched, held };
}
