/**
 * Many entries to few effects: of each row only what each channel said of it last. The stores then write
 * every row once, in key order, instead of once per entry.
 *
 * A row's content is that of the newest put among the channels that hold the row at the end. What a
 * channel said and then took back does not count: the channels that still hold the row have, for every
 * change of it, an entry of their own.
 */
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import type { EntryBatch } from "./store.js";

/** A row's key in a Map: the value itself where the key is one number or string, else its JSON text. */
export type RowKey = string | number;

/** The last word of one channel on one row. */
export interface Mark {
  readonly channel: string;
  /** The row is in the channel with this content; otherwise it left. */
  readonly put: boolean;
  readonly log: number;
  readonly index: number;
  readonly entry: WireEntry;
  readonly schema: TableSchema;
  /** Another channel's word on the same row. */
  readonly next: Mark | undefined;
}

export interface Clock {
  readonly log: number;
  readonly index: number;
}

export interface FoldedTable {
  readonly rows: Map<RowKey, Mark>;
  /** Memberships of these channels that are older than the clock are gone before `rows` counts. */
  readonly truncated: Map<string, Clock>;
}

export interface Folded {
  /** By table. */
  readonly state: Map<string, FoldedTable>;
  /** Of `events` tables, in the order they came. */
  readonly events: EntryBatch[];
}

export function isBefore(a: Clock, b: Clock): boolean {
  return a.log < b.log || (a.log === b.log && a.index < b.index);
}

/** Values of an entry begin here: [serial, log − base, index, op, …]. */
export const VALUES_AT = 4;

/** `keyOf` tells the key that a table's rows have now, which an older entry may not know. */
export function fold(
  batches: readonly EntryBatch[],
  keyOf: (table: string) => readonly string[],
): Folded {
  const state = new Map<string, FoldedTable>();
  const events: EntryBatch[] = [];
  for (const batch of batches) {
    if (batch.schema.kind === "events") {
      events.push(batch);
      continue;
    }
    const { table } = batch.schema;
    let folded = state.get(table);
    if (folded === undefined)
      state.set(table, (folded = { rows: new Map(), truncated: new Map() }));
    foldBatch(folded, batch, keyOf(table));
  }
  return { state, events };
}

/** The put that decides a row's content: the newest; undefined when every channel dropped the row. */
export function newestPut(mark: Mark): Mark | undefined {
  if (mark.next === undefined) return mark.put ? mark : undefined;
  let newest: Mark | undefined;
  for (let at: Mark | undefined = mark; at !== undefined; at = at.next) {
    if (at.put && (newest === undefined || isBefore(newest, at))) newest = at;
  }
  return newest;
}

/** In key order: neighbours in the database's tree are written together. */
export function inKeyOrder(rows: ReadonlyMap<RowKey, Mark>): Iterable<Mark> {
  let last: RowKey | undefined;
  let isSorted = true;
  let areNumbers = true;
  for (const key of rows.keys()) {
    if (last !== undefined && key < last) isSorted = false;
    if (typeof key !== "number") areNumbers = false;
    last = key;
  }
  // A first content comes in key order most often.
  if (isSorted) return rows.values();
  return areNumbers ? sorted(rows, byNumber) : sorted(rows, byText);
}

function sorted(
  rows: ReadonlyMap<RowKey, Mark>,
  compare: (a: [RowKey, Mark], b: [RowKey, Mark]) => number,
): Mark[] {
  return [...rows].sort(compare).map(([, mark]) => mark);
}

function byNumber([a]: [RowKey, Mark], [b]: [RowKey, Mark]): number {
  return Number(a) - Number(b);
}

function byText([a]: [RowKey, Mark], [b]: [RowKey, Mark]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Where the values of `key` stand in the entries of `schema`; undefined if its entries do not tell them. */
export function keyPositions(
  schema: TableSchema,
  key: readonly string[],
  put: boolean,
): readonly number[] | undefined {
  const names = put ? schema.columns.map((column) => column.name) : schema.key;
  const positions = key.map((name) => names.indexOf(name));
  if (positions.includes(-1) || (!put && names.length !== key.length)) return undefined;
  return positions.map((position) => VALUES_AT + position);
}

export function rowKey(entry: WireEntry, positions: readonly number[]): RowKey {
  const only = positions.length === 1 ? entry[positions[0] ?? 0] : undefined;
  if (typeof only === "string" || typeof only === "number") return only;
  return JSON.stringify(positions.map((position) => entry[position]));
}

function foldBatch(folded: FoldedTable, batch: EntryBatch, key: readonly string[]): void {
  const { channel, schema, base, entries } = batch;
  const putAt = keyPositions(schema, key, true);
  const dropAt = keyPositions(schema, key, false);
  for (const entry of entries) {
    const log = base + entry[1];
    const index = entry[2];
    const op = entry[3];
    if (op === "t") {
      forget(folded.rows, channel);
      folded.truncated.set(channel, { log, index });
      continue;
    }
    const put = op === "i" || op === "u";
    const positions = put ? putAt : dropAt;
    // An entry under a key that the table no longer has: its row went when the key changed.
    if (positions === undefined || op === "g") continue;
    const at = rowKey(entry, positions);
    const next = without(folded.rows.get(at), channel);
    folded.rows.set(at, { channel, put, log, index, entry, schema, next });
  }
}

function forget(rows: Map<RowKey, Mark>, channel: string): void {
  for (const [key, mark] of rows) {
    const rest = without(mark, channel);
    if (rest === undefined) rows.delete(key);
    else if (rest !== mark) rows.set(key, rest);
  }
}

/** The list without the channel's mark; the same object if it holds none. */
function without(mark: Mark | undefined, channel: string): Mark | undefined {
  if (mark === undefined) return undefined;
  if (mark.channel === channel) return mark.next;
  const next = without(mark.next, channel);
  return next === mark.next ? mark : { ...mark, next };
}
