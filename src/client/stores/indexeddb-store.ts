/**
 * A store in an IndexedDB database: one object store per table, rows as plain objects of natural values
 * (natural-values.ts), which the app may read as it likes. Internal object stores are named `changecast_…`.
 * Every change is one transaction over rows and places, which first checks that nobody else has opened the
 * store since.
 */
import { type Clock, systemClock } from "../../base/clock.js";
import { AppError, errorText, isNamed } from "../../base/errors.js";
import { type Log, silentLog } from "../../base/log.js";
import type { TableSchema } from "../../model/table.js";
import { fold } from "./fold.js";
import {
  CHANNELS,
  got,
  GrowingDatabase,
  INTERNAL,
  META,
  type ObjectStoreShape,
  STAGED,
  TABLES,
} from "./indexeddb-database.js";
import { applyFolded } from "./indexeddb-rows.js";
import { beginSteps, endSteps, ensureTable, leave } from "./indexeddb-steps.js";
import { type KeptTable, membersOf, type Write } from "./indexeddb-write.js";
import type { EntryBatch, KeptChannel, SharedStore, StoreChanges, StoreUnit } from "./store.js";
import { storeError } from "./store-errors.js";
import { ChangeTally, Watchers } from "./watchers.js";

/** Between two transactions of a stream of units: each costs the page's main thread a millisecond and more. */
const PACE_MS = 12;

/** Raised when object stores of ours are laid out in another way. */
const FORMAT = 1;

export interface IndexedDbOptions {
  /** Indexes to keep, by table: each a column, or a list of columns. Columns are named as JavaScript names are. */
  readonly indexes?: Readonly<Record<string, readonly (string | readonly string[])[]>>;
  /**
   * `relaxed` (default): a commit is in the hands of the operating system; a power cut may take back the
   * newest ones, rows and places together, and the server sends them again. `strict`: on the disk.
   */
  readonly durability?: "relaxed" | "strict";
  readonly log?: Log;
  readonly clock?: Clock;
}

/**
 * Opens, or makes, the database `name`. Errors: CLIENT_STORE_UNAVAILABLE where the browser has none for this
 * page (private windows, blocked site data): then `memoryStore()` serves until the page is left.
 */
export async function indexedDbStore(
  name: string,
  options: IndexedDbOptions = {},
): Promise<IndexedDbStore> {
  const store = new IndexedDbStore(name, options);
  await store.database.ensure([]);
  return store;
}

export class IndexedDbStore implements SharedStore {
  readonly name: string;
  /** For readers of its rows (indexeddb-reader.ts). */
  readonly database: GrowingDatabase;
  readonly indexes: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly #watchers: Watchers;
  /** As the last successful transaction left them. */
  #tables = new Map<string, KeptTable>();
  #channels = new Map<string, KeptChannel>();
  #generation = 0;
  #stagedCount = 0;
  readonly #clock: Clock;
  /** When the newest transaction with a unit did. */
  #beganAt = -PACE_MS;
  /** Transactions stand in line: each begins from what the one before left in memory. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(name: string, options: IndexedDbOptions) {
    const { indexes = {}, durability = "relaxed", clock = systemClock } = options;
    this.name = name;
    this.#clock = clock;
    this.database = new GrowingDatabase(name, { clock, durability });
    this.indexes = new Map(
      Object.entries(indexes).map(([table, list]) => [
        table,
        list.map((columns) => (typeof columns === "string" ? [columns] : columns)),
      ]),
    );
    this.#watchers = new Watchers(options.log ?? silentLog);
  }

  open(): Promise<readonly KeptChannel[]> {
    return this.#inLine("opening the store", async () => {
      await this.database.ensure(INTERNAL.map((name) => ({ name, indexes: [] })));
      return this.database.transact(INTERNAL, "readwrite", (transaction) =>
        this.#open(transaction),
      );
    });
  }

  async check(schema: TableSchema): Promise<void> {
    const { table, columns } = schema;
    // Both would have to be written in another way than all the others.
    const problem = table.startsWith("changecast_")
      ? "names that begin with changecast_ are the store's own"
      : columns.some(({ name }) => name === "__proto__")
        ? "a column is named __proto__"
        : undefined;
    if (problem === undefined) return;
    throw new AppError("CLIENT_TABLE_MISFIT", `table "${table}" cannot be kept: ${problem}`, {
      context: { table },
    });
  }

  apply(unit: StoreUnit): Promise<StoreChanges> {
    return this.#change("applying entries", async () => {
      await this.#pace();
      const staged = unit.channels.filter((step) => step.staged === true);
      const touched = new Map<string, TableSchema>();
      for (const schema of unit.schemas) touched.set(schema.table, schema);
      for (const { schema } of unit.batches) touched.set(schema.table, schema);
      await this.database.ensure([...touched.values()].flatMap((schema) => this.#shapes(schema)));
      const isWide =
        staged.length > 0 || unit.channels.some(({ replace }) => replace !== undefined);
      const scope = this.#scope(isWide ? undefined : touched);
      return { scope, work: (write) => this.#apply(write, unit) };
    });
  }

  /** One request per batch; the entries go on as they came. */
  stage(batches: readonly EntryBatch[]): Promise<void> {
    return this.#inLine("staging entries", async () => {
      await this.database.ensure(batches.flatMap(({ schema }) => this.#shapes(schema)));
      await this.#asOwner([META, STAGED], async (transaction) => {
        const store = transaction.objectStore(STAGED);
        for (const batch of batches) {
          this.#stagedCount += 1;
          store.put(batch, [batch.channel, this.#stagedCount]);
        }
      });
    });
  }

  unstage(channels: readonly string[]): Promise<void> {
    return this.#inLine("dropping staged entries", () =>
      this.#asOwner([META, STAGED], async (transaction) => {
        for (const channel of channels) {
          transaction.objectStore(STAGED).delete(stagedRange(channel));
        }
      }),
    );
  }

  detach(channels: readonly string[]): Promise<StoreChanges> {
    return this.#change("detaching channels", async () => ({
      scope: this.#scope(undefined),
      work: async (write) => {
        for (const channel of channels) {
          await leave(write, channel);
          write.transaction.objectStore(STAGED).delete(stagedRange(channel));
        }
      },
    }));
  }

  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    return this.#watchers.add(tables, listener);
  }

  /** Another tab wrote this (tabs.ts). */
  heard(changes: StoreChanges): void {
    this.#watchers.tell(changes);
  }

  /** Tells watchers of every table: what was written meanwhile is not known. */
  async lookAgain(): Promise<void> {
    const tables = (await this.database.names()).filter((name) => !name.startsWith("changecast_"));
    const unknown = { inserted: 0, updated: 0, deleted: 0 };
    this.heard(new Map(tables.map((table) => [table, unknown])));
  }

  async close(): Promise<void> {
    await this.#line;
    this.database.close();
  }

  async #open(transaction: IDBTransaction): Promise<readonly KeptChannel[]> {
    const meta = transaction.objectStore(META);
    const [format, generation, channels, tables] = await Promise.all([
      got(meta.get("format")) as Promise<number | undefined>,
      got(meta.get("generation")) as Promise<number | undefined>,
      got(transaction.objectStore(CHANNELS).getAll()) as Promise<KeptChannel[]>,
      got(transaction.objectStore(TABLES).getAll()) as Promise<KeptTable[]>,
    ]);
    if (format !== undefined && format > FORMAT) {
      throw storeError(
        "CLIENT_STORE_NEWER",
        `opening the store: it has format ${format}, this client knows ${FORMAT}`,
      );
    }
    this.#generation = (generation ?? 0) + 1;
    meta.put(FORMAT, "format");
    meta.put(this.#generation, "generation");
    transaction.objectStore(STAGED).clear();
    this.#channels = new Map(channels.map((channel) => [channel.channel, channel]));
    this.#tables = new Map(tables.map((table) => [table.schema.table, table]));
    return channels;
  }

  async #apply(write: Write, unit: StoreUnit): Promise<void> {
    for (const schema of unit.schemas) await ensureTable(write, schema);
    const counts = await beginSteps(write, unit);
    for (const { channel, staged } of unit.channels) {
      if (staged !== true) continue;
      const store = write.transaction.objectStore(STAGED);
      for (const key of await got(store.getAllKeys(stagedRange(channel)))) {
        await this.#applyBatches(write, [(await got(store.get(key))) as EntryBatch]);
      }
      store.delete(stagedRange(channel));
    }
    await this.#applyBatches(write, unit.batches);
    await endSteps(write, unit, counts);
  }

  async #applyBatches(write: Write, batches: readonly EntryBatch[]): Promise<void> {
    for (const { schema } of batches) await ensureTable(write, schema);
    const folded = fold(batches, (table) => write.tables.get(table)?.schema.key ?? []);
    await applyFolded(write, folded);
  }

  /** The first unit after a rest waits for nothing; in a stream of them, units wait and join (collector.ts). */
  async #pace(): Promise<void> {
    const waitMs = this.#beganAt + PACE_MS - this.#clock.monotonic();
    if (waitMs > 0 && isShown()) {
      await new Promise<void>((resolve) => {
        this.#clock.after(waitMs, resolve);
      });
    }
    this.#beganAt = this.#clock.monotonic();
  }

  #shapes(schema: TableSchema): ObjectStoreShape[] {
    const rows = { name: schema.table, indexes: this.indexes.get(schema.table) ?? [] };
    return schema.kind === "events"
      ? [rows]
      : [rows, { name: membersOf(schema.table), indexes: [] }];
  }

  /** Object stores of these tables, or of all. */
  #scope(tables: ReadonlyMap<string, TableSchema> | undefined): "all" | readonly string[] {
    if (tables === undefined) return "all";
    const shapes = [...tables.values()].flatMap((schema) => this.#shapes(schema));
    return [...INTERNAL, ...shapes.map(({ name }) => name)];
  }

  /** Every write: who had the store open before disturbs nobody, not even by dropping what was staged. */
  #asOwner(
    stores: readonly string[],
    work: (transaction: IDBTransaction) => Promise<void>,
  ): Promise<void> {
    return this.database.transact(stores, "readwrite", async (transaction) => {
      await this.#checkGeneration(transaction);
      await work(transaction);
    });
  }

  async #checkGeneration(transaction: IDBTransaction): Promise<void> {
    const meta = transaction.objectStore(META);
    const found = (await got(meta.get("generation"))) as number | undefined;
    if (found === this.#generation) return;
    const what =
      found === undefined
        ? "the browser has cleared it"
        : `it was opened again elsewhere (generation ${found}, this one is ${this.#generation})`;
    throw storeError("CLIENT_STORE_TAKEN", `writing to the store: ${what}`);
  }

  /** A transaction that changes rows; nothing of it is remembered if it fails. */
  #change(
    what: string,
    plan: () => Promise<{
      scope: "all" | readonly string[];
      work: (write: Write) => Promise<void>;
    }>,
  ): Promise<StoreChanges> {
    return this.#inLine(what, async () => {
      const { scope, work } = await plan();
      const stores = scope === "all" ? await this.database.names() : scope;
      const tally = new ChangeTally();
      const tables = new Map(this.#tables);
      const channels = new Map(this.#channels);
      await this.#asOwner(stores, (transaction) => work({ transaction, tables, channels, tally }));
      this.#tables = tables;
      this.#channels = channels;
      const changes = tally.changes;
      this.#watchers.tell(changes);
      return changes;
    });
  }

  #inLine<T>(what: string, run: () => Promise<T>): Promise<T> {
    const wrapped = async (): Promise<T> => {
      try {
        return await run();
      } catch (error) {
        throw failed(what, error);
      }
    };
    const done = this.#line.then(wrapped);
    this.#line = done.catch(() => undefined);
    return done;
  }
}

/** Timers of a page that nobody sees are a second late and more; nor does its main thread matter to anybody. */
function isShown(): boolean {
  const { document } = globalThis as { readonly document?: { readonly visibilityState: string } };
  return document?.visibilityState === "visible";
}

function stagedRange(channel: string): IDBKeyRange {
  return IDBKeyRange.bound([channel], [channel, []]);
}

function failed(what: string, cause: unknown): unknown {
  if (cause instanceof AppError) return cause;
  const isFull = isNamed(cause, "QuotaExceededError");
  const code = isFull ? "CLIENT_STORE_FULL" : "CLIENT_STORE_FAILED";
  return storeError(code, `${what}: ${errorText(cause)}`, { cause });
}
