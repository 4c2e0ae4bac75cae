/** History that is lost, and is not: each case on the server itself (M-4, I7). */
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbDatabase, MongodbServer } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import type { Reading } from "../support/stream-world.js";

let server: MongodbServer;
let database: MongodbDatabase;
let world: MongodbWorld;
let items: Collection;

const start = async (): Promise<void> => {
  server = await startMongodb({ exclusive: true, flags: ["--oplogSize", "1"] });
  use("shop");
};

function use(name: string): void {
  const db = server.client.db(name);
  const drop = async (): Promise<void> => {
    await db.dropDatabase();
  };
  database = { name, url: server.url, server, db, drop };
  world = new MongodbWorld(database);
  items = db.collection("items");
}

const asked = { fields: ["a"] };

const readOne = async (): Promise<Reading> => {
  const reading = await world.open(asked);
  await items.insertOne(id(1));
  await reading.until(() => reading.changes.length === 1);
  return reading;
};

beforeEach(start);

afterEach(async () => {
  await world.close();
  await server.close();
});

/** Until what was the newest entry of the oplog is gone. */
async function roll(): Promise<void> {
  const oplog = server.client.db("local").collection("oplog.rs");
  const end = async (direction: 1 | -1): Promise<bigint> =>
    BigInt(String((await oplog.findOne({}, { sort: { $natural: direction } }))?.["ts"]));
  const place = await end(-1);
  const other = server.client.db("other").collection("filler");
  const deadline = Date.now() + 180_000;
  // The oldest entry may be cut off while it is read.
  while ((await end(1).catch(() => 0n)) <= place) {
    expect(Date.now(), "the oplog does not roll over").toBeLessThan(deadline);
    for (let round = 0; round < 20; round += 1) {
      await other.insertOne({ text: "x".repeat(256 * 1024) });
    }
    // It is cut behind the last checkpoint, which this makes.
    await server.client.db("admin").command({ fsync: 1 });
  }
}

// The server takes its time: about a minute for whatever it cuts off.
test("an oplog that rolls over takes the history of who was away, and not of who had nothing to read (M-4)", async () => {
  const away = await readOne();
  await away.close();
  const idle = await world.open(asked);
  await items.insertOne(id(2));
  await idle.until(() => idle.changes.length === 1);
  await roll();
  await idle.atHead();
  await idle.close();
  await items.insertOne(id(3));
  const kept = await world.open(asked, idle.position);
  expect([kept.session.generation, kept.lost]).toEqual([1, undefined]);
  await kept.until(() => kept.changes.length === 1);
  const lost = await world.open(asked, away.position);
  expect(lost.session.generation).toBe(2);
  expect(lost.lost).toMatchObject({ code: "MONGODB_HISTORY_LOST", level: "warning" });
  await items.insertOne(id(4));
  await lost.until(() => lost.changes.length === 1);
  await lost.close();
  // No loop: the new place is good.
  const again = await world.open(asked, lost.position);
  expect([again.session.generation, again.lost]).toEqual([2, undefined]);
});

test("a place before which nothing was written since the stream began can be gone on from", async () => {
  for (let times = 1; times <= 5; times += 1) {
    await items.insertOne(id(times), { writeConcern: { w: "majority" } });
    const first = await world.open(asked);
    await first.atHead();
    await first.close();
    const again = await world.open(asked, first.position);
    expect([again.session.generation, again.lost]).toEqual([1, undefined]);
    await items.insertOne(id(-times));
    await again.until(() => again.changes.length === 1);
    await again.close();
  }
});

describe("another deployment under the same address", () => {
  test("whose newest operation is older than what was read", async () => {
    const first = await readOne();
    await first.close();
    const { generation = 1, position = "", mark = "", memo = "" } = first.position ?? {};
    const later = (Number.parseInt(position.slice(0, 8), 16) + 3_600).toString(16).toUpperCase();
    const ahead = position.replaceAll(position.slice(0, 8), later);
    const second = await world.open(asked, { generation, position: ahead, mark, memo });
    expect([second.session.generation, second.lost?.message]).toEqual([
      2,
      expect.stringContaining("older than what was read"),
    ]);
  });

  test("of another name", async () => {
    const first = await readOne();
    await first.close();
    const { generation = 1, position = "", mark = "", memo = "" } = first.position ?? {};
    const other = JSON.stringify({ ...(JSON.parse(memo) as object), setName: "rs9" });
    const second = await world.open(asked, { generation, position, mark, memo: other });
    expect(second.lost?.message).toContain("was rs9");
  });

  test("that never wrote the change whose token is resumed from", async () => {
    const first = await readOne();
    const [change] = first.transactions;
    const { position = "", mark = "" } = change ?? {};
    const memo = first.session.memo();
    await first.close();
    await items.insertOne(id(2));
    // The same moment under another collection's id.
    const foreign = position.replace(/5A1004[0-9A-F]{32}/, `5A1004${"AB".repeat(16)}`);
    expect(foreign).not.toBe(position);
    const second = await world.open(asked, { generation: 1, position: foreign, mark, memo });
    expect([second.session.generation, second.lost?.code]).toEqual([2, "MONGODB_HISTORY_LOST"]);
  });
});
