/** What a client's file must hold of the shop on Postgres by config/demo.yaml, written apart from the rules. */
import type pg from "pg";
import { compareHistory, compareRows, numbersOf, openFile } from "./compare.js";
import type { Compared } from "./compare.js";

/** By the client's table; $1 is the list of stores whose channels the client follows. */
const queries: Readonly<Record<string, string>> = {
  stores: "select id, name, city from public.stores where $1::int[] is not null",
  products: `select id, store_id, name, quantity, price, updated_at,
    (round(price * 100) * quantity)::bigint as stock_cents
    from public.products where not archived and store_id = any($1)`,
  orders: `select id, store_id, customer, status, created_at as placed_at
    from public.orders where store_id = any($1)`,
  order_items: `select order_id, line, store_id, product_id, quantity, price
    from public.order_items where store_id = any($1)`,
};

const orderTables = ["orders", "order_items"];

export interface ComparedFile {
  readonly file: string;
  readonly channels: readonly string[];
  readonly holds: "shop" | "orders";
}

/** Nobody may be writing. */
export async function comparePostgres(
  client: pg.Client,
  { file, channels, holds }: ComparedFile,
): Promise<readonly Compared[]> {
  const database = openFile(file);
  try {
    const compared: Compared[] = [];
    const stores = numbersOf(channels, "store");
    for (const [table, query] of Object.entries(queries)) {
      if (holds === "orders" && !orderTables.includes(table)) continue;
      const { rows, fields } = await client.query<Record<string, unknown>>({
        text: query,
        values: [stores],
        // As the server prints them: nothing is read into a JavaScript type on the way.
        types: { getTypeParser: () => (text: string | Buffer) => text.toString() },
      });
      const names = fields.map(({ name }) => name);
      compared.push(compareRows(database, { table, names, rows }));
    }
    if (holds === "orders") return compared;
    for (const store of numbersOf(channels, "stock")) {
      const { rows } = await client.query<{ id: string; quantity: number }>(
        "select id::text as id, quantity from public.products where store_id = $1",
        [store],
      );
      const now = new Map(rows.map(({ id, quantity }) => [id, quantity]));
      compared.push(compareHistory(database, store, now));
    }
    return compared;
  } finally {
    database.close();
  }
}
