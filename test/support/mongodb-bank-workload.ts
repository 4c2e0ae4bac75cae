/**
 * The bank of bank-workload.ts in MongoDB: random transactions over several collections, each of which keeps the sum
 * of all money, and single writes of every operator beside them. Every choice comes from the seed. A transaction
 * that finds its documents gone, or meets a write of the other writer, is given up and counts too.
 */
import { Decimal128, Double, Int32, Long } from "mongodb";
import type { AnyBulkWriteOperation, ClientSession, Db, Document, MongoClient } from "mongodb";
import { MONEY_TOTAL, REGIONS, SHELVES, TAGS } from "./bank-workload.js";
import type { SeededRandom } from "./seeded-random.js";

const ACCOUNTS_AT_FIRST = 40;
const ACCOUNT_IDS = 70;
const ITEM_IDS = 90;
const DOC_IDS = 40;
const LARGE_CHARS = 2_600;
const MANY_DOCS = 800;

export async function createMongodbBank(db: Db): Promise<void> {
  const accounts = Array.from({ length: ACCOUNTS_AT_FIRST }, (_, at) => ({
    ...{ _id: new Int32(at + 1), region: (at + 1) % REGIONS, balance: money(1_000) },
    ...(at % 4 === 0 ? { note: "n".repeat(at * 90) } : {}),
    extra: { n: at, log: [] },
  }));
  const half = MONEY_TOTAL / 2;
  const vaults = [half, half - ACCOUNTS_AT_FIRST * 1_000].map((balance, at) => {
    return { _id: at + 1, balance: money(balance), opened: new Date(at * 1_000) };
  });
  const items = Array.from({ length: 50 }, (_, at) => {
    const shelf = at % SHELVES;
    return item(at, shelf, { hidden: at % 5 === 0, weight: at / 3, body: "x".repeat(at) });
  });
  const docs = Array.from({ length: 20 }, (_, at) => {
    return { _id: at, title: `doc ${String(at)}`, tags: [TAGS[at % TAGS.length]], body: "y" };
  });
  const trail = [1, 2, 3, 4, 5].map((id) => ({ _id: id, account: id, amount: money(id) }));
  for (const [name, documents] of Object.entries({ accounts, vaults, items, docs, trail })) {
    await db.collection(name).insertMany(documents as Document[]);
  }
}

/** Gives the transaction up: its documents are gone. */
class NothingToDo extends Error {}

type Step = (writer: MongodbBankWriter) => Promise<void>;

export class MongodbBankWriter {
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #random: SeededRandom;
  #session: ClientSession | undefined;
  #nextTrail: number;
  committed = 0;
  rolledBack = 0;

  /** `number` tells the writers apart. */
  constructor(
    at: { readonly client: MongoClient; readonly db: Db },
    random: SeededRandom,
    number: number,
  ) {
    this.#client = at.client;
    this.#db = at.db;
    this.#random = random;
    this.#nextTrail = number * 1_000_000;
  }

  /** One transaction of one to four steps, or now and then one write without any. */
  async transaction(): Promise<void> {
    if (this.#random.below(4) === 0) {
      await this.#alone();
      return;
    }
    const steps = Array.from({ length: 1 + this.#random.below(4) }, () => this.#draw());
    await this.#client.withSession(async (session) => {
      this.#session = session;
      session.startTransaction({ writeConcern: { w: "majority" } });
      try {
        for (const step of steps) await step(this);
        if (this.#random.below(20) === 0) throw new NothingToDo();
        await session.commitTransaction();
        this.committed += 1;
      } catch (error) {
        this.rolledBack += 1;
        await session.abortTransaction().catch(() => undefined);
        if (!isPassing(error)) throw error;
      } finally {
        this.#session = undefined;
      }
    });
  }

  /** A transaction over 1 MB, which goes through in parts; the next write removes half of it. */
  async much(): Promise<void> {
    const first = 1_000 + this.#random.below(3) * 1_000;
    const ids = Array.from({ length: MANY_DOCS }, (_, at) => first + at);
    const writes = ids.map((_id): AnyBulkWriteOperation<Document> => {
      const tags = [TAGS[_id % 3]];
      const replacement = { title: "much", tags, body: "m".repeat(1_900) };
      return { replaceOne: { filter: { _id: _id as never }, replacement, upsert: true } };
    });
    await this.#client.withSession(async (session) => {
      this.#session = session;
      session.startTransaction({ writeConcern: { w: "majority" } });
      try {
        await this.must("vaults", { _id: 1 }, { $inc: { balance: money(-1_000) } });
        await this.#db.collection("docs").bulkWrite(writes, { session });
        await this.must("vaults", { _id: 2 }, { $inc: { balance: money(1_000) } });
        await session.commitTransaction();
        this.committed += 1;
      } catch (error) {
        await session.abortTransaction().catch(() => undefined);
        if (!isPassing(error)) throw error;
      } finally {
        this.#session = undefined;
      }
    });
    const half = { _id: { $gte: first, $mod: [2, 0] } } as Document;
    await this.#db.collection("docs").deleteMany(half);
  }

  /** An update that must find a document. */
  async must(name: string, filter: Document, update: Document, more: Document = {}): Promise<void> {
    const { matchedCount, upsertedCount } = await this.#db
      .collection(name)
      .updateOne(filter, update, { ...more, ...this.#own });
    if (matchedCount + upsertedCount === 0) throw new NothingToDo();
  }

  async find(name: string, filter: Document): Promise<Document> {
    const options = { ...this.#own, promoteValues: false, promoteLongs: false };
    const found = await this.#db.collection(name).findOne(filter, options);
    if (found === null) throw new NothingToDo();
    return found;
  }

  async insert(name: string, document: Document): Promise<void> {
    await this.#db.collection(name).insertOne(document, this.#own);
  }

  async replace(name: string, filter: Document, document: Document): Promise<void> {
    await this.#db.collection(name).replaceOne(filter, document, this.#own);
  }

  async remove(name: string, filter: Document): Promise<void> {
    const { deletedCount } = await this.#db.collection(name).deleteMany(filter, this.#own);
    if (deletedCount === 0) throw new NothingToDo();
  }

  async trail(account: unknown, amount: number): Promise<void> {
    this.#nextTrail += 1;
    await this.insert("trail", { _id: this.#nextTrail, account, amount: money(amount) });
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return this.#random.pick(items) ?? items[0];
  }

  account(): Document {
    return { _id: 1 + this.below(ACCOUNT_IDS) };
  }

  vault(): Document {
    return { _id: 1 + this.below(2) };
  }

  /** The same number in one of three types. */
  anyNumber(value: number): unknown {
    return this.pick<unknown>([new Int32(value), Long.fromNumber(value), new Double(value)]);
  }

  tags(): string[] {
    return TAGS.filter(() => this.below(3) === 0);
  }

  large(): string {
    return this.#random
      .next()
      .toString(36)
      .slice(2)
      .repeat(LARGE_CHARS / 10);
  }

  get #own(): { readonly session?: ClientSession } {
    return this.#session === undefined ? {} : { session: this.#session };
  }

  /** Writes that no transaction holds together; the driver sends them again where it must. */
  async #alone(): Promise<void> {
    const draw = this.below(10);
    try {
      if (draw === 0) await this.#emptyItems();
      else if (draw < 4) await this.#bulk();
      else await changeExtra(this);
      this.committed += 1;
    } catch (error) {
      this.rolledBack += 1;
      if (!isPassing(error)) throw error;
    }
  }

  /** The collection goes, or all that is in it. */
  async #emptyItems(): Promise<void> {
    const items = this.#db.collection("items");
    if (this.below(3) === 0) await items.drop();
    else await items.deleteMany({ shelf: this.below(SHELVES) });
  }

  async #bulk(): Promise<void> {
    const writes = Array.from({ length: 2 + this.below(6) }, () => this.#bulkWrite());
    await this.#db.collection("docs").bulkWrite(writes, { ordered: this.below(2) === 0 });
  }

  #bulkWrite(): AnyBulkWriteOperation<Document> {
    const filter = { _id: this.below(DOC_IDS) as never };
    const draw = this.below(5);
    if (draw === 0) return { deleteOne: { filter } };
    if (draw === 1) {
      const replacement = { title: "bulk", tags: this.tags(), body: this.large() };
      return { replaceOne: { filter, replacement, upsert: true } };
    }
    if (draw === 2) return { updateOne: { filter, update: { $addToSet: { tags: "red" } } } };
    const update =
      draw === 3 ? { $pull: { tags: "red" } } : { $set: { title: "b", body: "short" } };
    return { updateOne: { filter, update: update as Document } };
  }

  #draw(): Step {
    const steps: readonly Step[] = [
      ...[transferOut, transferOut, transferIn, transferBetween, transferBetween],
      ...[openAccount, closeAccount, moveAccount, rekeyAccount, annotate, touch],
      ...[changeExtra, changeExtra, replaceAccount],
      ...[addItem, addItem, moveItem, hideItem, dropItem],
      ...[addDoc, tagDoc, dropDoc, growDoc],
    ];
    return this.#random.pick(steps) ?? transferOut;
  }
}

export function money(amount: number): Decimal128 {
  return Decimal128.fromString(amount.toFixed(2));
}

function item(id: number, shelf: number, more: Document): Document {
  return { _id: { id, shelf }, id, shelf, ...more };
}

/**
 * Conflicts with the other writer, a path that the document does not have, a catalogue that changed meanwhile,
 * and a commit of which nobody knows whether it came through: the database tells in the end.
 */
const PASSING_CODES = new Set([112, 251, 246, 11_000, 2, 28, 14, 26, 20, 263, 28_724]);

function isPassing(error: unknown): boolean {
  if (error instanceof NothingToDo) return true;
  const { code, errorLabels = [] } = error as { code?: number; errorLabels?: readonly string[] };
  return (code !== undefined && PASSING_CODES.has(code)) || errorLabels.length > 0;
}

// ---------------------------------------------------------------- money

async function transferOut(w: MongodbBankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  const account = w.account();
  await w.must("accounts", account, { $inc: { balance: money(-amount) } });
  await w.must("vaults", w.vault(), { $inc: { balance: money(amount) } });
  await w.trail(account["_id"], -amount);
}

async function transferIn(w: MongodbBankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  const account = w.account();
  await w.must("vaults", w.vault(), { $inc: { balance: money(-amount) } });
  await w.must("accounts", account, { $inc: { balance: money(amount) } });
  await w.trail(account["_id"], amount);
}

async function transferBetween(w: MongodbBankWriter): Promise<void> {
  const amount = w.below(10_000) / 100;
  await w.must("accounts", w.account(), { $inc: { balance: money(-amount) } });
  await w.must("accounts", w.account(), { $inc: { balance: money(amount) } });
}

async function openAccount(w: MongodbBankWriter): Promise<void> {
  await w.must("vaults", w.vault(), { $inc: { balance: money(-250.5) } });
  await w.insert("accounts", {
    _id: w.anyNumber(1 + w.below(ACCOUNT_IDS)),
    ...{ region: w.anyNumber(w.below(REGIONS)), balance: money(250.5) },
    ...(w.below(3) === 0 ? { note: w.large() } : {}),
    ...(w.below(3) === 0 ? {} : { extra: { big: Long.MAX_VALUE, $odd: 1, "7": [], "3": null } }),
  });
}

async function closeAccount(w: MongodbBankWriter): Promise<void> {
  const account = await w.find("accounts", w.account());
  await w.remove("accounts", { _id: account["_id"] as unknown });
  await w.must("vaults", w.vault(), { $inc: { balance: account["balance"] as Decimal128 } });
}

async function moveAccount(w: MongodbBankWriter): Promise<void> {
  const region = w.anyNumber(w.below(REGIONS));
  await w.must("accounts", w.account(), { $set: { region } });
}

/** An `_id` never changes: the document goes and comes as another, perhaps with an equal number. */
async function rekeyAccount(w: MongodbBankWriter): Promise<void> {
  const account = await w.find("accounts", w.account());
  await w.remove("accounts", { _id: account["_id"] as unknown });
  const same = Number(account["_id"]);
  const _id = w.anyNumber(w.below(2) === 0 ? same : 1 + w.below(ACCOUNT_IDS));
  await w.insert("accounts", { ...account, _id });
}

async function annotate(w: MongodbBankWriter): Promise<void> {
  const updates = [
    { $set: { note: w.large() } },
    { $set: { note: null } },
    { $unset: { note: 1 } },
    { $rename: { note: "memo" } },
    { $rename: { memo: "note" } },
  ] as const;
  await w.must("accounts", w.account(), w.pick<Document>(updates));
}

/** Changes nothing, and is not told. */
async function touch(w: MongodbBankWriter): Promise<void> {
  await w.must("accounts", w.account(), [{ $set: { region: "$region" } }]);
}

async function replaceAccount(w: MongodbBankWriter): Promise<void> {
  const { _id, ...account } = await w.find("accounts", w.account());
  const extra = { replaced: true, log: [{ by: "r", at: new Date(w.below(2 ** 40)) }] };
  await w.replace("accounts", { _id: _id as unknown }, { ...account, extra });
}

/** Inside of documents and arrays, by every operator. */
async function changeExtra(w: MongodbBankWriter): Promise<void> {
  const by = w.pick(["a", "b", "c"]);
  const line = { by, at: new Date(w.below(2 ** 40)), of: [w.below(9), { x: w.below(9) }] };
  const updates: [Document, ...Document[]] = [
    { $set: { "extra.n": w.anyNumber(w.below(100)) } },
    { $inc: { "extra.hits": 1 } },
    { $push: { "extra.log": line } },
    { $push: { "extra.log": { $each: [line, line], $position: 0, $slice: 5 } } },
    { $pull: { "extra.log": { by } } },
    { $pop: { "extra.log": 1 } },
    { $set: { "extra.log.0.by": by } },
    { $set: { "extra.log.$[].of.1": { x: 1 } } },
    { $unset: { "extra.n": 1, "extra.w": 1 } },
    { $rename: { "extra.n": "extra.m" } },
    { $mul: { "extra.hits": 2 } },
    { $addToSet: { "extra.set": by } },
    { $set: { extra: { n: w.below(9), log: [line], "a.b": by } } },
    { $unset: { extra: 1 } },
  ];
  const draw = w.below(updates.length + 3);
  if (draw < updates.length) await w.must("accounts", w.account(), updates[draw] ?? updates[0]);
  else if (draw === updates.length) {
    const update = { $set: { "extra.log.$[e].by": "z" } };
    await w.must("accounts", w.account(), update, { arrayFilters: [{ "e.by": by }] });
  } else {
    const cut = { $slice: [{ $ifNull: ["$extra.log", []] }, 1] };
    const pipeline = [{ $set: { "extra.w": w.below(99), "extra.log": cut } }];
    await w.must("accounts", w.account(), draw % 2 === 0 ? pipeline : [{ $unset: ["extra.m"] }]);
  }
}

// ---------------------------------------------------------------- compound _ids

async function addItem(w: MongodbBankWriter): Promise<void> {
  const { _id, ...rest } = item(w.below(ITEM_IDS), w.below(SHELVES), {
    ...{ hidden: w.below(5) === 0, weight: w.below(1_000) / 7 },
    ...(w.below(4) === 0 ? { body: w.large() } : {}),
  });
  await w.must("items", { _id: _id as Document }, { $set: rest }, { upsert: true });
}

async function moveItem(w: MongodbBankWriter): Promise<void> {
  const { _id, id, shelf, ...rest } = await w.find("items", { id: w.below(ITEM_IDS) });
  await w.remove("items", { _id: _id as Document });
  await w.insert("items", item(Number(id), (Number(shelf) + 1) % SHELVES, rest));
}

async function hideItem(w: MongodbBankWriter): Promise<void> {
  await w.must("items", { id: w.below(ITEM_IDS) }, [{ $set: { hidden: { $not: "$hidden" } } }]);
}

async function dropItem(w: MongodbBankWriter): Promise<void> {
  await w.remove("items", { id: w.below(ITEM_IDS) });
}

// ---------------------------------------------------------------- many channels

async function addDoc(w: MongodbBankWriter): Promise<void> {
  const title = `doc ${String(w.below(1_000))}`;
  const update = {
    $set: { tags: w.tags() },
    $setOnInsert: { title, body: w.below(2) === 0 ? w.large() : "short" },
  };
  await w.must("docs", { _id: w.below(DOC_IDS) }, update, { upsert: true });
}

async function tagDoc(w: MongodbBankWriter): Promise<void> {
  const tag = w.pick(TAGS);
  const updates = [
    { $set: { tags: w.tags() } },
    { $addToSet: { tags: tag } },
    { $pull: { tags: tag } },
    { $push: { tags: { $each: [tag], $slice: -2 } } },
  ] as const;
  await w.must("docs", { _id: w.below(DOC_IDS) }, w.pick<Document>(updates));
}

async function growDoc(w: MongodbBankWriter): Promise<void> {
  const body = w.below(2) === 0 ? w.large() : "tiny";
  await w.must("docs", { _id: w.below(DOC_IDS) }, { $set: { body } });
}

async function dropDoc(w: MongodbBankWriter): Promise<void> {
  await w.remove("docs", { _id: w.below(DOC_IDS) });
}
