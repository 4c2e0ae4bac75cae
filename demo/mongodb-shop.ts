/**
 * The shop on MongoDB: stores, products, and the traffic of its staff, one random write after the other, from a seed:
 * quantities change, products move to other stores, are archived, described, deleted; some by pipelines, in bulk,
 * or together in a transaction.
 */
import { Decimal128, ObjectId } from "mongodb";
import type { ClientSession, Collection, Db, Document, MongoClient, UpdateFilter } from "mongodb";
import { SeededRandom } from "./random.js";
import { productNames, PRODUCTS_AT_FIRST, STORES } from "./shop.js";
import type { ShopTraffic } from "./shop-side.js";

type Kind =
  | "sell"
  | "transfer"
  | "reprice"
  | "describe"
  | "measure"
  | "tag"
  | "move"
  | "archive"
  | "add"
  | "drop"
  | "restock";

/** How often each kind comes, of 100. */
const weights: readonly (readonly [Kind, number])[] = [
  ["sell", 34],
  ["transfer", 8],
  ["reprice", 10],
  ["describe", 6],
  ["measure", 6],
  ["tag", 6],
  ["move", 8],
  ["archive", 5],
  ["add", 9],
  ["drop", 5],
  ["restock", 3],
];

const colours = ["red", "green", "blue"] as const;

export async function createMongodbShop(db: Db): Promise<void> {
  const stores = STORES.map((city, at) => ({ _id: at + 1, name: `${city} store`, city }));
  await db.collection<Document & { _id: number }>("stores").insertMany(stores);
  const products = Array.from({ length: PRODUCTS_AT_FIRST }, (_, at) => ({
    _id: new ObjectId(),
    ...{ store_id: 1 + (at % STORES.length), quantity: at % 50, archived: at % 23 === 0 },
    name: `${productNames[at % productNames.length] ?? ""} ${String(at + 1)}`,
    price: price(5 + ((at * 137) % 9_000) / 100),
    size: { h: at % 40, w: 12.5 },
    attributes: { colour: colours[at % colours.length], tags: [] },
    updated_at: new Date(),
  }));
  await db.collection("products").insertMany(products);
}

export class MongodbShopWriter implements ShopTraffic {
  readonly done = new Map<Kind, number>();
  changes = 0;
  readonly #client: MongoClient;
  readonly #products: Collection;
  readonly #random: SeededRandom;
  readonly #ids: ObjectId[];

  private constructor(client: MongoClient, db: Db, start: { seed: number; ids: ObjectId[] }) {
    this.#client = client;
    this.#products = db.collection("products");
    this.#random = new SeededRandom(start.seed);
    this.#ids = start.ids;
  }

  static async create(client: MongoClient, db: Db, seed: number): Promise<MongodbShopWriter> {
    const found = await db
      .collection("products")
      .find({}, { projection: { _id: 1 } })
      .toArray();
    return new MongodbShopWriter(client, db, { seed, ids: found.map(({ _id }) => _id) });
  }

  async step(): Promise<void> {
    const kind = this.#draw();
    await this.#perform(kind);
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  #draw(): Kind {
    let left = this.#random.below(100);
    for (const [kind, weight] of weights) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "sell";
  }

  #perform(kind: Kind): Promise<void> {
    const random = this.#random;
    switch (kind) {
      case "sell":
        return this.#update(this.#pick(), { $inc: { quantity: -1 } });
      case "transfer":
        return this.#transfer();
      case "reprice":
        return this.#update(this.#pick(), {
          $set: { price: price(1 + random.below(9_900) / 100) },
        });
      case "describe":
        return this.#update(this.#pick(), { $set: { description: "soft ".repeat(200) } });
      case "measure":
        return this.#update(this.#pick(), { $set: { "size.h": random.below(40) } });
      case "tag":
        return this.#update(this.#pick(), {
          $push: { "attributes.tags": { $each: [`t${String(random.below(9))}`], $slice: -3 } },
        } as Document);
      case "move":
        return this.#update(this.#pick(), { $set: { store_id: 1 + random.below(STORES.length) } });
      case "archive":
        return this.#archive();
      case "add":
        return this.#add();
      case "drop":
        return this.#drop();
      case "restock":
        return this.#restock();
    }
  }

  async #update(
    id: ObjectId,
    update: UpdateFilter<Document>,
    session?: ClientSession,
  ): Promise<void> {
    const now = { ...update, $currentDate: { updated_at: true } } as Document;
    const own = session === undefined ? {} : { session };
    await this.#products.updateOne({ _id: id }, now, own);
    this.changes += 1;
  }

  /** Two products in one transaction: nobody ever sees one without the other. */
  async #transfer(): Promise<void> {
    const [from, to] = [this.#pick(), this.#pick()];
    await this.#client.withSession((session) =>
      session.withTransaction(async () => {
        await this.#update(from, { $inc: { quantity: -1 } }, session);
        await this.#update(to, { $inc: { quantity: 1 } }, session);
      }),
    );
  }

  async #archive(): Promise<void> {
    const flip = { $set: { archived: { $not: "$archived" }, updated_at: "$$NOW" } };
    await this.#products.updateOne({ _id: this.#pick() }, [flip]);
    this.changes += 1;
  }

  async #add(): Promise<void> {
    const _id = new ObjectId();
    const random = this.#random;
    await this.#products.insertOne({
      ...{ _id, store_id: 1 + random.below(STORES.length), quantity: random.below(50) },
      name: `${random.pick(productNames) ?? ""} ${_id.toHexString().slice(-4)}`,
      ...{ price: price(1 + random.below(9_900) / 100), archived: false, updated_at: new Date() },
    });
    this.#ids.push(_id);
    this.changes += 1;
  }

  async #drop(): Promise<void> {
    const at = this.#random.below(this.#ids.length);
    const [id] = this.#ids.splice(at, 1);
    if (id === undefined) return;
    await this.#products.deleteOne({ _id: id });
    this.changes += 1;
  }

  /** Several writes in one request. */
  async #restock(): Promise<void> {
    const ids = [this.#pick(), this.#pick(), this.#pick()];
    const update = { $inc: { quantity: 10 }, $currentDate: { updated_at: true } } as Document;
    await this.#products.bulkWrite(ids.map((_id) => ({ updateOne: { filter: { _id }, update } })));
    this.changes += ids.length;
  }

  #pick(): ObjectId {
    return this.#random.pick(this.#ids) ?? new ObjectId();
  }
}

function price(amount: number): Decimal128 {
  return Decimal128.fromString(amount.toFixed(2));
}
