/**
 * An SQLite database in the browser's private file system (OPFS), open in a worker: a pool of files that
 * SQLite's `opfs-sahpool` holds, so that it writes without asking anybody. One worker of all tabs can have it.
 * A Web Lock says which: whoever opens takes it from the one before, who lets go of the files at once, between
 * two transactions. A worker that dies leaves both to the next.
 */
import { type Clock, systemClock } from "../../base/clock.js";
import { AppError, errorText, isNamed } from "../../base/errors.js";
import type { WasmSqliteDatabase } from "../drivers/wasm-sqlite.js";
import { storeError } from "./store-errors.js";

/** What is used of a database of the pool. */
export interface PoolDatabase extends WasmSqliteDatabase {
  close(): void;
}

/** What is used of the library's module. */
export interface Sqlite3 {
  readonly version: { readonly libVersionNumber: number };
  readonly capi: {
    sqlite3_sql(statement: never): string;
    sqlite3_stmt_readonly(statement: never): number;
    sqlite3_get_autocommit(database: never): number;
  };
  installOpfsSAHPoolVfs(options: {
    readonly name: string;
    readonly directory: string;
    readonly preserveOnInitFailure: boolean;
    readonly forceReinitIfPreviouslyFailed: boolean;
    readonly verbosity: number;
  }): Promise<Pool>;
}

interface Pool {
  readonly OpfsSAHPoolDb: new (path: string) => PoolDatabase;
  pauseVfs(): unknown;
}

export interface PoolOptions {
  readonly name: string;
  readonly durability: "relaxed" | "strict";
  /** Another worker has taken the database: it is closed here. */
  readonly taken: () => void;
  readonly clock?: Clock;
}

export interface OpenPool {
  readonly database: PoolDatabase;
  close(): void;
}

interface PoolLock {
  readonly release: () => void;
  /** Taken by another worker. */
  readonly lost: AbortSignal;
}

/** Earlier ones delete the database when its files cannot be opened (`preserveOnInitFailure`). */
const VERSION_MIN = 3_054_000;
/** How long another worker may take to let go of the files, or the browser to end one that died. */
const HELD_MS = 10_000;
const RETRY_MS = 50;
const FILE = "/store.db";

/** Errors: CLIENT_STORE_UNAVAILABLE, CLIENT_STORE_BLOCKED, CLIENT_STORE_TAKEN, and what SQLite throws. */
export async function openPool(sqlite3: Sqlite3, options: PoolOptions): Promise<OpenPool> {
  const { name, durability, clock = systemClock } = options;
  const lock = await takeLock(name);
  let pool: OpenPool;
  try {
    pool = opened(await installed(sqlite3, name, clock), durability, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
  if (lock.lost.aborted) {
    pool.close();
    throw storeError("CLIENT_STORE_TAKEN", `opening "${name}": another tab has opened it since`);
  }
  lock.lost.addEventListener("abort", () => {
    pool.close();
    options.taken();
  });
  return pool;
}

function opened(pool: Pool, durability: PoolOptions["durability"], lock: PoolLock): OpenPool {
  const database = new pool.OpfsSAHPoolDb(FILE);
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    database.close();
    pool.pauseVfs();
    lock.release();
  };
  try {
    // One connection: without shared memory a write-ahead log needs the exclusive mode.
    database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL");
    database.exec(`PRAGMA synchronous=${durability === "strict" ? "FULL" : "NORMAL"}`);
  } catch (error) {
    close();
    throw error;
  }
  return { database, close };
}

/** Takes it from whoever has it. */
function takeLock(name: string): Promise<PoolLock> {
  return new Promise((resolve, reject) => {
    const lost = new AbortController();
    const held = (): Promise<void> =>
      new Promise((release) => {
        resolve({ release, lost: lost.signal });
      });
    navigator.locks
      .request(`changecast:pool:${name}`, { steal: true }, held)
      .catch((thrown: unknown) => {
        lost.abort();
        const error = thrown as Error;
        // Without effect where it was ours for a while.
        reject(error);
      });
  });
}

async function installed(sqlite3: Sqlite3, name: string, clock: Clock): Promise<Pool> {
  const { libVersionNumber } = sqlite3.version;
  if (libVersionNumber < VERSION_MIN) {
    throw unavailable(name, `this SQLite (${libVersionNumber}) is older than 3.54`);
  }
  const until = clock.monotonic() + HELD_MS;
  for (;;) {
    try {
      return await sqlite3.installOpfsSAHPoolVfs({
        name: `changecast-${encodeURIComponent(name)}`,
        directory: poolFolder(name),
        preserveOnInitFailure: true,
        forceReinitIfPreviouslyFailed: true,
        verbosity: 0,
      });
    } catch (error) {
      if (isNamed(error, "QuotaExceededError")) throw error;
      if (!isNamed(error, "NoModificationAllowedError")) throw unavailable(name, errorText(error));
      if (clock.monotonic() >= until) throw blocked(name);
    }
    await new Promise<void>((resolve) => {
      clock.after(RETRY_MS, resolve);
    });
  }
}

/** Of the origin's private file system. */
function poolFolder(name: string): string {
  return `changecast/${encodeURIComponent(name)}`;
}

function unavailable(name: string, reason: string): AppError {
  return new AppError("CLIENT_STORE_UNAVAILABLE", `opening "${name}" in OPFS: ${reason}`);
}

function blocked(name: string): AppError {
  return new AppError(
    "CLIENT_STORE_BLOCKED",
    `opening "${name}": another tab or window holds its files and does not let go`,
    { cure: "Close or reload the other tabs and windows of the app; it is tried again by itself." },
  );
}
