/** A query as plain data, so that it can travel into a page. */
import type { Condition, Order } from "../../src/client/row-conditions.js";
import type { NaturalRow } from "../../src/client/stores/natural-rows.js";
import { type Query, type Readable, table } from "../../src/client/table.js";

export interface AskedQuery {
  readonly table: string;
  readonly where: Readonly<Record<string, Condition>>;
  readonly order: readonly Order[];
  readonly limit: number | undefined;
}

export function askedOf(store: Readable, asked: AskedQuery): Query<NaturalRow> {
  let query = table(store, asked.table).where(asked.where);
  for (const { column, descending } of asked.order) {
    query = query.orderBy(column, descending ? "desc" : "asc");
  }
  return asked.limit === undefined ? query : query.limit(asked.limit);
}
