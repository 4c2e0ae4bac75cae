/** Existing documents, chunk by chunk, beside the stream (mongodb.md 5.4). */
import { BSON, Decimal128, Double, Long, MaxKey, MinKey, ObjectId } from "mongodb";
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { raw } from "../support/bson-bytes.js";
import type { RawValue } from "../support/bson-bytes.js";
import { freshMongodbDatabase } from "../support/mongodb-server.js";
import type { MongodbDatabase } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import { rawCommand } from "../support/raw-command.js";
import { chunkOf, copyAll, relationOf } from "../support/postgres-world.js";

let database: MongodbDatabase;
let world: MongodbWorld;
let items: Collection;

beforeEach(async () => {
  database = await freshMongodbDatabase();
  world = new MongodbWorld(database);
  items = database.db.collection("items");
});

afterEach(async () => {
  await world.close();
  await database.drop();
});

const asked = { fields: ["a"] };
const name = (): string => `${database.name}.items`;

/** One of each kind that can be a key, so that every boundary between two kinds is crossed. */
const keys = (): unknown[] => [
  ...[new MinKey(), null, -1.5, 0, 1, 2.5, Long.fromString("9007199254740993"), 1e300],
  ...[new Double(Infinity), Decimal128.fromString("2.50001"), "", "a", "ab", { a: 1 }, { b: 1 }],
  ...[Buffer.from("a"), new ObjectId(), false, true, new Date(0), new MaxKey()],
];

/** What the driver reads as something else than it is. */
const HEX = "0102030405060708090a0b0c";
const bent = [
  ...[raw.null, raw.dbPointer("a", HEX), raw.dbPointer("b", HEX)],
  ...[raw.undefined, raw.null, raw.dbPointer("a", HEX), raw.dbPointer("b", HEX)].map((value) =>
    raw.document([["k", value]]),
  ),
  ...[raw.symbol("s"), raw.document([["k", raw.symbol("s")]])],
];

/** As bytes; `a` is a document, so that an update inside it has to be read. */
async function insertRaw(key: RawValue, n: number): Promise<void> {
  const { hostname: host, port } = new URL(database.url);
  const a = raw.document([["n", raw.int32(n)]]);
  const documents = raw.array([
    raw.document([
      ["_id", key],
      ["a", a],
    ]),
  ]);
  const command = [
    ["insert", raw.text("items")],
    ["documents", documents],
  ] as const;
  const reply = await rawCommand({ host, port: Number(port) }, database.name, command);
  expect(BSON.deserialize(reply)).toMatchObject({ n: 1 });
}

describe("a copy", () => {
  test.each([1, 2, 3, 100])(
    "over keys of all kinds shows each once, %d at a time",
    async (rowsMax) => {
      const all = keys();
      await items.insertMany(all.map((key, a) => id(key, { a })));
      const reading = await world.open(asked);
      const { rows } = await copyAll(reading, name(), { rowsMax });
      expect(rows.map(({ values }) => Number(values[1])).sort((a, b) => a - b)).toEqual(
        all.map((_, at) => at),
      );
      expect(new Set(rows.map(({ identity }) => identity)).size).toBe(all.length);
    },
  );

  test("over keys that a driver bends shows each once, and so do reads of single documents", async () => {
    for (const [n, key] of bent.entries()) await insertRaw(key, n);
    const reading = await world.open(asked);
    for (const rowsMax of [1, 2]) {
      const { rows } = await copyAll(reading, name(), { rowsMax });
      const found = rows.map(({ values }) => values[1]).sort();
      expect(found).toEqual(bent.map((_, n) => `{"n":${String(n)}}`));
    }
    await items.updateMany({}, { $set: { "a.m": 1 } });
    await reading.until(() => reading.changes.length === bent.length);
    expect(reading.changes.map(({ op }) => op)).toEqual(bent.map(() => "update"));
  });

  test("from the greatest key on is over", async () => {
    await items.insertMany([1, new MaxKey()].map((key) => id(key)));
    const reading = await world.open(asked);
    const after = Buffer.from(BSON.serialize({ _id: new MaxKey() })).toString("base64");
    const { rows, next } = await chunkOf(reading, relationOf(reading, name()), after);
    expect([rows, next]).toEqual([[], undefined]);
  });

  test("keeps to the bytes of a chunk, and takes a larger document alone", async () => {
    const text = "x".repeat(100_000);
    await items.insertMany([1, 2, 3].map((each) => id(each, { a: text })));
    const reading = await world.open(asked);
    const { rows, chunks } = await copyAll(reading, name(), { bytesMax: 150_000 });
    expect([rows.length, chunks.length]).toEqual([3, 3]);
    const small = await copyAll(reading, name(), { bytesMax: 1 });
    expect(small.rows).toHaveLength(3);
  });

  test("reads more than one answer of the server holds", async () => {
    const text = "x".repeat(4 * 1024 * 1024);
    for (let each = 0; each < 6; each += 1) await items.insertOne(id(each, { a: text }));
    const reading = await world.open(asked);
    const { rows } = await copyAll(reading, name(), { bytesMax: 1e9 });
    expect(rows).toHaveLength(6);
  });

  test.each([2, 3])(
    "of %d neighbours that no answer holds together ends with the last",
    async (count) => {
      const text = "x".repeat(9 * 1024 * 1024);
      for (let each = 0; each < count; each += 1) await items.insertOne(id(each, { a: text }));
      await items.insertMany([id("small"), id("last")]);
      const reading = await world.open(asked);
      const { rows } = await copyAll(reading, name());
      const large = Array.from({ length: count }, (_, each) => `[${String(each)}]`);
      expect(rows.map(({ identity }) => identity)).toEqual([...large, '["last"]', '["small"]']);
    },
  );

  test("of strings under a collation, and of a clustered collection", async () => {
    const collation = { locale: "en", strength: 2 };
    await database.db.createCollection("collated", { collation });
    await database.db.createCollection("clustered", {
      clusteredIndex: { key: { _id: 1 }, unique: true },
    });
    const ids = ["b", "A", "c", "B2", "a1"];
    for (const each of ["collated", "clustered"]) {
      await database.db.collection(each).insertMany(ids.map((key) => id(key)));
    }
    const reading = await world.open({ ...asked, from: ["collated", "clustered"] });
    for (const each of ["collated", "clustered"]) {
      const { rows } = await copyAll(reading, `${database.name}.${each}`, { rowsMax: 2 });
      expect(rows.map(({ identity }) => identity).sort()).toEqual(
        ids.map((_id) => JSON.stringify([_id])).sort(),
      );
    }
  });

  test("of nothing is over at once", async () => {
    const reading = await world.open(asked);
    const { rows, chunks } = await copyAll(reading, name());
    expect([rows, chunks.length]).toEqual([[], 1]);
    expect(await reading.session.copy?.estimate(relationOf(reading, name()))).toBe(0);
  });

  test("goes on in another session from where it was", async () => {
    await items.insertMany([1, 2, 3, 4].map((each) => id(each)));
    const first = await world.open(asked);
    const chunk = await chunkOf(first, relationOf(first, name()), undefined, { rowsMax: 2 });
    await first.close();
    const second = await world.open(asked);
    const rest = await chunkOf(second, relationOf(second, name()), chunk.next);
    expect(rest.rows.map(({ identity }) => identity)).toEqual(["[3]", "[4]"]);
  });

  test("goes on with another filter although nothing was written since", async () => {
    await items.insertMany([1, 2].map((each) => id(each)));
    const first = await world.open(asked);
    await database.db.collection("elsewhere").insertOne({});
    await first.atHead();
    await first.atHead();
    await first.close();
    const options = { pipeline: [{ $match: { "fullDocument.a": 1 } }] };
    const second = await world.open({ ...asked, options }, first.position);
    const { rows, hi } = await chunkOf(second, relationOf(second, name()));
    expect(rows.map(({ identity }) => identity)).toEqual(["[1]", "[2]"]);
    expect(hi.slice(0, 16)).toBe(first.position?.position.slice(0, 16));
  });

  test("beside writes: rows are as of a moment that the stream then passes", async () => {
    await items.insertMany(Array.from({ length: 200 }, (_, each) => id(each, { a: 0 })));
    const reading = await world.open(asked);
    const over = new AbortController();
    const writing = (async () => {
      for (let round = 1; !over.signal.aborted; round += 1) {
        await items.updateOne(id(round % 200), { $set: { a: round } });
      }
    })();
    const relation = relationOf(reading, name());
    for (let times = 0; times < 20; times += 1) {
      const chunk = await chunkOf(reading, relation);
      await reading.until(() => (reading.position?.position ?? "") >= chunk.hi);
      // What the stream had shown by then is in the rows, or newer; it never goes back.
      const shown = new Map<string, number>();
      for (const { position, changes } of reading.transactions) {
        if (position > chunk.hi) continue;
        for (const change of changes) {
          if (change.op !== "update" || change.identity === null) continue;
          shown.set(change.identity, Number(change.values[1]));
        }
      }
      for (const { identity, values } of chunk.rows) {
        expect(Number(values[1])).toBe(shown.get(identity) ?? 0);
      }
    }
    over.abort();
    await writing;
  });

  test("of a collection that is made while it is read", async () => {
    const reading = await world.open(asked);
    await items.insertOne(id(1));
    const { rows } = await copyAll(reading, name());
    expect(rows.length).toBeLessThanOrEqual(1);
    await reading.until(() => reading.changes.length === 1);
  });
});
