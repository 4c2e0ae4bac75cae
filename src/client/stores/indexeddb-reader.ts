/**
 * Finds rows for queries (table.ts) by key or by an index where one serves. An index knows no rows whose
 * value IndexedDB has no key for (null, bigint, true and false): it is used only where a condition leaves
 * such rows out anyway.
 */
import type { TableSchema } from "../../model/table.js";
import { boundsOf, type Condition, type RowQuery } from "../row-conditions.js";
import { got, type GrowingDatabase, indexName, TABLES } from "./indexeddb-database.js";
import type { KeptTable } from "./indexeddb-write.js";
import type { NaturalRow } from "./natural-rows.js";

interface Plan {
  /** Undefined: the object store itself, by its key. */
  readonly index: string | undefined;
  readonly range: IDBKeyRange | undefined;
  /** What it gives stands in the order asked for, from the front or from the back. */
  readonly sorted: "forth" | "back" | undefined;
  /** All conditions are in the range. */
  readonly isExact: boolean;
}

export interface FoundRows {
  readonly rows: readonly NaturalRow[];
  /** They stand in the order asked for. */
  readonly isSorted: boolean;
}

export async function findRows(database: GrowingDatabase, query: RowQuery): Promise<FoundRows> {
  const names = await database.names();
  if (!names.includes(query.table)) return { rows: [], isSorted: true };
  return database.transact([query.table, TABLES], "readonly", async (transaction) => {
    const kept = (await got(transaction.objectStore(TABLES).get(query.table))) as
      KeptTable | undefined;
    if (kept === undefined) return { rows: [], isSorted: true };
    const store = transaction.objectStore(query.table);
    const plan = planOf(query, kept.schema, [...store.indexNames]);
    const from = plan.index === undefined ? store : store.index(plan.index);
    const mayStop = plan.isExact && (plan.sorted !== undefined || query.order.length === 0);
    const limit = mayStop ? query.limit : undefined;
    const rows =
      plan.sorted === "back"
        ? await backwards(from, plan.range, limit)
        : ((await got(from.getAll(plan.range, limit))) as NaturalRow[]);
    return { rows, isSorted: plan.sorted !== undefined };
  });
}

/** The first that serves: the key, whole; else the index that leaves the least, or the whole table. */
function planOf(query: RowQuery, schema: TableSchema, indexes: readonly string[]): Plan {
  const lists = indexes.map((name) => ({ name, columns: name.split(",") }));
  if (schema.kind === "state") lists.unshift({ name: "", columns: [...schema.key] });
  let best: (Plan & { readonly used: number }) | undefined;
  for (const { name, columns } of lists) {
    if (name !== "" && indexName(columns) !== name) continue;
    const served = serve(query, schema, { columns, isPrimary: name === "" });
    if (served === undefined || (best !== undefined && best.used >= served.used)) continue;
    best = { ...served, index: name === "" ? undefined : name };
  }
  if (best !== undefined) return best;
  const isExact = Object.keys(query.where).length === 0;
  return { index: undefined, range: undefined, sorted: undefined, isExact };
}

/** How a list of columns serves: equal values first, then one range. */
function serve(
  query: RowQuery,
  schema: TableSchema,
  { columns, isPrimary }: { readonly columns: readonly string[]; readonly isPrimary: boolean },
): (Omit<Plan, "index"> & { readonly used: number }) | undefined {
  const equal: IDBValidKey[] = [];
  for (const column of columns) {
    const value = equalKey(query.where[column], schema, column);
    if (value === undefined) break;
    equal.push(value);
  }
  const next = columns[equal.length];
  const bounds = next === undefined ? undefined : rangeOf(query.where[next], schema, next);
  const used = equal.length + (bounds === undefined ? 0 : 1);
  // A row that lacks a value of any column is not in an index at all; every row has a key.
  if (used === 0 || (!isPrimary && used < columns.length)) return undefined;
  return {
    used,
    range: keyRange(equal, bounds, columns.length),
    isExact: used === Object.keys(query.where).length,
    sorted: sortedBy(query, bounds === undefined ? undefined : next),
  };
}

/** A range column's order is the index's order, when nothing else was asked for. */
function sortedBy(query: RowQuery, ranged: string | undefined): Plan["sorted"] {
  const [first, ...others] = query.order;
  if (first === undefined || others.length > 0 || first.column !== ranged) return undefined;
  return first.descending ? "back" : "forth";
}

type Bounds = Exclude<ReturnType<typeof boundsOf>, undefined>;

function equalKey(
  condition: Condition | undefined,
  schema: TableSchema,
  column: string,
): IDBValidKey | undefined {
  if (condition === undefined || boundsOf(condition) !== undefined) return undefined;
  return isKey(condition, schema, column) ? condition : undefined;
}

/** 64-bit integers beyond 2^53 are in no index, so a range of them would miss rows. */
function rangeOf(
  condition: Condition | undefined,
  schema: TableSchema,
  column: string,
): Bounds | undefined {
  const bounds = condition === undefined ? undefined : boundsOf(condition);
  if (bounds === undefined || bounds.in !== undefined) return undefined;
  if (schema.columns.find(({ name }) => name === column)?.type === "int64") return undefined;
  const low = [bounds.gt, bounds.gte].filter((one) => one !== undefined);
  const high = [bounds.lt, bounds.lte].filter((one) => one !== undefined);
  const values = [...low, ...high];
  if (low.length > 1 || high.length > 1 || values.length === 0) return undefined;
  const isOneType = new Set(values.map((value) => typeof value)).size === 1;
  if (!isOneType || !values.every((value) => isKey(value, schema, column))) return undefined;
  // A range that holds nothing is none to IndexedDB.
  return values.length === 2 && (low[0] as string) >= (high[0] as string) ? undefined : bounds;
}

function isKey(value: unknown, schema: TableSchema, column: string): value is string | number {
  if (typeof value === "string") return !isKeyText(schema, column);
  return typeof value === "number" && !Number.isNaN(value);
}

/** A key holds the value's JSON form, which for these is not what the row holds. */
function isKeyText(schema: TableSchema, column: string): boolean {
  const type = schema.columns.find(({ name }) => name === column)?.type;
  return type === "bytes" || type === "array";
}

function keyRange(
  equal: readonly IDBValidKey[],
  bounds: Bounds | undefined,
  width: number,
): IDBKeyRange {
  if (width === 1 && bounds === undefined) return IDBKeyRange.only(equal[0]);
  const at = (value: unknown): IDBValidKey =>
    width === 1 ? (value as IDBValidKey) : [...equal, value as IDBValidKey];
  const low = bounds?.gt ?? bounds?.gte;
  const high = bounds?.lt ?? bounds?.lte;
  const isLowOpen = bounds?.gt !== undefined;
  const isHighOpen = bounds?.lt !== undefined;
  if (width === 1) {
    if (low === undefined) return IDBKeyRange.upperBound(at(high), isHighOpen);
    if (high === undefined) return IDBKeyRange.lowerBound(at(low), isLowOpen);
    return IDBKeyRange.bound(at(low), at(high), isLowOpen, isHighOpen);
  }
  // An array sorts behind every number and text, and a shorter array before the longer ones it begins.
  const from = low === undefined ? [...equal] : isLowOpen ? [...equal, low, []] : [...equal, low];
  const to =
    high === undefined ? [...equal, []] : isHighOpen ? [...equal, high] : [...equal, high, []];
  return IDBKeyRange.bound(from, to, false, isHighOpen);
}

async function backwards(
  from: IDBObjectStore | IDBIndex,
  range: IDBKeyRange | undefined,
  limit: number | undefined,
): Promise<NaturalRow[]> {
  if (limit === undefined) {
    const rows = (await got(from.getAll(range))) as NaturalRow[];
    return rows.reverse();
  }
  return new Promise((resolve, reject) => {
    const rows: NaturalRow[] = [];
    const request = from.openCursor(range, "prev");
    request.onerror = () => {
      reject(request.error ?? new Error("reading rows failed"));
    };
    request.onsuccess = () => {
      const place = request.result;
      if (place === null || rows.length >= limit) {
        resolve(rows);
        return;
      }
      rows.push(place.value as NaturalRow);
      place.continue();
    };
  });
}
