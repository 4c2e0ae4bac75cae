/**
 * One LMDB file with its tables, opened so that a resolved commit is on the disk (`overlappingSync` off).
 * Keys and values are bytes. Every commit is conditional on the fence: the run that opened the file last;
 * a process that was taken for dead and is not can then write nothing any more.
 */
import { existsSync } from "node:fs";
import { open } from "lmdb";
import type { Database, RangeOptions, RootDatabase } from "lmdb";
import { AppError, errorText } from "../../base/errors.js";
import { checkMetaPages } from "./meta-pages.js";

const TABLES_MAX = 16;
const FENCE_KEY = Buffer.from("writer");

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface RowRange {
  readonly start?: Buffer;
  /** Not included. */
  readonly end?: Buffer;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** A state of the file that stands still until `done`. */
export interface Snapshot {
  done(): void;
}

export interface Table {
  get(key: Buffer, snapshot?: Snapshot): Buffer | undefined;
  /** The same in memory that the next read of any table writes again; `length` counts, not the memory's own. */
  peek(key: Buffer, snapshot?: Snapshot): Buffer | undefined;
  /** Lazy; must be read to its end, or left with `break`, before anything is awaited. */
  range(range: RowRange, snapshot?: Snapshot): Iterable<Row>;
  /** The same without the values, which may be large. */
  keys(range: RowRange, snapshot?: Snapshot): Buffer[];
  /** What it takes in the file, in whole pages. */
  bytes(): number;
  /** Inside `commit` only. */
  put(key: Buffer, value: Uint8Array): void;
  remove(key: Buffer): void;
  /** Inside `commitNow` only. */
  putNow(key: Buffer, value: Uint8Array): void;
  removeNow(key: Buffer): void;
}

export interface EnvironmentOptions {
  readonly path: string;
  /** Address space: the file can grow so far. Takes no memory and no disk by itself. */
  readonly mapBytes: number;
  readonly readOnly?: boolean;
}

/** Of one table, without the others in the file; lmdb's types lack them. */
interface TableStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** lmdb's own options that its types lack. */
interface OpenOptions {
  readonly noReadAhead: boolean;
}

export class Environment {
  readonly path: string;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #fence: Database<Buffer, Buffer> | undefined;
  readonly #readOnly: boolean;
  #term = 0;
  #isOpen = true;

  /** Throws JOURNAL_DAMAGED, JOURNAL_NEWER, JOURNAL_UNREADABLE. */
  constructor(options: EnvironmentOptions) {
    const { path, mapBytes, readOnly = false } = options;
    this.path = path;
    this.#readOnly = readOnly;
    if (existsSync(path)) checkMetaPages(path, readOnly);
    const extra: OpenOptions = { noReadAhead: true };
    try {
      this.#root = open<Buffer, Buffer>({
        ...{ path, readOnly, mapSize: mapBytes, maxDbs: TABLES_MAX, noSubdir: true },
        ...{ overlappingSync: false, eventTurnBatching: false, noMemInit: false },
        ...{ encoding: "binary", keyEncoding: "binary" },
        ...extra,
      });
      this.#fence = readOnly ? undefined : this.#openFence();
    } catch (error) {
      const code = tellsDamage(error) ? "JOURNAL_DAMAGED" : "JOURNAL_UNREADABLE";
      throw new AppError(code, `opening ${path}: ${errorText(error)}`, { cause: error });
    }
  }

  table(name: string): Table {
    const found = this.#root.openDB({ name, encoding: "binary", keyEncoding: "binary" }) as
      Database<Buffer, Buffer> | undefined;
    if (found === undefined) {
      throw new AppError("JOURNAL_DAMAGED", `opening ${this.path}: it has no table ${name}`);
    }
    return new LmdbTable(found, this.path);
  }

  /** From now on only this process can commit. */
  async takeOver(): Promise<void> {
    const fence = this.#writable();
    this.#term = (fence.getEntry(FENCE_KEY)?.version ?? 0) + 1;
    await this.#settled(fence.put(FENCE_KEY, Buffer.from([1]), this.#term));
  }

  /** What commits of this run carry; hand it to `join` where another thread of the process opens the file. */
  get term(): number {
    return this.#term;
  }

  /** Commits on behalf of the run that took the file over. */
  join(term: number): void {
    this.#term = term;
  }

  /** Throws JOURNAL_IN_USE where another run has taken the file over: what it read before that is what counts. */
  assertOurs(): void {
    this.fresh();
    if (this.#writable().getEntry(FENCE_KEY)?.version !== this.#term) throw this.#takenOver();
  }

  /** All puts and removes of `work`, in one transaction, durable when it resolves. */
  async commit(work: () => void): Promise<void> {
    const done = await this.#settled(this.#writable().ifVersion(FENCE_KEY, this.#term, work));
    if (!done) throw this.#takenOver();
  }

  /** The same, at once: durable when it returns. For a thread that has nothing else to do. */
  commitNow(work: () => void): void {
    const fence = this.#writable();
    const commit = (): boolean => {
      if (fence.getEntry(FENCE_KEY)?.version !== this.#term) return false;
      work();
      return true;
    };
    let isOurs: boolean;
    try {
      isOurs = this.#root.transactionSync(commit);
    } catch (error) {
      const message = `writing ${this.path}: ${errorText(error)}`;
      throw new AppError("JOURNAL_WRITE_FAILED", message, { cause: error });
    }
    if (!isOurs) throw this.#takenOver();
  }

  /** The newest state. Must be ended; within one turn of the event loop `fresh` is enough. */
  snapshot(): Snapshot {
    this.fresh();
    return this.#root.useReadTransaction();
  }

  /** Reads without a snapshot show the newest state from here on, one and the same until the turn ends. */
  fresh(): void {
    this.#root.resetReadTxn();
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#root.close();
  }

  #takenOver(): AppError {
    const message = `writing ${this.path}: another process has taken the journal over`;
    return new AppError("JOURNAL_IN_USE", message);
  }

  #openFence(): Database<Buffer, Buffer> {
    return this.#root.openDB<Buffer, Buffer>({
      ...{ name: "fence", encoding: "binary", keyEncoding: "binary", useVersions: true },
    });
  }

  #writable(): Database<Buffer, Buffer> {
    if (this.#fence !== undefined && !this.#readOnly) return this.#fence;
    throw new AppError("JOURNAL_WRITE_FAILED", `writing ${this.path}: it was opened for reading`);
  }

  async #settled<T>(writing: Promise<T>): Promise<T> {
    try {
      return await writing;
    } catch (error) {
      throw await writeFailure(this.path, error);
    }
  }
}

/** Inside a commit the promises of single writes are settled ones: only that of the commit counts. */
interface Writes {
  put(key: Buffer, value: Uint8Array): unknown;
  remove(key: Buffer): unknown;
  putSync(key: Buffer, value: Uint8Array): unknown;
  removeSync(key: Buffer): unknown;
}

/** lmdb's types lack the options. */
interface ReusedReads {
  getBinaryFast(key: Buffer, options?: { readonly transaction: Snapshot }): Buffer | undefined;
}

class LmdbTable implements Table {
  readonly #db: Database<Buffer, Buffer>;
  readonly #path: string;
  readonly #writes: Writes;
  readonly #reused: ReusedReads;

  constructor(db: Database<Buffer, Buffer>, path: string) {
    this.#db = db;
    this.#reused = db;
    this.#path = path;
    this.#writes = db;
  }

  get(key: Buffer, snapshot?: Snapshot): Buffer | undefined {
    try {
      return snapshot === undefined
        ? this.#db.get(key)
        : this.#db.get(key, { transaction: snapshot });
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }

  peek(key: Buffer, snapshot?: Snapshot): Buffer | undefined {
    try {
      return snapshot === undefined
        ? this.#reused.getBinaryFast(key)
        : this.#reused.getBinaryFast(key, { transaction: snapshot });
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }

  range(range: RowRange, snapshot?: Snapshot): Iterable<Row> {
    const path = this.#path;
    const rows = this.#db.getRange(at(range, snapshot));
    return { [Symbol.iterator]: () => readingRows(path, rows) };
  }

  keys(range: RowRange, snapshot?: Snapshot): Buffer[] {
    try {
      return [...this.#db.getKeys(at(range, snapshot))];
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }

  bytes(): number {
    const pages = this.#db.getStats() as TableStats;
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = pages;
    return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages);
  }

  put(key: Buffer, value: Uint8Array): void {
    this.#writes.put(key, value);
  }

  remove(key: Buffer): void {
    this.#writes.remove(key);
  }

  putNow(key: Buffer, value: Uint8Array): void {
    this.#writes.putSync(key, value);
  }

  removeNow(key: Buffer): void {
    this.#writes.removeSync(key);
  }
}

function at(range: RowRange, snapshot: Snapshot | undefined): RangeOptions {
  return snapshot === undefined ? range : { ...range, transaction: snapshot };
}

/** The rows, with a failure named as what it is. No generator: rows pass here by the million. */
function readingRows(path: string, rows: Iterable<Row>): Iterator<Row> {
  const iterator = rows[Symbol.iterator]();
  return {
    next: () => {
      try {
        return iterator.next();
      } catch (error) {
        throw readFailure(path, error);
      }
    },
    return: () => {
      iterator.return?.();
      return { done: true, value: undefined };
    },
  };
}

/** What LMDB says of pages that are not what they should be. */
function tellsDamage(error: unknown): boolean {
  const text = errorText(error);
  return /MDB_(?:CORRUPTED|INVALID|PAGE_NOTFOUND|PANIC|BAD_)|corrupt|damaged/i.test(text);
}

/** Our own bugs stay what they are. */
function readFailure(path: string, error: unknown): unknown {
  if (!tellsDamage(error)) return error;
  return new AppError("JOURNAL_DAMAGED", `reading ${path}: ${errorText(error)}`, { cause: error });
}

/** lmdb tells the reason by a second promise, which must not stay unheard. */
async function writeFailure(path: string, error: unknown): Promise<AppError> {
  let reason = error;
  if (error instanceof Error && "commitError" in error) {
    const told = error.commitError as Promise<unknown>;
    const late = new Promise<undefined>((resolve) => {
      setImmediate(() => {
        setImmediate(resolve, undefined);
      });
    });
    reason = await Promise.race([told.catch((cause: unknown) => cause), late]);
  }
  const found = reason === undefined ? errorText(error) : errorText(reason);
  const code = tellsDamage(reason ?? error) ? "JOURNAL_DAMAGED" : "JOURNAL_WRITE_FAILED";
  return new AppError(code, `writing ${path}: ${found}`, { cause: error });
}
