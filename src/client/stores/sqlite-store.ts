/**
 * A store in an SQLite database of the app's: ordinary tables that follow the source, beside the app's own.
 * Internal tables are named `changecast_*`. Every change is one transaction of the driver, which first
 * checks that nobody else has opened the store since.
 */
import { AppError, InvariantError, errorText } from "../../base/errors.js";
import { type Log, silentLog } from "../../base/log.js";
import { must } from "../../base/assert.js";
import type { TableSchema } from "../../model/table.js";
import { fold } from "./fold.js";
import { checkMappedTable, checkOwnTable, mappedColumns } from "./sqlite-check.js";
import { alterTable, createInternal, createTable, loadTables, STORE_FORMAT } from "./sqlite-ddl.js";
import type { SqliteConnection, SqliteDriver } from "./sqlite-driver.js";
import { beginSteps, detach, endSteps, saveChannels } from "./sqlite-channels.js";
import type { ChannelRow, Write } from "./sqlite-members.js";
import { applyEvents, applyState } from "./sqlite-rows.js";
import { stageBatches, staged, unstage } from "./sqlite-staging.js";
import {
  ownColumns,
  type SqliteTable,
  sqliteTable,
  type StoredColumn,
  type TableMapping,
} from "./sqlite-table.js";
import type { EntryBatch, KeptChannel, Store, StoreChanges, StoreUnit } from "./store.js";
import { storeError } from "./store-errors.js";
import { tableStep } from "./table-change.js";
import { ChangeTally, Watchers } from "./watchers.js";
import { drive, got, type Work } from "./work.js";

export interface SqliteStoreOptions {
  /** Tables that go to tables of the app's own, by the name they have in the schema. */
  readonly tables?: Readonly<Record<string, TableMapping>>;
  readonly log?: Log;
}

export function sqliteStore(driver: SqliteDriver, options: SqliteStoreOptions = {}): Store {
  return new SqliteStore(driver, options);
}

class SqliteStore implements Store {
  readonly #driver: SqliteDriver;
  readonly #mappings: Readonly<Record<string, TableMapping>>;
  readonly #watchers: Watchers;
  /** As the last successful transaction left them. */
  #tables = new Map<string, SqliteTable>();
  #channels = new Map<string, ChannelRow>();
  /** Columns of schema versions that were checked since the store was opened, by table and version. */
  readonly #checked = new Map<string, readonly StoredColumn[]>();
  /** Schemas of what is staged, by table and version. */
  readonly #stagedSchemas = new Map<string, TableSchema>();
  #generation = 0;
  /** Transactions stand in line: an asynchronous driver must not see two. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(driver: SqliteDriver, options: SqliteStoreOptions) {
    this.#driver = driver;
    this.#mappings = options.tables ?? {};
    this.#watchers = new Watchers(options.log ?? silentLog);
  }

  open(): Promise<readonly KeptChannel[]> {
    return this.#inLine("opening the store", (connection) => this.#open(connection));
  }

  async check(schema: TableSchema): Promise<void> {
    if (this.#checked.has(versionName(schema))) return;
    await this.#inLine("checking a table", (connection) =>
      this.#check(connection, schema, this.#tables),
    );
  }

  async apply(unit: StoreUnit): Promise<StoreChanges> {
    return this.#change("applying entries", (write) => this.#apply(write, unit));
  }

  async stage(batches: readonly EntryBatch[]): Promise<void> {
    await this.#asOwner("staging entries", (connection) => this.#stage(connection, batches));
  }

  async unstage(channels: readonly string[]): Promise<void> {
    await this.#asOwner("dropping staged entries", function* (connection): Work<void> {
      for (const channel of channels) yield* unstage(connection, channel);
    });
  }

  async detach(channels: readonly string[]): Promise<StoreChanges> {
    return this.#change("detaching channels", (write) => detach(write, channels));
  }

  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    return this.#watchers.add(tables, listener);
  }

  async close(): Promise<void> {
    await this.#line;
  }

  *#open(connection: SqliteConnection): Work<readonly KeptChannel[]> {
    yield* createInternal(connection);
    const format = yield* readMeta(connection, "format");
    if (format > STORE_FORMAT) {
      throw storeError(
        "CLIENT_STORE_NEWER",
        `opening the store: it has format ${format}, this client knows ${STORE_FORMAT}`,
      );
    }
    yield* writeMeta(connection, "format", STORE_FORMAT);
    const generation = (yield* readMeta(connection, "generation")) + 1;
    yield* writeMeta(connection, "generation", generation);
    yield* got(connection.run("DELETE FROM changecast_staged", []));
    const tables = yield* loadTables(connection, (schema) => this.#mapped(schema));
    const rows = yield* got(connection.all("SELECT * FROM changecast_channels", []));
    this.#generation = generation;
    this.#checked.clear();
    this.#stagedSchemas.clear();
    this.#tables = new Map(tables.map((table) => [table.schema.table, table]));
    this.#channels = new Map(
      rows.map((row) => [
        String(row["channel"]),
        {
          id: Number(row["id"]),
          channel: String(row["channel"]),
          place: {
            epoch: Number(row["epoch"]),
            serial: Number(row["serial"]),
            log: Number(row["log"]),
            run: String(row["run"]),
          },
          ready: Number(row["ready"]) === 1,
          newest: Number(row["newest"]),
        },
      ]),
    );
    return [...this.#channels.values()].map(({ channel, place, ready }) => ({
      channel,
      place,
      ready,
    }));
  }

  *#apply(write: Write, unit: StoreUnit): Work<void> {
    const { connection, channels, tables } = write;
    for (const { channel, place } of unit.channels) {
      if (channels.has(channel)) continue;
      const next = yield* got(
        connection.all("SELECT coalesce(max(id), 0) + 1 AS id FROM changecast_channels", []),
      );
      const id = Number(next[0]?.["id"]);
      const row = { id, channel, place, ready: false, newest: 0 };
      channels.set(channel, row);
      yield* saveChannels(connection, [row]);
    }
    for (const schema of unit.schemas) yield* this.#ensureTable(write, schema);
    for (const { schema } of unit.batches) yield* this.#ensureTable(write, schema);
    yield* beginSteps(write, unit);
    const keyOf = (table: string): readonly string[] => tables.get(table)?.schema.key ?? [];
    const parts = unit.channels.filter((step) => step.staged === true);
    for (const { channel } of parts) {
      yield* staged(
        connection,
        channel,
        (table, version) => this.#stagedSchema(table, version),
        (batches) => this.#applyBatches(write, batches, keyOf, true),
      );
      yield* unstage(connection, channel);
    }
    yield* this.#applyBatches(write, unit.batches, keyOf, parts.length > 0);
    yield* endSteps(write, unit);
  }

  *#applyBatches(
    write: Write,
    batches: readonly EntryBatch[],
    keyOf: (table: string) => readonly string[],
    mayBeOlder: boolean,
  ): Work<void> {
    for (const { schema } of batches) yield* this.#ensureTable(write, schema);
    const { state, events } = fold(batches, keyOf);
    for (const [table, folded] of state) yield* applyState(write, table, folded, mayBeOlder);
    for (const batch of events) yield* applyEvents(write, batch);
    for (const { channel, base, entries } of batches) {
      const row = write.channels.get(channel);
      const last = entries[entries.length - 1];
      if (row === undefined || last === undefined) continue;
      const newest = Math.max(row.newest, base + last[1]);
      write.channels.set(channel, { ...row, newest });
    }
  }

  *#ensureTable(write: Write, schema: TableSchema): Work<void> {
    const table = write.tables.get(schema.table);
    if (table !== undefined && table.schema.version > schema.version) return;
    if (table?.schema.version === schema.version) {
      // Equal unless the journal was restored and gave the number again.
      if (table.schema === schema) return;
      if (tableStep(table.schema, schema).kind === "same") {
        write.tables.set(schema.table, { ...table, schema });
        return;
      }
      this.#checked.delete(versionName(schema));
    }
    yield* this.#check(write.connection, schema, write.tables);
    const columns = must(this.#checked.get(versionName(schema)), "columns of a checked table");
    if (table !== undefined) {
      write.tables.set(schema.table, yield* alterTable(write.connection, table, schema, columns));
      return;
    }
    const mapping = this.#mappings[schema.table];
    const made = sqliteTable(
      schema,
      {
        physical: mapping?.table ?? schema.table,
        mapped: mapping !== undefined,
        // In a table of the app's stand rows of its own: each of ours must be known.
        holding: mapping === undefined ? { sole: undefined } : "each",
      },
      columns,
    );
    yield* createTable(write.connection, made);
    write.tables.set(schema.table, made);
  }

  *#check(
    connection: SqliteConnection,
    schema: TableSchema,
    tables: ReadonlyMap<string, SqliteTable>,
  ): Work<void> {
    const name = versionName(schema);
    if (this.#checked.has(name)) return;
    const mapping = this.#mappings[schema.table];
    const known = tables.get(schema.table);
    const physical = mapping?.table ?? schema.table;
    if (
      known !== undefined &&
      (known.mapped !== (mapping !== undefined) || known.physical !== physical)
    ) {
      throw new AppError(
        "CLIENT_TABLE_MISFIT",
        `table "${schema.table}" cannot be kept: this store has it in "${known.physical}", not in "${physical}"`,
        { context: { table: schema.table }, cure: "Keep the mapping, or begin with a new store." },
      );
    }
    const columns =
      mapping === undefined
        ? yield* checkOwnTable(connection, schema, known !== undefined)
        : yield* checkMappedTable(connection, schema, mapping);
    this.#checked.set(name, columns);
  }

  *#stage(connection: SqliteConnection, batches: readonly EntryBatch[]): Work<void> {
    for (const { schema } of batches) this.#stagedSchemas.set(versionName(schema), schema);
    yield* stageBatches(connection, batches);
  }

  #stagedSchema(table: string, version: number): TableSchema {
    return must(this.#stagedSchemas.get(`${table}/${version}`), `schema ${version} of ${table}`);
  }

  #mapped(schema: TableSchema): readonly StoredColumn[] {
    const mapping = this.#mappings[schema.table];
    return mapping === undefined ? ownColumns(schema) : mappedColumns(schema, mapping);
  }

  *#checkGeneration(connection: SqliteConnection): Work<void> {
    const found = yield* readMeta(connection, "generation");
    if (found === this.#generation) return;
    throw storeError(
      "CLIENT_STORE_TAKEN",
      `writing to the store: it was opened again elsewhere (generation ${found}, this one is ${this.#generation})`,
    );
  }

  /** A transaction that changes rows; nothing of it is remembered if it fails. */
  async #change(what: string, work: (write: Write) => Work<void>): Promise<StoreChanges> {
    const write = await this.#asOwner(what, (connection) => this.#write(connection, work));
    this.#tables = write.tables;
    this.#channels = write.channels;
    const changes = write.tally.changes;
    this.#watchers.tell(changes);
    return changes;
  }

  *#write(connection: SqliteConnection, work: (write: Write) => Work<void>): Work<Write> {
    const tables = new Map(this.#tables);
    const channels = new Map(this.#channels);
    const write: Write = { connection, tables, channels, tally: new ChangeTally() };
    yield* work(write);
    return write;
  }

  /** Every write: who had the store open before disturbs nobody, not even by dropping what was staged. */
  #asOwner<T>(what: string, work: (connection: SqliteConnection) => Work<T>): Promise<T> {
    const check = (connection: SqliteConnection): Work<void> => this.#checkGeneration(connection);
    return this.#inLine(what, function* (connection): Work<T> {
      yield* check(connection);
      return yield* work(connection);
    });
  }

  #inLine<T>(what: string, work: (connection: SqliteConnection) => Work<T>): Promise<T> {
    const run = async (): Promise<T> => {
      try {
        return await this.#driver.transaction((connection) => drive(work(connection)));
      } catch (error) {
        if (error instanceof AppError || error instanceof InvariantError) throw error;
        throw storeError("CLIENT_STORE_FAILED", `${what}: ${errorText(error)}`, { cause: error });
      }
    };
    const done = this.#line.then(run, run);
    this.#line = done.catch(() => undefined);
    return done;
  }
}

function* readMeta(connection: SqliteConnection, name: string): Work<number> {
  const rows = yield* got(connection.all("SELECT value FROM changecast_meta WHERE name=?", [name]));
  return Number(rows[0]?.["value"] ?? 0);
}

function* writeMeta(connection: SqliteConnection, name: string, value: number): Work<void> {
  yield* got(
    connection.run("INSERT OR REPLACE INTO changecast_meta (name, value) VALUES (?, ?)", [
      name,
      value,
    ]),
  );
}

function versionName(schema: TableSchema): string {
  return `${schema.table}/${schema.version}`;
}
