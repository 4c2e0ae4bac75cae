/** What a client's table looks like: the shape of the documents that a rule puts out. */

export type ChannelKind = "state" | "events";

/**
 * How a value travels (JSON natural where nothing is lost) and how a store can keep it:
 *
 * | type | JSON form |
 * |---|---|
 * | bool | true, false |
 * | int | number, within ±2^53 by its type (smallint, integer, oid) |
 * | int64 | number within ±(2^53 − 1), otherwise a decimal string |
 * | float | number; "NaN", "Infinity", "-Infinity", "-0" as strings |
 * | decimal | decimal string as the source prints it; "NaN", "Infinity", "-Infinity" |
 * | text, uuid | string |
 * | bytes | base64 string |
 * | json | string that holds the JSON text, byte for byte as the source prints it |
 * | date, time, timetz, timestamp, timestamptz, interval | ISO 8601 string with microseconds as the source has them; "infinity", "-infinity"; years before 1 as "-YYYY" (astronomical, ISO 8601) |
 * | array | JSON array of the items' forms, nested for more dimensions; {"lower":[…],"items":[…]} where a lower bound is not 1 |
 * | other | string: the source's own text |
 * | any | of sources without types of columns, never of a client's column: any JSON text, see any-form.ts |
 */
export type ValueType =
  | "bool"
  | "int"
  | "int64"
  | "float"
  | "decimal"
  | "text"
  | "uuid"
  | "bytes"
  | "json"
  | "date"
  | "time"
  | "timetz"
  | "timestamp"
  | "timestamptz"
  | "interval"
  | "array"
  | "other"
  | "any";

export interface Column {
  readonly name: string;
  readonly type: ValueType;
  /** Type of an array's items. */
  readonly of?: ValueType;
  /** The source's own name of the type, for people. */
  readonly native?: string;
}

/** A table as clients see it. A change of columns or key makes a new version; versions are kept for ever. */
export interface TableSchema {
  /** The client's table: the rule's `as`. */
  readonly table: string;
  /** 1, 2, 3 … per table. */
  readonly version: number;
  readonly kind: ChannelKind;
  readonly columns: readonly Column[];
  /** Names of the key columns, in key order; empty for `events` without a key. */
  readonly key: readonly string[];
}
