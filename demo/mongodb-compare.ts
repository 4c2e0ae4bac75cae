/** What a client's file must hold of the shop on MongoDB by config/mongodb.yaml, written apart from the rules. */
import type { Db, Document } from "mongodb";
import { compareHistory, compareRows, numbersOf, openFile } from "./compare.js";
import type { Compared } from "./compare.js";

type Row = Readonly<Record<string, unknown>>;

/** Nobody may be writing. */
export async function compareMongodb(
  db: Db,
  file: string,
  channels: readonly string[],
): Promise<readonly Compared[]> {
  const database = openFile(file);
  try {
    const stores = numbersOf(channels, "store");
    const products = await db.collection("products").find().toArray();
    const shown = products.filter(
      (product) => product["archived"] === false && stores.includes(Number(product["store_id"])),
    );
    const compared = [
      compareRows(database, {
        table: "stores",
        rows: (await db.collection("stores").find().toArray()).map(storeRow),
        names: ["id", "name", "city"],
      }),
      compareRows(database, {
        table: "products",
        rows: shown.map(productRow),
        names: [
          ...["id", "store_id", "name", "quantity", "price", "height", "updated_at"],
          ...["stock_cents"],
        ],
      }),
    ];
    for (const store of numbersOf(channels, "stock")) {
      const inStore = products.filter((product) => product["store_id"] === store);
      const now = inStore.map(({ _id, quantity }) => [String(_id), Number(quantity)] as const);
      compared.push(compareHistory(database, store, new Map(now)));
    }
    return compared;
  } finally {
    database.close();
  }
}

function storeRow({ _id, name, city }: Document): Row {
  return { id: _id as number, name: name as string, city: city as string };
}

function productRow(product: Document): Row {
  const { _id, store_id, name, quantity, price, size } = product;
  return {
    ...{ id: String(_id), store_id: store_id as number, name: name as string },
    ...{ quantity: quantity as number, price: String(price) },
    height: (size as { h: number } | undefined)?.h ?? null,
    updated_at: (product["updated_at"] as Date).toISOString(),
    stock_cents: Math.round(Number(String(price)) * 100) * Number(quantity),
  };
}
