/** The shop's stores and products on MongoDB. */
import { MongoClient } from "mongodb";
import type { Db } from "mongodb";
import { type Child, firstWord } from "./children.js";
import type { Compared } from "./compare.js";
import type { DatabaseWord } from "./database.js";
import { compareMongodb } from "./mongodb-compare.js";
import { createMongodbShop, MongodbShopWriter } from "./mongodb-shop.js";
import type { ShopSide, ShopTraffic, SideContext } from "./shop-side.js";

const DATABASE = "shop";

export class MongodbSide implements ShopSide {
  readonly source: string;
  #title = "MongoDB";
  #url = "";
  readonly #context: SideContext;
  #server: Child | undefined;
  #client: MongoClient | undefined;

  constructor(source: string, context: SideContext) {
    this.source = source;
    this.#context = context;
  }

  get title(): string {
    return this.#title;
  }

  get env(): Readonly<Record<string, string>> {
    return { CHANGECAST_DEMO_MONGODB_URL: this.#url };
  }

  async start(): Promise<void> {
    const { server, word } = firstWord<DatabaseWord>("./mongodb.js", "mongodb", this.#context);
    this.#server = server;
    const answer = await word;
    if ("failed" in answer) throw new Error(answer.failed);
    this.#url = answer.url;
    this.#title = `MongoDB ${answer.version}`;
    this.#client = await new MongoClient(answer.url).connect();
    await createMongodbShop(this.#db);
  }

  traffic(seed: number): Promise<ShopTraffic> {
    if (this.#client === undefined) throw new Error("MongoDB is not started");
    return MongodbShopWriter.create(this.#client, this.#db, seed);
  }

  async position(): Promise<string> {
    const { operationTime } = await this.#db.command({ ping: 1 });
    const { t, i } = operationTime as { t: number; i: number };
    return `${String(t)},${String(i)}`;
  }

  async progress(): Promise<string> {
    return `newest operation ${await this.position()}`;
  }

  compare(file: string, channels: readonly string[]): Promise<readonly Compared[]> {
    return compareMongodb(this.#db, file, channels);
  }

  async stop(): Promise<void> {
    await this.#client?.close();
    await this.#server?.stop();
  }

  get #db(): Db {
    if (this.#client === undefined) throw new Error("MongoDB is not started");
    return this.#client.db(DATABASE);
  }
}
