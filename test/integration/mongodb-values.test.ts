/**
 * Goal: every BSON value that a server keeps goes through change stream or copy, journal, wire and SQLite, and
 * comes back to its very bytes (I10); declared types hold what they say. Method: edge values written as raw bytes,
 * before and after the program starts and by updates; the texts in SQLite are turned back into BSON and compared
 * with what the server gives as bytes.
 */
import { BSON } from "mongodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { changecast, type Cast } from "../../src/client/client.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import type { Sync } from "../../src/client/sync.js";
import { openPhotostructure, type OpenDatabase } from "../contract/sqlite-subject.js";
import { raw, rawDocument } from "../support/bson-bytes.js";
import type { RawValue } from "../support/bson-bytes.js";
import { edgeValues } from "../support/bson-corpus.js";
import { bsonOfForm } from "../support/bson-of-form.js";
import { Program } from "../support/end-to-end-program.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";
import { rawCommand } from "../support/raw-command.js";

const DATABASE = "values";
const ROUNDS = 3;

let server: MongodbServer;
let program: Program;
let store: OpenDatabase;
let cast: Cast;
let sync: Sync;

beforeAll(async () => {
  server = await startMongodb({ exclusive: true });
  for (const [id, { value }] of edgeValues.entries()) {
    if (id % 2 === 0) await insert("edges", id, value);
  }
  await server.client.db(DATABASE).collection("typed").insertMany(typedDocuments());
  program = await Program.create(`
sources:
  shop: { connector: mongodb, url: "${server.url}" }
rules:
  - { name: edges, source: shop, from: ${DATABASE}.edges, channel: all, fields: [_id, v, n] }
  - name: typed
    source: shop
    from: ${DATABASE}.typed
    channel: all
    fields: [_id, t, i, l, f, d, b, at, u, bin, size.h, size]
    types:
      { _id: objectId, t: text, i: int, l: int64, f: float, d: decimal, b: bool,
        at: timestamptz, u: uuid, bin: bytes, size.h: int }
`);
  program.start();
  await program.ready();
  store = openPhotostructure(":memory:");
  cast = changecast({ url: program.url, WebSocket });
  sync = cast.sync(sqliteStore(store.driver), ["all"]);
});

afterAll(async () => {
  await cast.close();
  await program.close();
  await server.close();
});

async function insert(collection: string, id: number, value: RawValue): Promise<void> {
  const nested = raw.document([
    ["a", raw.int32(id)],
    ["v", raw.array([value, raw.document([["$v", value]])])],
  ]);
  const documents = raw.array([
    raw.document([
      ["_id", raw.int32(id)],
      ["v", value],
      ["n", nested],
    ]),
  ]);
  const command = [
    ["insert", raw.text(collection)],
    ["documents", documents],
  ] as const;
  expectDone(await rawCommand(address(), DATABASE, command));
}

/** The value of another document, at the top and inside. */
async function update(id: number, value: RawValue): Promise<void> {
  const set = raw.document([
    ["v", value],
    ["n.v.0", value],
  ]);
  const one = raw.document([
    ["q", raw.document([["_id", raw.int32(id)]])],
    ["u", raw.document([["$set", set]])],
  ]);
  const command = [
    ["update", raw.text("edges")],
    ["updates", raw.array([one])],
  ] as const;
  expectDone(await rawCommand(address(), DATABASE, command));
}

function address(): { readonly host: string; readonly port: number } {
  const [member] = server.members;
  if (member === undefined) throw new Error("the set has no member of its own");
  return member;
}

function expectDone(reply: Buffer): void {
  expect(BSON.deserialize(reply)).toMatchObject({ ok: 1, n: 1 });
}

async function settled(): Promise<void> {
  const { operationTime } = await server.client.db(DATABASE).command({ ping: 1 });
  const { t, i } = operationTime as { t: number; i: number };
  await sync.until("shop", `${String(t)},${String(i)}`, { signal: AbortSignal.timeout(30_000) });
}

/** By `_id`: the bytes of the fields, as the server gives them and as SQLite's texts lead back to them. */
async function compareEdges(): Promise<void> {
  const rows = store.all('select "_id", v, n from edges');
  const held = new Map(rows.map((row) => [String(row["_id"]), row]));
  const found = server.client.db(DATABASE).collection("edges").find({}, { raw: true });
  let compared = 0;
  for await (const each of found) {
    const document = Buffer.from(each as unknown as Uint8Array);
    // Behind length, type and name of the first field.
    const id = document.readInt32LE(9);
    const row = held.get(String(id));
    const again = rawDocument([
      ["_id", bsonOfForm(String(row?.["_id"]))],
      ["v", bsonOfForm(String(row?.["v"]))],
      ["n", bsonOfForm(String(row?.["n"]))],
    ]);
    expect(again.toString("hex"), edgeValues[id]?.name).toBe(document.toString("hex"));
    compared += 1;
  }
  expect(compared).toBe(held.size);
}

test("every value of existing documents reaches SQLite and leads back to its bytes", async () => {
  await sync.ready();
  await settled();
  await sync.live();
  expect(store.all("select count(*) as n from edges")).toEqual([
    { n: BigInt(Math.ceil(edgeValues.length / 2)) },
  ]);
  await compareEdges();
});

test("and so does every value that is inserted or set, at the top and inside", async () => {
  for (const [id, { value }] of edgeValues.entries()) {
    if (id % 2 === 1) await insert("edges", id, value);
  }
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [id, { value }] of edgeValues.entries()) {
      await update((id + round * 7) % edgeValues.length, value);
    }
    await settled();
    await compareEdges();
  }
  expect(store.all("select count(*) as n from edges")).toEqual([{ n: BigInt(edgeValues.length) }]);
});

test("declared types hold what they say, and null where there is nothing", () => {
  const rows = store.all("select * from typed order by t");
  expect(rows.map((row) => ({ ...row, bin: toHex(row["bin"]) }))).toEqual([
    {
      ...{ _id: "65a1b2c3d4e5f60718293a4b", t: "full", i: 5n, l: 9007199254740993n, f: 0.5 },
      ...{ d: "1.10", b: 1n, at: "2024-01-01T00:00:00.000Z" },
      ...{ u: "73ffd264-44b3-4c69-90e8-e7d1dfc035d4", bin: "0001", "size.h": 5n },
      size: '{"h":5,"of":[1.5,{"$date":"1970-01-01T00:00:00.000Z"}]}',
    },
    {
      ...{ _id: "65a1b2c3d4e5f60718293a4c", t: "whole doubles", i: 7n, l: 7n, f: 3, d: "12.5" },
      ...{ b: null, at: null, u: null, bin: undefined, "size.h": null, size: "null" },
    },
  ]);
});

function toHex(value: unknown): string | undefined {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : undefined;
}

function typedDocuments(): BSON.Document[] {
  return [
    {
      ...{ _id: new BSON.ObjectId("65a1b2c3d4e5f60718293a4b"), t: "full", i: 5, f: 0.5, b: true },
      ...{ l: BSON.Long.fromString("9007199254740993"), d: BSON.Decimal128.fromString("1.10") },
      ...{ at: new Date("2024-01-01"), u: new BSON.UUID("73ffd264-44b3-4c69-90e8-e7d1dfc035d4") },
      ...{ bin: Buffer.of(0, 1), size: { h: 5, of: [1.5, new Date(0)] } },
    },
    {
      ...{ _id: new BSON.ObjectId("65a1b2c3d4e5f60718293a4c"), t: "whole doubles" },
      ...{ i: new BSON.Double(7), l: BSON.Long.fromNumber(7), f: 3, d: 12.5, size: null },
    },
  ];
}
