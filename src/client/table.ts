/**
 * Reading rows of a store without SQL: `table(store, "products").where({ shop: 7 }).orderBy("name").limit(20)`.
 * A query is a plain value; `rows()` answers once, `live()` again whenever the table changes.
 */
import {
  compareRows,
  type Condition,
  type Conditions,
  holds,
  type RowQuery,
} from "./row-conditions.js";
import type { GrowingDatabase } from "./stores/indexeddb-database.js";
import { findRows, type FoundRows } from "./stores/indexeddb-reader.js";
import type { NaturalRow } from "./stores/natural-rows.js";
import type { StoreChanges } from "./stores/store.js";

interface Watchable {
  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void;
}

/** A store that queries can read: of IndexedDB, in memory, or that of a tab which follows another. */
export type Readable = Watchable &
  ({ readonly database: GrowingDatabase } | { rows(table: string): readonly NaturalRow[] });

/** All rows of a table; one that never came has none. */
export function table<Row extends object = NaturalRow>(store: Readable, name: string): Query<Row> {
  return new Query(store, { table: name, where: {}, order: [], limit: undefined }, []);
}

export class Query<Row extends object> {
  readonly #store: Readable;
  readonly #query: RowQuery;
  readonly #filters: readonly ((row: Row) => boolean)[];

  constructor(store: Readable, query: RowQuery, filters: readonly ((row: Row) => boolean)[]) {
    this.#store = store;
    this.#query = query;
    this.#filters = filters;
  }

  /** Rows for which all conditions hold. A later condition on the same column replaces the earlier one. */
  where(conditions: Conditions<Row>): Query<Row> {
    return this.#with({
      where: { ...this.#query.where, ...(conditions as Record<string, Condition>) },
    });
  }

  /** Rows for which the app says so: looked at one by one, after the conditions. */
  filter(keep: (row: Row) => boolean): Query<Row> {
    return new Query(this.#store, this.#query, [...this.#filters, keep]);
  }

  /** By this column, then by those named after it. */
  orderBy(column: keyof Row & string, direction: "asc" | "desc" = "asc"): Query<Row> {
    const order = { column, descending: direction === "desc" };
    return this.#with({ order: [...this.#query.order, order] });
  }

  /** The first `count` rows. */
  limit(count: number): Query<Row> {
    return this.#with({ limit: count });
  }

  async rows(): Promise<readonly Row[]> {
    const { where, order, limit } = this.#query;
    const asked = this.#filters.length === 0 ? this.#query : { ...this.#query, limit: undefined };
    const { rows, isSorted } = await find(this.#store, asked);
    const conditions = Object.entries(where);
    const found = rows.filter((row) =>
      conditions.every(([column, condition]) => holds(row[column], condition)),
    ) as readonly object[] as Row[];
    const kept = found.filter((row) => this.#filters.every((keep) => keep(row)));
    if (!isSorted && order.length > 0) kept.sort((a, b) => compareRows(a, b, order));
    return limit === undefined ? kept : kept.slice(0, limit);
  }

  /**
   * Tells the rows now, and again after a transaction that makes them other rows; several changes during one
   * read become one. Returns the way to stop it.
   */
  live(listener: (rows: readonly Row[]) => void, failed?: (error: unknown) => void): () => void {
    const end = new AbortController();
    let isReading = false;
    let isDue = false;
    let told: readonly Row[] | undefined;
    const read = (): void => {
      if (isReading) isDue = true;
      if (isReading || end.signal.aborted) return;
      isReading = true;
      const ended = (tell: () => void): void => {
        isReading = false;
        const isAgain = isDue;
        isDue = false;
        if (end.signal.aborted) return;
        tell();
        if (isAgain) read();
      };
      this.rows().then(
        (rows) => {
          ended(() => {
            if (told !== undefined && isSame(told, rows)) return;
            told = rows;
            listener(rows);
          });
        },
        (error: unknown) => {
          ended(() => {
            told = undefined;
            failed?.(error);
          });
        },
      );
    };
    const stopWatching = this.#store.watch(this.#query.table, read);
    read();
    return () => {
      end.abort();
      stopWatching();
    };
  }

  #with(change: Partial<RowQuery>): Query<Row> {
    return new Query(this.#store, { ...this.#query, ...change }, this.#filters);
  }
}

/** Candidates: at least the rows that match, perhaps in the order asked for. */
async function find(store: Readable, query: RowQuery): Promise<FoundRows> {
  if ("database" in store) return findRows(store.database, query);
  return { rows: store.rows(query.table), isSorted: false };
}

/** Of rows, and of what a row holds (natural-values.ts). Other columns or another order of them are another row. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [before, after] = [Object.entries(a), Object.entries(b)];
  return (
    before.length === after.length &&
    before.every(([name, value], at) => name === after[at]?.[0] && isSame(value, after[at][1]))
  );
}
