/** History that is lost, and is not: each case on the server itself (M-4, I7). */
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbDatabase, MongodbServer } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import { systemSleep } from "../support/stream-world.js";
import type { Reading } from "../support/stream-world.js";

let server: MongodbServer;
let database: MongodbDatabase;
let world: MongodbWorld;
let items: Collection;

/** The oplog is cut behind the last checkpoint, which is written every minute by default. */
const start = async (): Promise<void> => {
  const flags = ["--oplogSize", "1"];
  server = await startMongodb({ exclusive: true, flags, parameters: { syncdelay: "1" } });
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

/** Until what was the oldest entry of the oplog is gone. */
async function roll(): Promise<void> {
  const oplog = server.client.db("local").collection("oplog.rs");
  const first = async (): Promise<string> =>
    String((await oplog.findOne({}, { sort: { $natural: 1 } }))?.["ts"]);
  const newest = async (): Promise<string> =>
    String((await oplog.findOne({}, { sort: { $natural: -1 } }))?.["ts"]);
  const place = BigInt(await newest());
  const other = server.client.db("other").collection("filler");
  const text = "x".repeat(256 * 1024);
  const deadline = Date.now() + 60_000;
  while (BigInt(await first()) <= place) {
    expect(Date.now(), "the oplog does not roll over").toBeLessThan(deadline);
    for (let round = 0; round < 20; round += 1) {
      await other.updateOne(id(1), { $set: { text, round } }, { upsert: true });
    }
    await systemSleep(100);
  }
}

describe("an oplog that has rolled over", () => {
  test(
    "while nobody read: a new generation, and reading goes on",
    { timeout: 120_000 },
    async () => {
      const first = await readOne();
      await first.close();
      await items.insertOne(id(2));
      await roll();
      const second = await world.open(asked, first.position);
      expect(second.session.generation).toBe(2);
      expect(second.lost).toMatchObject({ code: "MONGODB_HISTORY_LOST", level: "warning" });
      await items.insertOne(id(3));
      await second.until(() => second.changes.length === 1);
      await second.close();
      // No loop: the new place is good.
      const third = await world.open(asked, second.position);
      expect([third.session.generation, third.lost]).toEqual([2, undefined]);
    },
  );

  test(
    "over everything that the collections brought: an idle place is kept alive",
    { timeout: 120_000 },
    async () => {
      const first = await readOne();
      await roll();
      await first.atHead();
      await first.close();
      await items.insertOne(id(2));
      const second = await world.open(asked, first.position);
      expect(second.lost).toBeUndefined();
      await second.until(() => second.changes.length === 1);
    },
  );
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
