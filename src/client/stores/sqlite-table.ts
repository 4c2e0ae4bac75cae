/**
 * One table as the store keeps it: which SQLite columns its values go to, and the statements that write
 * it. Every name stands in quotes, so that keywords and any spelling are fine.
 */
import type { Column, TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import { keyPositions, VALUES_AT } from "./fold.js";
import type { SqliteValue } from "./sqlite-driver.js";
import { type RowStatement, rowStatement } from "./sqlite-row-writer.js";
import { type Converter, converterOf, declaredType } from "./sqlite-values.js";

/** Where an app wants a table to go. */
export interface TableMapping {
  /** The app's table. Its key columns need a PRIMARY KEY or UNIQUE constraint over just them. */
  readonly table: string;
  /** Column of ours → column of the app's; null leaves it out; a column not named goes to its namesake. */
  readonly columns?: Readonly<Record<string, string | null>>;
}

export interface StoredColumn {
  /** The source's column; undefined for the ones an `events` table adds. */
  readonly column: Column | undefined;
  readonly physical: string;
  readonly declared: string;
}

/**
 * Who holds the rows of a `state` table. As long as one channel alone feeds it, that is said once for the
 * table (`sole`, a channel id); with a second one every row lists its channels (`each`).
 */
export type Holding = { readonly sole: number | undefined } | "each";

export interface SqliteTable {
  /** The newest version seen. */
  readonly schema: TableSchema;
  readonly physical: string;
  readonly mapped: boolean;
  readonly columns: readonly StoredColumn[];
  /** The key columns as they are named in SQLite. */
  readonly key: readonly StoredColumn[];
  readonly holding: Holding;
  readonly sql: TableSql;
}

export interface TableSql {
  readonly upsert: RowStatement;
  /** Only where no other channel holds newer content; the last value is the channel id of the rows' own. */
  readonly upsertUnlessOlder: RowStatement;
  /** False where a row is nothing but its key: then the one above takes no channel id. */
  readonly updates: boolean;
  readonly deleteRow: string;
  /** Deletes the row unless a channel still holds it. */
  readonly deleteUnheld: string;
  readonly putMember: RowStatement;
  /** Values: key, channel id, log, index. */
  readonly dropMember: string;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function membersTable(schemaTable: string): string {
  return quoted(`changecast_members_${schemaTable}`);
}

/** `key` and `columns` are in SQLite's names; the caller has checked that they exist or will make them. */
export function sqliteTable(
  schema: TableSchema,
  place: { readonly physical: string; readonly mapped: boolean; readonly holding: Holding },
  columns: readonly StoredColumn[],
): SqliteTable {
  const key =
    schema.kind === "events"
      ? columns.slice(0, 2)
      : schema.key
          .map((name) => columns.find(({ column }) => column?.name === name))
          .filter(isThere);
  const { physical, mapped, holding } = place;
  return {
    schema,
    physical,
    mapped,
    holding,
    columns,
    key,
    sql: tableSql(schema, physical, columns, key),
  };
}

/** The columns of a table that the store makes itself. */
export function ownColumns(schema: TableSchema): StoredColumn[] {
  const columns = schema.columns.map((column) => ({
    column,
    physical: column.name,
    declared: declaredType(column.type),
  }));
  return schema.kind === "state" ? columns : [...eventColumns(schema), ...columns];
}

/** `channel`, `serial`, `op`; with a prefix where the rule puts out a column of that name. */
export function eventColumns(schema: TableSchema): StoredColumn[] {
  const taken = new Set(schema.columns.map(({ name }) => name.toLowerCase()));
  const named = (name: string): string => (taken.has(name) ? `changecast_${name}` : name);
  return [
    { column: undefined, physical: named("channel"), declared: "TEXT" },
    { column: undefined, physical: named("serial"), declared: "INTEGER" },
    { column: undefined, physical: named("op"), declared: "TEXT" },
  ];
}

/** How entries of one schema version become values for the table as it is now. */
export interface RowPlan {
  /** Appends the row's values in the table's column order; what the version does not know is NULL. */
  row(entry: WireEntry, to: SqliteValue[]): void;
  /** Whether puts, or drops, of the version tell the key that the table has now. */
  tells(put: boolean): boolean;
  /** The key of a put, or of a drop, that tells it. */
  key(entry: WireEntry, put: boolean): SqliteValue[];
}

export function rowPlan(table: SqliteTable, schema: TableSchema): RowPlan {
  const stored = table.columns.filter(({ column }) => column !== undefined);
  const at = stored.map(({ column }) =>
    schema.columns.findIndex(({ name }) => name === column?.name),
  );
  const convert = at.map((index) => {
    const column = schema.columns[index];
    return column === undefined ? toNull : converterOf(column);
  });
  const positions = at.map((index) => VALUES_AT + index);
  const keyNames = table.schema.key;
  const putAt = keyPositions(schema, keyNames, true);
  const dropAt = keyPositions(schema, keyNames, false);
  const keyConvert = keyNames.map((name) => {
    const column = schema.columns.find((one) => one.name === name);
    return column === undefined ? toNull : converterOf(column);
  });
  return {
    row: (entry, to) => {
      for (let index = 0; index < convert.length; index += 1) {
        to.push((convert[index] ?? toNull)(entry[positions[index] ?? 0]));
      }
    },
    tells: (put) => (put ? putAt : dropAt) !== undefined,
    key: (entry, put) => {
      const where = (put ? putAt : dropAt) ?? [];
      return where.map((position, index) => (keyConvert[index] ?? toNull)(entry[position]));
    },
  };
}

const toNull: Converter = () => null;

function tableSql(
  schema: TableSchema,
  physical: string,
  columns: readonly StoredColumn[],
  key: readonly StoredColumn[],
): TableSql {
  const table = quoted(physical);
  const members = membersTable(schema.table);
  const keys = key.map((column) => quoted(column.physical));
  const keyed = keys.map((name) => `${name}=?`).join(" AND ");
  const held = keys.map((name, index) => `m.k${index}=${table}.${name}`).join(" AND ");
  const unlessOlder = `
        WHERE NOT EXISTS (SELECT 1 FROM ${members} AS m
        WHERE ${excluded(keys, "m")} AND (m.log, m.idx) > (SELECT own.log, own.idx FROM ${members} AS own
        WHERE ${excluded(keys, "own")} AND own.channel=?))`;
  const names = columns.map((column) => quoted(column.physical));
  const rest = names.filter((name) => !keys.includes(name));
  const set = rest.map((name) => `${name}=excluded.${name}`).join(", ");
  const upsert = (condition: string): RowStatement => {
    const then = rest.length === 0 ? "NOTHING" : `UPDATE SET ${set}${condition}`;
    return rowStatement(
      columns.length,
      (places) =>
        `INSERT INTO ${table} (${names.join(", ")}) VALUES ${places} ON CONFLICT (${keys.join(", ")}) DO ${then}`,
    );
  };
  const memberKeys = keys.map((_, index) => `k${index}`).join(", ");
  // A table of nothing but its key is never updated: no condition, and no value for one.
  const condition = rest.length === 0 ? "" : unlessOlder;
  return {
    upsert: upsert(""),
    upsertUnlessOlder: upsert(condition),
    updates: rest.length > 0,
    deleteRow: `DELETE FROM ${table} WHERE ${keyed}`,
    deleteUnheld: `DELETE FROM ${table} WHERE ${keyed} AND NOT EXISTS (SELECT 1 FROM ${members} AS m WHERE ${held})`,
    putMember: rowStatement(
      keys.length + 3,
      (places) => `INSERT INTO ${members} (${memberKeys}, channel, log, idx)
        VALUES ${places}
        ON CONFLICT (${memberKeys}, channel)
        DO UPDATE SET log=excluded.log, idx=excluded.idx`,
    ),
    dropMember: `DELETE FROM ${members}
        WHERE ${keys.map((_, index) => `k${index}=?`).join(" AND ")} AND channel=? AND (log, idx) <= (?, ?)`,
  };
}

function excluded(keys: readonly string[], alias: string): string {
  return keys.map((name, index) => `${alias}.k${index}=excluded.${name}`).join(" AND ");
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}
