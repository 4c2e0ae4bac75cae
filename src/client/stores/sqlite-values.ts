/**
 * How each value type lies in SQLite. Nothing is lost but what SQLite cannot hold: it keeps −0 as 0.
 *
 * | type | declared | kept as |
 * |---|---|---|
 * | bool | INTEGER | 1, 0 |
 * | int, int64 | INTEGER | integer, exact over all 64 bits |
 * | float | REAL | real; 'NaN', 'Infinity', '-Infinity' as TEXT |
 * | decimal | TEXT | as the source prints it |
 * | bytes | BLOB | the bytes |
 * | json | TEXT | the source's own JSON text |
 * | array | TEXT | JSON |
 * | date, time, timetz, timestamp, timestamptz, interval | TEXT | ISO 8601, so that text order is time order within a type (infinities and years before 1 aside) |
 * | text, uuid, other | TEXT | as it is |
 */
import { AppError } from "../../base/errors.js";
import type { Column, ValueType } from "../../model/table.js";
import { bytesOf } from "./natural-values.js";
import type { SqliteValue } from "./sqlite-driver.js";

export type Affinity = "INTEGER" | "REAL" | "TEXT" | "BLOB" | "NUMERIC";

export function declaredType(type: ValueType): "INTEGER" | "REAL" | "TEXT" | "BLOB" {
  switch (type) {
    case "bool":
    case "int":
    case "int64":
      return "INTEGER";
    case "float":
      return "REAL";
    case "bytes":
      return "BLOB";
    default:
      return "TEXT";
  }
}

/** The affinity that SQLite gives a declared type (its documentation, "Determination Of Column Affinity"). */
export function affinityOf(declared: string): Affinity {
  const type = declared.toUpperCase();
  if (type.includes("INT")) return "INTEGER";
  if (/CHAR|CLOB|TEXT/.test(type)) return "TEXT";
  if (type === "" || type.includes("BLOB")) return "BLOB";
  return /REAL|FLOA|DOUB/.test(type) ? "REAL" : "NUMERIC";
}

/** Whether a column of this affinity keeps values of the type as they are. */
export function fits(type: ValueType, affinity: Affinity): boolean {
  switch (type) {
    case "bool":
    case "int":
    case "int64":
      return affinity === "INTEGER" || affinity === "NUMERIC";
    case "float":
      return affinity === "REAL" || affinity === "NUMERIC";
    case "bytes":
      return true;
    default:
      // NUMERIC, INTEGER and REAL would read '1.10' as 1.1.
      return affinity === "TEXT" || affinity === "BLOB";
  }
}

export type Converter = (value: unknown) => SqliteValue;

/** Throws CLIENT_FRAME_INVALID for what the type's JSON form does not allow. */
export function converterOf(column: Column): Converter {
  switch (column.type) {
    case "bool":
      return (value) => (value === true ? 1 : value === false ? 0 : scalar(column, value));
    case "float":
      return (value) =>
        typeof value === "number" && isAlmostWhole(value) ? String(value) : scalar(column, value);
    case "bytes":
      return (value) => (typeof value === "string" ? bytesOf(value) : scalar(column, value));
    case "array":
      return (value) =>
        typeof value === "object" && value !== null ? JSON.stringify(value) : scalar(column, value);
    default:
      return (value) =>
        typeof value === "string" || typeof value === "number" ? value : scalar(column, value);
  }
}

/**
 * @photostructure/sqlite 1.2.1 takes what lies within 2^-52 above a whole number for that number: 1e-20 becomes
 * 0. As text SQLite itself makes the right number of them, in a column of any affinity that fits.
 */
function isAlmostWhole(value: number): boolean {
  return !Number.isInteger(value) && Math.abs(value - Math.round(value)) < Number.EPSILON;
}

function scalar(column: Column, value: unknown): SqliteValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number") return value;
  throw new AppError(
    "CLIENT_FRAME_INVALID",
    `a value of column "${column.name}" should be of type ${column.type}, found ${typeof value}`,
  );
}
