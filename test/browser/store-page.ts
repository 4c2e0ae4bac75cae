/**
 * The page of the store suite: stores of IndexedDB and of SQLite by number, called from the test. Answers
 * travel as plain data: an error as its code, what watchers were told as lists.
 */
import { AppError } from "../../src/base/errors.js";
import {
  type IndexedDbOptions,
  IndexedDbStore,
  indexedDbStore,
} from "../../src/client/stores/indexeddb-store.js";
import type { SharedStore, Store, StoreChanges } from "../../src/client/stores/store.js";
import { type WasmStore, wasmStore } from "../../src/client/stores/wasm-store.js";
import { type AskedQuery, askedOf } from "./asked-query.js";

export interface PageAnswer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  /** What the store told its watchers meanwhile. */
  readonly told: readonly (readonly [string, unknown][])[];
}

export interface SqliteAnswer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly error?: string;
}

export interface StorePage {
  create(name: string, options?: IndexedDbOptions): number;
  /** Opens a database as an app does; answers the error's code, if any. */
  begin(name: string): Promise<string | undefined>;
  /** The same of SQLite: in the last that was begun, rows of a statement; the error's code where it fails. */
  createSqlite(name: string): Promise<number>;
  sqliteRows(name: string, sql: string): Promise<SqliteAnswer>;
  sqliteExec(name: string, sql: string): Promise<string | undefined>;
  call(id: number, method: keyof Store, argument: unknown): Promise<PageAnswer>;
  rows(name: string, table: string): Promise<readonly unknown[]>;
  query(name: string, query: AskedQuery): Promise<readonly unknown[]>;
  remove(name: string): Promise<void>;
  /** Opens a connection that lets go of the database for nobody, until the returned number is closed. */
  hold(name: string): Promise<number>;
  letGo(held: number): void;
  /** Names of the indexes of a table, and the keys found through one of them. */
  indexed(
    name: string,
    table: string,
    index: string,
    value: IDBValidKey,
  ): Promise<readonly unknown[]>;
  put(name: string, store: string, key: string, value: unknown): Promise<void>;
}

interface Kept {
  readonly store: SharedStore;
  told: [string, unknown][][];
}

const stores: Kept[] = [];
const held: IDBDatabase[] = [];
const sqliteStores = new Map<string, WasmStore>();

const page: StorePage = {
  create: (name, options = {}) => kept(new IndexedDbStore(name, options)),
  createSqlite: async (name) => {
    const store = await begunSqlite(name);
    sqliteStores.set(name, store);
    return kept(store);
  },
  sqliteRows: async (name, sql) => {
    try {
      return { rows: await (await anySqlite(name)).all(sql) };
    } catch (error) {
      return { rows: [], error: codeOf(error) };
    }
  },
  sqliteExec: async (name, sql) => {
    try {
      await (await anySqlite(name)).exec(sql);
      return undefined;
    } catch (error) {
      return codeOf(error);
    }
  },
  call: async (id, method, argument) => {
    const called = stores[id];
    if (called === undefined) throw new Error(`there is no store ${id}`);
    const ended = await outcome(called.store, method, argument);
    const { told } = called;
    called.told = [];
    return { ...ended, told };
  },
  begin: async (name) => {
    try {
      await indexedDbStore(name);
      return undefined;
    } catch (error) {
      return codeOf(error);
    }
  },
  rows: (name, table) =>
    connected(name, async (database) => {
      if (!database.objectStoreNames.contains(table)) return [];
      return answer<unknown[]>(database.transaction(table).objectStore(table).getAll());
    }),
  query: async (name, asked) => {
    const store = await indexedDbStore(name);
    try {
      return await askedOf(store, asked).rows();
    } finally {
      await store.close();
    }
  },
  remove: async (name) => {
    await answer(indexedDB.deleteDatabase(name));
  },
  hold: async (name) => held.push(await answer(indexedDB.open(name))) - 1,
  letGo: (at) => {
    held[at]?.close();
  },
  indexed: (name, table, index, value) =>
    connected(name, async (database) =>
      answer<IDBValidKey[]>(
        database.transaction(table).objectStore(table).index(index).getAllKeys(value),
      ),
    ),
  put: (name, store, key, value) =>
    connected(name, async (database) => {
      await answer(database.transaction(store, "readwrite").objectStore(store).put(value, key));
    }),
};

(globalThis as unknown as { page: StorePage }).page = page;

function kept(store: SharedStore): number {
  const one: Kept = { store, told: [] };
  // The suite's own listeners hear in the test; here one that throws proves that the page goes on.
  store.watch(undefined, () => {
    throw new Error("a listener of the page");
  });
  store.watch(undefined, (changes) => one.told.push([...changes]));
  return stores.push(one) - 1;
}

function begunSqlite(name: string): Promise<WasmStore> {
  return wasmStore(name, { worker: () => new Worker("/sqlite-worker.js", { type: "module" }) });
}

/** The one that was begun here, or one of a tab that only reads. */
async function anySqlite(name: string): Promise<WasmStore> {
  return sqliteStores.get(name) ?? begunSqlite(name);
}

function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : String(error);
}

async function outcome(
  store: Store,
  method: keyof Store,
  argument: unknown,
): Promise<Omit<PageAnswer, "told">> {
  try {
    const run = store[method].bind(store) as (argument: unknown) => Promise<unknown>;
    const value = await run(argument);
    return { value: value instanceof Map ? [...(value as StoreChanges)] : value };
  } catch (error) {
    if (error instanceof AppError) return { error: { code: error.code, message: error.message } };
    throw error;
  }
}

/** As an app reads them: with IndexedDB alone, over a connection of its own. */
async function connected<T>(name: string, use: (database: IDBDatabase) => Promise<T>): Promise<T> {
  const database = await answer(indexedDB.open(name));
  try {
    return await use(database);
  } finally {
    database.close();
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error("the request failed"));
    };
  });
}
