/**
 * The shop's traffic: one random transaction after the other, from a seed. It keeps in mind which rows
 * exist, so that every transaction changes something, and covers what a sync must survive: moves between
 * stores, key changes, large values that later updates leave alone, and transactions over several tables.
 */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { SeededRandom } from "./random.js";
import { customers, ORDERS_AT_FIRST, productNames, PRODUCTS_AT_FIRST, STORES } from "./shop.js";
import type { ShopTraffic } from "./shop-side.js";

type Kind =
  | "sell"
  | "reprice"
  | "describe"
  | "move"
  | "rekey"
  | "archive"
  | "add"
  | "drop"
  | "order"
  | "ship"
  | "cancel";

/** How often each kind comes, of 100. */
const weights: readonly (readonly [Kind, number])[] = [
  ["sell", 34],
  ["reprice", 10],
  ["describe", 6],
  ["move", 8],
  ["rekey", 3],
  ["archive", 5],
  ["add", 10],
  ["drop", 6],
  ["order", 10],
  ["ship", 5],
  ["cancel", 3],
];

const orderKinds: readonly Kind[] = ["order", "ship", "cancel"];

export class ShopWriter implements ShopTraffic {
  /** What of it is written: products are elsewhere where it is only the orders. */
  readonly #kinds: readonly (readonly [Kind, number])[];
  readonly #client: pg.Client;
  readonly #random: SeededRandom;
  readonly #products: number[] = [];
  readonly #orders: number[] = [];
  #nextProduct: number = PRODUCTS_AT_FIRST + 1;
  #nextOrder: number = ORDERS_AT_FIRST + 1;
  /** Transactions done, by kind. */
  readonly done = new Map<Kind, number>();
  /** Rows inserted, updated and deleted. */
  changes = 0;

  constructor(client: pg.Client, seed: number, holds: "shop" | "orders") {
    this.#kinds = weights.filter(([kind]) => holds === "shop" || orderKinds.includes(kind));
    this.#client = client;
    this.#random = new SeededRandom(seed);
    for (let id = 1; id <= PRODUCTS_AT_FIRST; id += 1) this.#products.push(id);
    for (let id = 1; id <= ORDERS_AT_FIRST; id += 1) this.#orders.push(id);
  }

  async step(): Promise<void> {
    const kind = this.#draw();
    await this.#perform(kind);
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  #draw(): Kind {
    let left = this.#random.below(this.#kinds.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight] of this.#kinds) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "order";
  }

  async #perform(kind: Kind): Promise<void> {
    const id = this.#random.pick(this.#products) ?? 0;
    switch (kind) {
      case "sell":
        return this.#update("quantity = greatest(0, quantity - 1)", id);
      case "reprice":
        return this.#update(
          "price = round(price * 1.01, 2), attributes = attributes || '{\"sale\": true}'",
          id,
        );
      case "describe":
        // Does not compress, so it is stored out of line: later updates do not carry it.
        return this.#update("description = $2", id, randomBytes(3_000).toString("base64"));
      case "move":
        return this.#update(
          "store_id = 1 + (store_id + $2) % $3",
          id,
          this.#random.below(STORES.length - 1),
          STORES.length,
        );
      case "archive":
        return this.#update("archived = not archived", id);
      case "rekey":
        return this.#rekey(id);
      case "add":
        return this.#add();
      case "drop":
        this.#forget(this.#products, id);
        return this.#run("delete from public.products where id = $1", id);
      case "order":
        return this.#order();
      case "ship":
        return this.#run(
          "update public.orders set status = 'shipped' where id = $1",
          this.#random.pick(this.#orders) ?? 0,
        );
      case "cancel":
        return this.#cancel();
    }
  }

  async #update(set: string, id: number, ...values: unknown[]): Promise<void> {
    await this.#run(
      `update public.products set ${set}, updated_at = clock_timestamp() where id = $1`,
      id,
      ...values,
    );
  }

  async #rekey(id: number): Promise<void> {
    const next = this.#nextProduct++;
    this.#forget(this.#products, id);
    this.#products.push(next);
    await this.#update("id = $2", id, next);
  }

  async #add(): Promise<void> {
    const id = this.#nextProduct++;
    this.#products.push(id);
    await this.#run(
      `insert into public.products (id, store_id, name, price, quantity)
       values ($1, $2, $3, $4, $5)`,
      id,
      1 + this.#random.below(STORES.length),
      `${this.#random.pick(productNames) ?? ""} ${String(id)}`,
      (1 + this.#random.below(9_900) / 100).toFixed(2),
      this.#random.below(50),
    );
  }

  /** One transaction over three tables: the order, its lines, and the stock they take. */
  async #order(): Promise<void> {
    const id = this.#nextOrder++;
    const store = 1 + this.#random.below(STORES.length);
    const lines = 1 + this.#random.below(4);
    this.#orders.push(id);
    await this.#run("begin");
    await this.#run(
      "insert into public.orders (id, store_id, customer) values ($1, $2, $3)",
      id,
      store,
      this.#random.pick(customers),
    );
    for (let line = 1; line <= lines; line += 1) {
      const product = this.#random.pick(this.#products) ?? 0;
      await this.#run(
        `insert into public.order_items (order_id, line, store_id, product_id, quantity, price)
         values ($1, $2, $3, $4, 1, 9.99)`,
        id,
        line,
        store,
        product,
      );
      await this.#update("quantity = greatest(0, quantity - 1)", product);
    }
    await this.#run("commit");
  }

  async #cancel(): Promise<void> {
    const id = this.#random.pick(this.#orders) ?? 0;
    this.#forget(this.#orders, id);
    await this.#run("begin");
    await this.#run("delete from public.order_items where order_id = $1", id);
    await this.#run("delete from public.orders where id = $1", id);
    await this.#run("commit");
  }

  #forget(list: number[], id: number): void {
    const at = list.indexOf(id);
    if (at < 0) return;
    const last = list.pop();
    if (at < list.length && last !== undefined) list[at] = last;
  }

  async #run(sql: string, ...values: unknown[]): Promise<void> {
    const { command, rowCount } = await this.#client.query(sql, values);
    if (["INSERT", "UPDATE", "DELETE"].includes(command)) this.changes += rowCount ?? 0;
  }
}
