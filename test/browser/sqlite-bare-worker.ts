/** SQLite on OPFS by itself, as the store has it: rows in, one insert each. Answers the milliseconds. */
import sqlite3InitModule, { type SqlValue } from "@sqlite.org/sqlite-wasm";

interface Asked {
  readonly name: string;
  /** Values of the rows. */
  readonly lists: readonly (readonly SqlValue[])[];
  /** Rows in a transaction. */
  readonly each: number;
}

globalThis.onmessage = ({ data }: MessageEvent<Asked>): void => {
  load(data).then(
    (ms) => {
      (globalThis as unknown as { postMessage(ms: number): void }).postMessage(ms);
    },
    (error: unknown) => {
      // Outside of the promise: the page hears of nothing else.
      queueMicrotask(() => {
        throw error;
      });
    },
  );
};

async function load({ name, lists, each }: Asked): Promise<number> {
  const sqlite3 = await sqlite3InitModule();
  const pool = await sqlite3.installOpfsSAHPoolVfs({ name });
  const database = new pool.OpfsSAHPoolDb("/bare.db");
  database.exec(
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
  );
  database.exec(
    "CREATE TABLE items (id INTEGER PRIMARY KEY, store_id INTEGER, name TEXT, quantity INTEGER, price TEXT, updated_at TEXT)",
  );
  const insert = database.prepare("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)");
  const began = performance.now();
  for (let at = 0; at < lists.length; at += each) {
    database.exec("BEGIN");
    for (const values of lists.slice(at, at + each)) insert.bind(values).stepReset();
    database.exec("COMMIT");
  }
  const ms = performance.now() - began;
  database.close();
  await pool.removeVfs();
  return ms;
}
