/**
 * What a query asks of rows, and whether they match.
 *
 * Null is unlike everything but null, and stands last in every order. Values compare as JavaScript compares
 * values of one type (text by UTF-16 units, as IndexedDB does); values of different types never match.
 */
import type { NaturalRow } from "./stores/natural-rows.js";
import type { NaturalValue } from "./stores/natural-values.js";

/** A value: equal to it. Several conditions of one column hold together. */
export type Condition =
  | NaturalValue
  | {
      readonly gt?: NaturalValue;
      readonly gte?: NaturalValue;
      readonly lt?: NaturalValue;
      readonly lte?: NaturalValue;
      readonly in?: readonly NaturalValue[];
    };

export type Conditions<Row> = { readonly [Name in keyof Row]?: Condition };

export interface Order {
  readonly column: string;
  readonly descending: boolean;
}

/** What a store is asked: it may use indexes, and may give rows that do not match. */
export interface RowQuery {
  readonly table: string;
  readonly where: Readonly<Record<string, Condition>>;
  readonly order: readonly Order[];
  /** Set where the rows that match first in this order are enough. */
  readonly limit: number | undefined;
}

/** The bounds of a condition that is one; undefined for a plain value. */
export function boundsOf(condition: Condition): Exclude<Condition, NaturalValue> | undefined {
  if (typeof condition !== "object" || condition === null) return undefined;
  if (Array.isArray(condition) || condition instanceof Uint8Array) return undefined;
  // An array with other lower bounds is a value.
  return "lower" in condition ? undefined : (condition as Exclude<Condition, NaturalValue>);
}

/** Whether a row's value is one that the condition wants. */
export function holds(value: NaturalValue | undefined, condition: Condition): boolean {
  const found = value ?? null;
  const bounds = boundsOf(condition);
  if (bounds === undefined) return isSame(found, condition as NaturalValue);
  const { gt, gte, lt, lte, in: list } = bounds;
  return (
    (gt === undefined || compare(found, gt) > 0) &&
    (gte === undefined || compare(found, gte) >= 0) &&
    (lt === undefined || compare(found, lt) < 0) &&
    (lte === undefined || compare(found, lte) <= 0) &&
    (list === undefined || list.some((one) => isSame(found, one)))
  );
}

function isSame(a: NaturalValue, b: NaturalValue): boolean {
  if (typeof a !== "object" || a === null || b === null) return a === b;
  return text(a) === text(b);
}

function text(value: NaturalValue): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "bigint" ? `${item}n` : item instanceof Uint8Array ? [...item] : item,
  );
}

/** NaN where they cannot be compared, which no condition holds for. */
function compare(a: NaturalValue, b: NaturalValue): number {
  const isNumeric = isNumber(a) && isNumber(b);
  if (!isNumeric && (typeof a !== typeof b || a === null || typeof a === "object")) return NaN;
  if (a === b) return 0;
  return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : NaN;
}

function isNumber(value: NaturalValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

export function compareRows(a: object, b: object, order: readonly Order[]): number {
  for (const { column, descending } of order) {
    const left = (a as NaturalRow)[column] ?? null;
    const right = (b as NaturalRow)[column] ?? null;
    if (left === null || right === null) {
      if (left === right) continue;
      return left === null ? 1 : -1;
    }
    const found = compare(left, right);
    if (found !== 0 && !Number.isNaN(found)) return descending ? -found : found;
  }
  return 0;
}
