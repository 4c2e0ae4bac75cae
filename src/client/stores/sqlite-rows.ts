/**
 * Writes folded entries: each row once, in key order, many rows to a statement. Memberships first, so that
 * the rows' statements can ask them whether another channel holds newer content.
 */
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import { type FoldedTable, inKeyOrder, type Mark, newestPut, VALUES_AT } from "./fold.js";
import type { SqliteValue } from "./sqlite-driver.js";
import { claim, listMembers, truncateChannel, type Write } from "./sqlite-members.js";
import { RowWriter } from "./sqlite-row-writer.js";
import { type RowPlan, rowPlan, type SqliteTable } from "./sqlite-table.js";
import type { EntryBatch } from "./store.js";
import { got, type Work } from "./work.js";

/** Plans live as long as the table stays as it is. */
const plans = new WeakMap<SqliteTable, Map<TableSchema, RowPlan>>();

/** `mayBeOlder`: the unit has more entries of its channels than these, in another batch. */
export function* applyState(
  write: Write,
  name: string,
  folded: FoldedTable,
  mayBeOlder: boolean,
): Work<void> {
  const found = write.tables.get(name);
  if (found === undefined) return;
  const channels = channelsOf(folded);
  const only = channels.length === 1 ? channels[0] : undefined;
  const onlyId = only === undefined ? undefined : idOf(write, only);
  const table =
    onlyId === undefined ? yield* listMembers(write, found) : yield* claim(write, found, onlyId);
  for (const [channel, clock] of folded.truncated) {
    yield* truncateChannel(write, table, idOf(write, channel), clock);
  }
  const isNewest = !mayBeOlder && oldestPut(folded) > newestOfOthers(write, only);
  const effects = new Effects(write, table, table.holding !== "each" || isNewest);
  for (const mark of inKeyOrder(folded.rows)) effects.add(mark);
  yield* effects.write();
}

/** Rows of an `events` table: (channel, serial) is their key, so applying twice changes nothing. */
export function* applyEvents(write: Write, batch: EntryBatch): Work<void> {
  const { schema, channel, entries } = batch;
  const table = write.tables.get(schema.table);
  if (table === undefined) return;
  const plan = planOf(table, schema);
  const rows = new RowWriter(table.columns.length);
  for (const entry of entries) {
    const row = rows.begin();
    row.push(channel, entry[0], entry[3]);
    plan.row(hasWholeRow(entry) ? entry : spreadKey(entry, schema), row);
  }
  yield* rows.write(write.connection, table.sql.upsert);
  write.tally.rows(schema.table, { inserted: entries.length });
  for (const entry of entries) {
    if (!write.tally.lists(schema.table)) break;
    write.tally.key(schema.table, [channel, entry[0]]);
  }
}

/** What becomes of the rows of one table. */
class Effects {
  readonly #write: Write;
  readonly #table: SqliteTable;
  /** Nothing that any channel holds can be newer: rows are written without a look at others. */
  readonly #isNewest: boolean;
  readonly #members: RowWriter;
  readonly #dropped: SqliteValue[][] = [];
  readonly #gone: SqliteValue[][] = [];
  /** By the channel whose content it is; of all channels together where nothing can be newer. */
  readonly #rows = new Map<string, RowWriter>();
  #plan: { readonly schema: TableSchema; readonly plan: RowPlan } | undefined;
  #writer: { readonly channel: string; readonly rows: RowWriter } | undefined;
  #inserted = 0;
  #updated = 0;

  constructor(write: Write, table: SqliteTable, isNewest: boolean) {
    this.#write = write;
    this.#table = table;
    this.#isNewest = isNewest || !table.sql.updates;
    this.#members = new RowWriter(table.key.length + 3);
  }

  add(first: Mark): void {
    const table = this.#table;
    const put = newestPut(first);
    const decisive = put ?? first;
    const plan = this.#planOf(decisive.schema);
    if (!plan.tells(decisive.put)) return;
    const { tally } = this.#write;
    const name = table.schema.table;
    const isListed = tally.lists(name);
    if (put === undefined || isListed || table.holding === "each") {
      const key = plan.key(decisive.entry, decisive.put);
      if (table.holding === "each") this.#addMembers(first, key);
      if (put === undefined) this.#gone.push(key);
      if (isListed) tally.key(name, key);
    }
    if (put === undefined) return;
    plan.row(put.entry, this.#rowsOf(this.#isNewest ? "" : put.channel).begin());
    if (put.entry[3] === "i") this.#inserted += 1;
    else this.#updated += 1;
  }

  /** Nearly always the one that was asked for before. */
  #planOf(schema: TableSchema): RowPlan {
    if (this.#plan?.schema !== schema) this.#plan = { schema, plan: planOf(this.#table, schema) };
    return this.#plan.plan;
  }

  *write(): Work<void> {
    const { connection, tally } = this.#write;
    const { sql, holding, schema } = this.#table;
    if (holding === "each") {
      if (this.#dropped.length > 0) yield* got(connection.runMany(sql.dropMember, this.#dropped));
      yield* this.#members.write(connection, sql.putMember);
    }
    for (const [channel, rows] of this.#rows) {
      if (this.#isNewest) yield* rows.write(connection, sql.upsert);
      else yield* rows.write(connection, sql.upsertUnlessOlder, [idOf(this.#write, channel)]);
    }
    let deleted = 0;
    if (this.#gone.length > 0) {
      const statement = holding === "each" ? sql.deleteUnheld : sql.deleteRow;
      deleted = yield* got(connection.runMany(statement, this.#gone));
    }
    tally.rows(schema.table, { inserted: this.#inserted, updated: this.#updated, deleted });
  }

  #addMembers(first: Mark, key: readonly SqliteValue[]): void {
    for (let mark: Mark | undefined = first; mark !== undefined; mark = mark.next) {
      const id = idOf(this.#write, mark.channel);
      if (mark.put) {
        const row = this.#members.begin();
        for (const value of key) row.push(value);
        row.push(id, mark.log, mark.index);
      } else {
        this.#dropped.push([...key, id, mark.log, mark.index]);
      }
    }
  }

  #rowsOf(channel: string): RowWriter {
    if (this.#writer?.channel === channel) return this.#writer.rows;
    let rows = this.#rows.get(channel);
    if (rows === undefined) {
      rows = new RowWriter(this.#table.columns.length);
      this.#rows.set(channel, rows);
    }
    this.#writer = { channel, rows };
    return rows;
  }
}

function planOf(table: SqliteTable, schema: TableSchema): RowPlan {
  let ofTable = plans.get(table);
  if (ofTable === undefined) plans.set(table, (ofTable = new Map<TableSchema, RowPlan>()));
  let plan = ofTable.get(schema);
  if (plan === undefined) ofTable.set(schema, (plan = rowPlan(table, schema)));
  return plan;
}

function hasWholeRow(entry: WireEntry): boolean {
  return entry[3] === "i" || entry[3] === "u";
}

/** An entry that tells the key only, as one that tells every column. */
function spreadKey(entry: WireEntry, schema: TableSchema): WireEntry {
  const values = schema.columns.map(({ name }) => {
    const at = schema.key.indexOf(name);
    return at < 0 ? null : entry[VALUES_AT + at];
  });
  return [entry[0], entry[1], entry[2], entry[3], ...values];
}

function channelsOf(folded: FoldedTable): string[] {
  const channels = new Set(folded.truncated.keys());
  for (const first of folded.rows.values()) {
    for (let mark: Mark | undefined = first; mark !== undefined; mark = mark.next) {
      channels.add(mark.channel);
    }
  }
  return [...channels];
}

/** The least log number of what puts bring. */
function oldestPut({ rows }: FoldedTable): number {
  let oldest = Infinity;
  for (const mark of rows.values()) {
    const put = newestPut(mark);
    if (put !== undefined && put.log < oldest) oldest = put.log;
  }
  return oldest;
}

function newestOfOthers(write: Write, only: string | undefined): number {
  let newest = -1;
  for (const row of write.channels.values()) {
    if (row.channel !== only && row.newest > newest) newest = row.newest;
  }
  return newest;
}

function idOf(write: Write, channel: string): number {
  return write.channels.get(channel)?.id ?? 0;
}
