/**
 * Entries as rows of natural values: plain objects by column name, for stores without SQL. What stands where
 * in an entry is worked out once per pair of versions: the table's, and the one that the entry follows.
 */
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import { VALUES_AT } from "./fold.js";
import { type NaturalValue, naturalValue } from "./natural-values.js";

export type NaturalRow = Readonly<Record<string, NaturalValue>>;

type Reader = (entry: WireEntry) => Record<string, NaturalValue>;

interface Readers {
  readonly whole: Reader;
  readonly keyOnly: Reader;
}

const known = new WeakMap<TableSchema, WeakMap<TableSchema, Readers>>();

/** The entry's values under the table's columns; of an entry that tells the key only, the rest is null. */
export function naturalRow(
  table: TableSchema,
  schema: TableSchema,
  entry: WireEntry,
): Record<string, NaturalValue> {
  const { whole, keyOnly } = readersOf(table, schema);
  return entry[3] === "i" || entry[3] === "u" ? whole(entry) : keyOnly(entry);
}

/** A row of an `events` table: its channel, serial and op come first, renamed where a column has the name. */
export function eventRow(
  table: TableSchema,
  schema: TableSchema,
  channel: string,
  entry: WireEntry,
): Record<string, NaturalValue> {
  const taken = new Set(schema.columns.map(({ name }) => name.toLowerCase()));
  const named = (name: string): string => (taken.has(name) ? `changecast_${name}` : name);
  return {
    [named("channel")]: channel,
    [named("serial")]: entry[0],
    [named("op")]: entry[3],
    ...naturalRow(table, schema, entry),
  };
}

/** A row that the table held under an older version. */
export function reshapedRow(row: NaturalRow, schema: TableSchema): Record<string, NaturalValue> {
  // The three columns that an events table adds come first.
  const added = schema.kind === "events" ? Object.entries(row).slice(0, 3) : [];
  const next: Record<string, NaturalValue> = Object.fromEntries(added);
  for (const { name } of schema.columns) next[name] = row[name] ?? null;
  return next;
}

function readersOf(table: TableSchema, schema: TableSchema): Readers {
  let ofTable = known.get(table);
  if (ofTable === undefined) known.set(table, (ofTable = new WeakMap<TableSchema, Readers>()));
  let readers = ofTable.get(schema);
  if (readers === undefined) {
    const names = schema.columns.map(({ name }) => name);
    readers = {
      whole: reader(table, schema, names),
      keyOnly: reader(table, schema, schema.key),
    };
    ofTable.set(schema, readers);
  }
  return readers;
}

function reader(table: TableSchema, schema: TableSchema, names: readonly string[]): Reader {
  const columns = table.columns.map(({ name }) => {
    const at = names.indexOf(name);
    const column = schema.columns.find((one) => one.name === name);
    return { name, at: at < 0 ? -1 : VALUES_AT + at, column };
  });
  return (entry) => {
    const row: Record<string, NaturalValue> = {};
    for (const { name, at, column } of columns) {
      row[name] = at < 0 || column === undefined ? null : naturalValue(column, entry[at]);
    }
    return row;
  };
}
