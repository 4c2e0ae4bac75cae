/**
 * A store in an SQLite database in the browser: the official SQLite WASM on OPFS, in a worker of the app's
 * (wasm-worker.ts), a transaction a message. One tab at a time has the database open: the one that leads
 * (tabs.ts). What any tab reads goes to that tab's worker, whether its page has time or not.
 */
import { type Clock, systemClock } from "../../base/clock.js";
import { AppError, errorText } from "../../base/errors.js";
import { type Log, silentLog } from "../../base/log.js";
import type { TableSchema } from "../../model/table.js";
import type { SqliteValue } from "./sqlite-driver.js";
import type { TableMapping } from "./sqlite-table.js";
import type { EntryBatch, KeptChannel, SharedStore, StoreChanges, StoreUnit } from "./store.js";
import { taken, WorkerLine } from "./wasm-calls.js";
import { TabReads } from "./wasm-line.js";
import type { Answer, Argument, AskedCall, CallName, OpenOptions } from "./wasm-messages.js";
import { Watchers } from "./watchers.js";

export interface WasmStoreOptions {
  /** Starts the app's worker, which calls `serveStore` and nothing else. */
  readonly worker: () => Worker;
  /**
   * `relaxed` (default): a commit is in the hands of the operating system; a power cut may take back the
   * newest ones, rows and places together, and the server sends them again. `strict`: on the disk.
   */
  readonly durability?: "relaxed" | "strict";
  /** Tables that go to tables of the app's own, by the name they have in the schema. */
  readonly tables?: Readonly<Record<string, TableMapping>>;
  readonly log?: Log;
  readonly clock?: Clock;
}

/** A row that was read: integers beyond 2^53 are bigint, blobs Uint8Array. */
export type WasmRow = Readonly<Record<string, null | number | bigint | string | Uint8Array>>;

/** Errors: CLIENT_STORE_UNAVAILABLE where the browser has nothing for it: IndexedDB or memory serves then. */
export async function wasmStore(name: string, options: WasmStoreOptions): Promise<WasmStore> {
  await mustHaveOpfs(name);
  return new WasmStore(name, options);
}

export class WasmStore implements SharedStore {
  readonly name: string;
  readonly #options: WasmStoreOptions;
  readonly #watchers: Watchers;
  readonly #reads: TabReads;
  /** While this tab has the database open. */
  #worker: WorkerLine | undefined;
  /** The worker ended by itself: the next call begins with another. */
  #hasDied = false;

  constructor(name: string, options: WasmStoreOptions) {
    const { clock = systemClock, log = silentLog } = options;
    this.name = name;
    this.#options = options;
    this.#watchers = new Watchers(log);
    this.#reads = new TabReads(name, clock);
  }

  /** Errors, besides a store's: CLIENT_STORE_BLOCKED, CLIENT_STORE_FULL, CLIENT_STORE_UNAVAILABLE. */
  async open(): Promise<readonly KeptChannel[]> {
    const { durability = "relaxed", tables = {} } = this.#options;
    const options: OpenOptions = { name: this.name, durability, tables };
    this.#hasDied = false;
    this.#worker ??= this.#start();
    const worker = this.#worker;
    try {
      return await worker.call("open", options);
    } catch (error) {
      this.#drop(worker);
      throw error;
    }
  }

  check(schema: TableSchema): Promise<void> {
    return this.#call("check", schema);
  }

  async apply(unit: StoreUnit): Promise<StoreChanges> {
    return this.#told(await this.#call("apply", unit));
  }

  stage(batches: readonly EntryBatch[]): Promise<void> {
    return this.#call("stage", batches);
  }

  unstage(channels: readonly string[]): Promise<void> {
    return this.#call("unstage", channels);
  }

  async detach(channels: readonly string[]): Promise<StoreChanges> {
    return this.#told(await this.#call("detach", channels));
  }

  /**
   * Rows of a statement that reads, as a transaction left them. Waits while no tab has the database open.
   * Errors: CLIENT_SQL_FAILED.
   */
  async all<Row extends object = WasmRow>(
    sql: string,
    values: readonly (SqliteValue | bigint)[] = [],
  ): Promise<readonly Row[]> {
    const { names, rows } = await this.#ask("rows", { sql, values });
    return rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])) as Row);
  }

  /**
   * Statements of the app's (indexes, tables of its own) in one transaction. Where the tab that leads goes
   * meanwhile, it fails without knowing whether they ran: write `create index if not exists …`. Errors: CLIENT_SQL_FAILED.
   */
  exec(sql: string): Promise<void> {
    return this.#ask("exec", sql);
  }

  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    return this.#watchers.add(tables, listener);
  }

  heard(changes: StoreChanges): void {
    this.#watchers.tell(changes);
  }

  async lookAgain(): Promise<void> {
    const tables = await this.all<{ name: string }>("SELECT name FROM changecast_tables");
    const unknown = { inserted: 0, updated: 0, deleted: 0 };
    this.heard(new Map(tables.map(({ name }) => [name, unknown])));
  }

  /** Waits for what is under way and lets go of the database: another tab may open it. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#hasDied = false;
    if (worker === undefined) return;
    try {
      await worker.call("close", undefined);
    } finally {
      this.#drop(worker);
    }
  }

  #start(): WorkerLine {
    const worker: WorkerLine = new WorkerLine(this.#options.worker(), (error) => {
      this.#hasDied = !isTaken(error);
      this.#drop(worker, error);
    });
    return worker;
  }

  #drop(worker: WorkerLine, error = taken()): void {
    if (this.#worker === worker) this.#worker = undefined;
    worker.end(error);
  }

  #told(changes: StoreChanges): StoreChanges {
    this.#watchers.tell(changes);
    return changes;
  }

  /** As the tab that has the database open. */
  async #call<Name extends CallName>(call: Name, argument: Argument<Name>): Promise<Answer<Name>> {
    if (this.#hasDied) await this.open();
    const worker = this.#worker;
    if (worker === undefined) throw taken();
    return worker.call(call, argument);
  }

  async #ask<Name extends AskedCall>(call: Name, argument: Argument<Name>): Promise<Answer<Name>> {
    // Nobody else would open it: this tab still has the lead.
    if (this.#hasDied) await this.open();
    const worker = this.#worker;
    if (worker === undefined) return this.#reads.ask(call, argument);
    try {
      return await worker.call(call, argument);
    } catch (error) {
      if (!isTaken(error)) throw error;
      return this.#reads.ask(call, argument);
    }
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof AppError && error.code === "CLIENT_STORE_TAKEN";
}

async function mustHaveOpfs(name: string): Promise<void> {
  const missing = (what: string): AppError =>
    new AppError("CLIENT_STORE_UNAVAILABLE", `opening "${name}" in OPFS: ${what}`);
  if (!globalThis.isSecureContext) throw missing("the page is not from a secure origin (https)");
  const { locks, storage } = navigator as Partial<Navigator>;
  // Absent before Chrome 102, Firefox 111 and Safari 15.2.
  if (locks === undefined || storage?.getDirectory === undefined) {
    throw missing("the browser is too old for it");
  }
  try {
    await storage.getDirectory();
  } catch (error) {
    throw missing(`the browser refuses it, as in private windows: ${errorText(error)}`);
  }
}
