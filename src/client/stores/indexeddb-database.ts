/**
 * An IndexedDB database that grows object stores as tables come. Making one takes an upgrade, for which every
 * other tab must let go of the database for a moment: ours do when they are asked, and open it again at their
 * next use. A tab that does not (an older app, a debugger) blocks the upgrade, which is said and tried again.
 */
import type { Clock } from "../../base/clock.js";
import { AppError, errorText, isNamed } from "../../base/errors.js";
import { storeError } from "./store-errors.js";

export const META = "changecast_meta";
export const CHANNELS = "changecast_channels";
export const TABLES = "changecast_tables";
export const STAGED = "changecast_staged";

export const INTERNAL = [META, CHANNELS, TABLES, STAGED] as const;

/** How long a tab may take to let go: it first ends the transaction that it is in. */
const BLOCKED_MS = 5_000;
/** Tabs that upgrade at once make each other try again; more often than this is no race. */
const TRIES_MAX = 20;

export interface ObjectStoreShape {
  readonly name: string;
  /** Indexes that must be there, each a list of columns. */
  readonly indexes: readonly (readonly string[])[];
}

export interface DatabaseOptions {
  readonly clock: Clock;
  readonly durability: IDBTransactionDurability;
}

/** The columns of an index joined: what it is called. */
export function indexName(columns: readonly string[]): string {
  return columns.join(",");
}

export function got<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("the request failed"));
    };
  });
}

export class GrowingDatabase {
  readonly #name: string;
  readonly #options: DatabaseOptions;
  #open: Promise<IDBDatabase> | undefined;

  constructor(name: string, options: DatabaseOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** Makes what is missing. Errors: CLIENT_STORE_UNAVAILABLE, CLIENT_STORE_BLOCKED. */
  async ensure(wanted: readonly ObjectStoreShape[]): Promise<void> {
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      const database = await this.#opened();
      if (wanted.every((shape) => has(database, shape))) return;
      const { version } = database;
      this.close();
      try {
        this.#open = this.#request(version + 1, wanted);
        await this.#open;
        return;
      } catch (error) {
        this.#open = undefined;
        // Another tab has upgraded meanwhile: look again.
        if (!isNamed(error, "VersionError")) throw error;
      }
    }
    throw storeError("CLIENT_STORE_BLOCKED", `upgrading "${this.#name}": others keep doing so`);
  }

  /**
   * One transaction around `work`, which awaits nothing but requests of it. Rolled back if `work` throws.
   * Errors: those of `work`, or what the database says.
   */
  async transact<T>(
    stores: readonly string[],
    mode: "readonly" | "readwrite",
    work: (transaction: IDBTransaction) => Promise<T>,
  ): Promise<T> {
    const transaction = await this.#begin(stores, mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => {
        resolve();
      };
      transaction.onabort = () => {
        reject(transaction.error ?? new Error("the transaction was aborted"));
      };
    });
    try {
      const value = await Promise.race([work(transaction), ended.then(() => never<T>())]);
      transaction.commit();
      await ended;
      return value;
    } catch (error) {
      await abort(transaction, ended);
      throw error;
    }
  }

  /** Names of the object stores that there are now. */
  async names(): Promise<readonly string[]> {
    return [...(await this.#opened()).objectStoreNames];
  }

  /** The next use opens it again. */
  close(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.then(
      (database) => {
        database.close();
      },
      () => undefined,
    );
  }

  async #begin(stores: readonly string[], mode: IDBTransactionMode): Promise<IDBTransaction> {
    const { durability } = this.#options;
    const database = await this.#opened();
    try {
      return database.transaction(stores, mode, { durability });
    } catch (error) {
      // Let go between two uses, for another tab's upgrade.
      if (!isNamed(error, "InvalidStateError")) throw error;
      this.close();
      return (await this.#opened()).transaction(stores, mode, { durability });
    }
  }

  #opened(): Promise<IDBDatabase> {
    if (this.#open === undefined) {
      const open = this.#request(undefined, []);
      this.#open = open;
      open.catch(() => {
        if (this.#open === open) this.#open = undefined;
      });
    }
    return this.#open;
  }

  #request(version: number | undefined, wanted: readonly ObjectStoreShape[]): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = openRequest(this.#name, version);
      let stop = (): void => undefined;
      let isLate = false;
      request.onblocked = () => {
        stop = this.#options.clock.after(BLOCKED_MS, () => {
          isLate = true;
          const found = "another tab keeps an older version of it open";
          reject(storeError("CLIENT_STORE_BLOCKED", `upgrading "${this.#name}": ${found}`));
        });
      };
      request.onupgradeneeded = () => {
        if (request.transaction !== null) upgrade(request.result, request.transaction, wanted);
      };
      request.onerror = () => {
        stop();
        const error = request.error ?? new Error("it could not be opened");
        reject(isNamed(error, "VersionError") ? error : unavailable(this.#name, error));
      };
      request.onsuccess = () => {
        stop();
        if (isLate) request.result.close();
        else resolve(this.#adopted(request.result));
      };
    });
  }

  #adopted(database: IDBDatabase): IDBDatabase {
    database.onversionchange = () => {
      this.close();
      database.close();
    };
    // The browser took it away: site data cleared, disk gone.
    database.onclose = () => {
      this.close();
    };
    return database;
  }
}

function openRequest(name: string, version: number | undefined): IDBOpenDBRequest {
  const factory = (globalThis as { readonly indexedDB?: IDBFactory | null }).indexedDB;
  if (factory === undefined || factory === null) {
    throw unavailable(name, new Error("there is no IndexedDB here"));
  }
  try {
    return factory.open(name, version);
  } catch (error) {
    throw unavailable(name, error);
  }
}

function upgrade(
  database: IDBDatabase,
  transaction: IDBTransaction,
  wanted: readonly ObjectStoreShape[],
): void {
  const internal = INTERNAL.map((name) => ({ name, indexes: [] }));
  for (const { name, indexes } of [...internal, ...wanted]) {
    const store = database.objectStoreNames.contains(name)
      ? transaction.objectStore(name)
      : database.createObjectStore(name);
    for (const columns of indexes) {
      const index = indexName(columns);
      if (!store.indexNames.contains(index)) store.createIndex(index, keyPath(columns));
    }
  }
}

function has(database: IDBDatabase, { name, indexes }: ObjectStoreShape): boolean {
  if (!database.objectStoreNames.contains(name)) return false;
  if (indexes.length === 0) return true;
  const found = database.transaction(name).objectStore(name).indexNames;
  return indexes.every((columns) => found.contains(indexName(columns)));
}

function keyPath(columns: readonly string[]): string | string[] {
  return columns.length === 1 ? (columns[0] ?? "") : [...columns];
}

async function abort(transaction: IDBTransaction, ended: Promise<void>): Promise<void> {
  try {
    transaction.abort();
  } catch {
    // It has ended by itself.
  }
  await ended.catch(() => undefined);
}

function unavailable(name: string, cause: unknown): AppError {
  return new AppError("CLIENT_STORE_UNAVAILABLE", `opening "${name}": ${errorText(cause)}`, {
    cause,
  });
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
