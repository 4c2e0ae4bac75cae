/** The stream of a real replica set: what writes become, transaction by transaction, and how reading goes on. */
import { Long, ObjectId } from "mongodb";
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RowChange } from "../../src/model/change.js";
import { freshMongodbDatabase } from "../support/mongodb-server.js";
import type { MongodbDatabase } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import type { Reading } from "../support/stream-world.js";

let database: MongodbDatabase;
let world: MongodbWorld;
let items: Collection;

beforeEach(async () => {
  database = await freshMongodbDatabase();
  world = new MongodbWorld(database);
  items = database.db.collection("items");
  await database.db.createCollection("items");
});

afterEach(async () => {
  await world.close();
  await database.drop();
});

const lines = (reading: Reading): string[] =>
  reading.lines.map((line) => line.replace(`${database.name}.`, ""));
const last = (reading: Reading): RowChange => reading.changes.at(-1) as RowChange;

describe("updates", () => {
  test("of whole fields are told as they are, and what they leave alone is not", async () => {
    const reading = await world.open();
    await items.insertOne(id(1, { a: "x", b: [1, 2], z: 1 }));
    await items.updateOne(id(1), { $set: { a: "y", z: 2 } });
    await items.updateOne(id(1), { $unset: { b: 1 } });
    await items.replaceOne(id(1), { c: true });
    await items.deleteOne(id(1));
    await reading.until(() => reading.changes.length === 5);
    expect(lines(reading)).toEqual([
      "+ items 1,x,[1,2],",
      "~ items 1,y,?,?",
      "~ items 1,?,,?",
      "~ items 1,,,true",
      "- items 1,?,?,?",
    ]);
  });

  test("inside fields that no rule names need no read, and say nothing", async () => {
    const reading = await world.open({ fields: ["a"] });
    await items.insertOne(id(1, { a: 1, z: { y: 1 } }));
    await items.updateOne(id(1), { $inc: { "z.y": 1 } });
    await reading.until(() => reading.changes.length === 2);
    expect(lines(reading)[1]).toBe("~ items 1,?");
  });

  test("inside fields are read again as of their moment, not as of now", async () => {
    await items.insertOne(id(1, { a: { n: 0 }, b: 0 }));
    const first = await world.open();
    await first.until(() => first.batches.length > 0);
    const { position } = first;
    await first.close();
    await items.updateOne(id(1), { $inc: { "a.n": 1 } });
    await items.updateOne(id(1), { $set: { b: 1 } });
    const second = await world.open({}, position);
    await second.until(() => second.changes.length > 0);
    await second.atHead();
    // One answer brought both: they are one unit, and the document stands at its end.
    expect(lines(second).at(-1)).toBe("~ items 1,{n:1},1,");
    expect(second.transactions).toHaveLength(1);
    await items.updateOne(id(1), { $inc: { "a.n": 1 } });
    await second.until(() => lines(second).at(-1) === "~ items 1,{n:2},1,");
  });

  test("inside fields of a document that is gone meanwhile end with its deletion", async () => {
    await items.insertMany([1, 2].map((each) => ({ ...id(each), a: {} })));
    const first = await world.open();
    await first.until(() => first.batches.length > 0);
    await first.close();
    await items.updateOne(id(1), { $set: { "a.n": 1 } });
    await items.updateOne(id(2), { $set: { "a.n": 1 } });
    await items.deleteOne(id(1));
    const second = await world.open({}, first.position);
    await second.until(() => second.changes.length >= 2);
    await second.atHead();
    expect(lines(second).sort()).toEqual(["- items 1,?,?,?", "~ items 2,{n:1},,"]);
  });

  test("inside arrays are applied to what is kept, where that is opted for", async () => {
    const options = { updates: { [`${database.name}.items`]: "nested" } };
    const reading = await world.open({ options });
    await items.insertOne(id(1, { a: [1], b: { c: 1 } }));
    await items.updateOne(id(1), { $push: { a: 2 } as object, $set: { "b.c": 2 } });
    await reading.until(() => reading.changes.length === 2);
    const { values, patches } = last(reading);
    expect(values).toEqual(["1", undefined, undefined, undefined]);
    expect(patches?.get(1)?.("[1]")).toBe("[1,2]");
    expect(patches?.get(2)?.('{"c":1}')).toBe('{"c":2}');
  });

  test("come as post-images where the collection keeps them", async () => {
    await database.db.command({
      ...{ collMod: "items", changeStreamPreAndPostImages: { enabled: true } },
    });
    const reading = await world.open();
    await items.insertOne(id(1, { a: { n: 0 }, b: "b" }));
    await items.updateOne(id(1), { $inc: { "a.n": 1 } });
    await items.updateOne(id(1), { $inc: { "a.n": 1 } });
    await reading.until(() => reading.changes.length === 3);
    expect(lines(reading).slice(1)).toEqual(["~ items 1,{n:1},b,", "~ items 1,{n:2},b,"]);
  });

  test("of large documents with post-images, beyond what one answer can hold, come without them (M-12)", async () => {
    await database.db.command({
      ...{ collMod: "items", changeStreamPreAndPostImages: { enabled: true } },
    });
    const reading = await world.open({ fields: ["a"] });
    const half = "x".repeat(9 * 1024 * 1024);
    await items.insertOne(id(1, { a: 1, big: "" }));
    await items.updateOne(id(1), { $set: { big: half } });
    await items.updateOne(id(1), { $set: { a: 2 } });
    await reading.until(() => lines(reading).includes("~ items 1,2"));
    expect(reading.failure).toBeUndefined();
  });

  test("an insert of nearly 16 MB passes", async () => {
    const reading = await world.open({ fields: ["a"] });
    await items.insertOne(id(1, { a: 1, big: "x".repeat(16 * 1024 * 1024 - 100) }));
    await reading.until(() => reading.changes.length === 1);
    expect(lines(reading)).toEqual(["+ items 1,1"]);
  });
});

describe("transactions", () => {
  test("come whole, each on its own, also between others of their session", async () => {
    await database.db.createCollection("more");
    const reading = await world.open({ from: ["items", "more"], fields: ["a"] });
    const { client } = database.server;
    const session = client.startSession();
    for (const round of [1, 2]) {
      await session.withTransaction(async () => {
        await items.insertOne(id(round, { a: round }), { session });
        await database.db.collection("more").insertOne(id(round), { session });
      });
    }
    await session.withTransaction(() => items.updateOne(id(1), { $set: { a: 9 } }, { session }));
    await session.endSession();
    await items.insertOne(id(3));
    await reading.until(() => reading.changes.length === 6);
    const named = reading.transactions.filter(({ transaction }) => transaction.includes("/"));
    expect(named.map(({ changes }) => changes.length)).toEqual([2, 2, 1]);
    expect(new Set(named.map(({ transaction }) => transaction)).size).toBe(3);
  });

  test("that change inside fields are settled whole", async () => {
    await items.insertMany([1, 2].map((each) => id(each, { a: { n: 0 } })));
    const reading = await world.open({ fields: ["a"] });
    const { client } = database.server;
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await items.updateOne(id(1), { $inc: { "a.n": 5 } }, { session });
        await items.updateOne(id(2), { $inc: { "a.n": -5 } }, { session });
      }),
    );
    await reading.until(() => reading.changes.length >= 2);
    const [only] = reading.transactions.filter(({ changes }) => changes.length > 0);
    expect(only?.changes).toHaveLength(2);
    expect(lines(reading).sort()).toEqual(["~ items 1,{n:5}", "~ items 2,{n:-5}"]);
  });

  test("of many megabytes stream through in parts, and are not read again once journaled", async () => {
    const reading = await world.open({ fields: ["a"] });
    const { client } = database.server;
    const rows = (from: number) =>
      Array.from({ length: 6 }, (_, at) => id(from + at, { a: {}, big: "x".repeat(1024 * 1024) }));
    await client
      .withSession((session) =>
        session.withTransaction(async () => {
          for (const from of [0, 6, 12]) {
            await items.insertMany(rows(from), { session });
          }
          await items.updateOne(id(3), { $set: { "a.n": 1 } }, { session });
          await items.updateOne(id(4), { $set: { "a.n": 8 } }, { session });
        }),
      )
      .catch(() => undefined);
    await reading.until(() =>
      reading.transactions.some(({ last: isLast, part }) => isLast && part > 0),
    );
    const parts = reading.transactions.filter(({ transaction }) => transaction.includes("/"));
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, at) => at));
    expect(parts.map(({ last: isLast }) => isLast).lastIndexOf(false)).toBe(parts.length - 2);
    const { position = "", mark = "" } = parts.at(-1) ?? {};
    const memo = reading.session.memo();
    await items.insertOne(id(99, { a: 9 }));
    await reading.until(() => lines(reading).includes("+ items 99,9"));
    await reading.close();
    const second = await world.open({ fields: ["a"] }, { generation: 1, position, mark, memo });
    await second.until(() => second.changes.length > 0);
    expect(lines(second)).toEqual(["+ items 99,9"]);
  });
});

describe("places", () => {
  test("move on while nothing is written to the collections, and never go back (M-4, M-6)", async () => {
    const reading = await world.open();
    await reading.until(() => reading.batches.length > 0);
    const before = reading.position?.position ?? "";
    await database.db.collection("elsewhere").insertOne({});
    await reading.until(() => (reading.position?.position ?? "") > before);
    expect(reading.changes).toEqual([]);
    const positions = reading.batches.map(({ position }) => position);
    expect([...positions].sort()).toEqual(positions);
  });

  test("of an idle stream can be gone on from", async () => {
    const first = await world.open();
    await database.db.collection("elsewhere").insertOne({});
    await first.atHead();
    await first.atHead();
    await first.close();
    await items.insertOne(id(1));
    const second = await world.open({}, first.position);
    await second.until(() => second.changes.length > 0);
    expect([second.lost, lines(second)]).toEqual([undefined, ["+ items 1,,,"]]);
  });

  test("are kept when the filter changes: what was seen is passed over (M-5)", async () => {
    const first = await world.open();
    await items.insertOne(id(1));
    await first.until(() => first.changes.length === 1);
    await first.close();
    await items.insertMany([id(2), id(3, { a: 1 })]);
    const options = { pipeline: [{ $match: { "fullDocument.a": 1 } }] };
    const second = await world.open({ options }, first.position);
    await second.until(() => second.changes.length > 0);
    expect([second.lost, lines(second)]).toEqual([undefined, ["+ items 3,1,,"]]);
  });

  test("of documents with very long keys fit their bound", async () => {
    const first = await world.open();
    const long = "k".repeat(2_000);
    const { client } = database.server;
    await client.withSession((session) =>
      session.withTransaction(async () => {
        for (const end of ["a", "b"]) await items.insertOne(id(long + end), { session });
      }),
    );
    await first.until(() => first.changes.length === 2);
    await items.insertOne(id(`${long}c`));
    await first.until(() => first.changes.length === 3);
    const [transaction] = first.transactions.filter(({ changes }) => changes.length > 0);
    expect(transaction?.position.length).toBeLessThanOrEqual(1_024);
    const { position = "", mark = "" } = transaction ?? {};
    const memo = first.session.memo();
    await first.close();
    const second = await world.open({}, { generation: 1, position, mark, memo });
    await second.until(() => second.changes.length > 0);
    expect(second.changes.map((change) => (change as RowChange).identity)).toEqual([
      `["${long}c"]`,
    ]);
  });
});

describe("documents", () => {
  test("with keys of every kind are told apart, numbers of equal value are not (M-17)", async () => {
    const reading = await world.open();
    const oid = new ObjectId();
    const keys = [
      1,
      Long.fromString("9007199254740993"),
      "1",
      oid,
      { b: 1, a: 2 },
      { a: 2, b: 1 },
      true,
      null,
    ];
    for (const key of keys) await items.insertOne(id(key));
    await items.deleteOne(id(1));
    await items.insertOne(id(Long.fromNumber(1)));
    await reading.until(() => reading.changes.length === keys.length + 2);
    const identities = reading.changes.map((change) => (change as RowChange).identity);
    expect(new Set(identities).size).toBe(keys.length);
    expect(identities.at(-1)).toBe(identities[0]);
    expect(identities[3]).toContain(oid.toHexString());
  });

  test("that expire, or that a capped collection pushes out, leave", async () => {
    await database.db.createCollection("capped", { capped: true, size: 4_096, max: 2 });
    const reading = await world.open({ from: ["items", "capped"], fields: ["a"] });
    await items.createIndex({ at: 1 }, { expireAfterSeconds: 0 });
    await items.insertOne(id(1, { at: new Date(0) }));
    await database.db.collection("capped").insertMany([1, 2, 3].map((key) => id(key)));
    await reading.until(() => reading.changes.length === 6);
    expect(
      lines(reading)
        .filter((line) => line.startsWith("-"))
        .sort(),
    ).toEqual(["- capped 1,?", "- items 1,?"]);
  });
});
