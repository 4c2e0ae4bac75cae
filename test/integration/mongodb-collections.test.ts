/** What happens to whole collections while they are read (M-9, mongodb.md 5.2 and 5.7). */
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freshMongodbDatabase } from "../support/mongodb-server.js";
import type { MongodbDatabase } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import { relationOf } from "../support/postgres-world.js";
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
const asked = { fields: ["a"] };

describe("a collection", () => {
  test("that is dropped is emptied, and may come again", async () => {
    const reading = await world.open(asked);
    await items.insertOne(id(1));
    await items.drop();
    await items.insertOne(id(2));
    await reading.until(() => reading.changes.length === 3);
    expect(lines(reading)).toEqual(["+ items 1,", "0 items", "+ items 2,"]);
  });

  test("that is renamed away is emptied; one that takes a watched name is to be copied", async () => {
    const reading = await world.open({ ...asked, from: ["items", "other"] });
    await items.insertOne(id(1));
    await items.rename("other");
    await database.db.collection("new").insertOne(id(5));
    await database.db.collection("new").rename("items");
    await reading.until(() => reading.changes.length === 4);
    expect(lines(reading)).toEqual(["+ items 1,", "0 items", "* other", "* items"]);
  });

  test("that takes the place of a watched one is to be copied", async () => {
    await items.insertOne(id(1));
    const reading = await world.open(asked);
    await database.db.collection("new").insertOne(id(5));
    await database.db.collection("new").rename("items", { dropTarget: true });
    await reading.until(() => reading.changes.length === 1);
    expect(lines(reading)).toEqual(["* items"]);
  });

  test("that `$out` writes is to be copied, and its temporary ones are not seen", async () => {
    await database.db.collection("from").insertMany([id(7), id(8)]);
    const reading = await world.open({ ...asked, from: ["*"] });
    await database.db
      .collection("from")
      .aggregate([{ $out: "items" }])
      .toArray();
    await reading.until(() => lines(reading).includes("* items"));
    const chunk = await reading.session.copy?.chunk(
      {
        relation: relationOf(reading, `${database.name}.items`),
        after: undefined,
        rowsMax: 10,
        bytesMax: 1e6,
      },
      reading.signal,
    );
    expect(chunk?.rows.map(({ identity }) => identity)).toEqual(["[7]", "[8]"]);
  });

  test("that did not exist is read from its first document on, by name and by pattern", async () => {
    const reading = await world.open({ ...asked, from: ["later", "more*"] });
    expect(reading.session.relations.map(({ name }) => name)).toEqual([`${database.name}.later`]);
    await database.db.collection("later").insertOne(id(1));
    await database.db.collection("more1").insertOne(id(2));
    await database.db.collection("less").insertOne(id(3));
    await reading.until(() => reading.changes.length === 2);
    expect(lines(reading)).toEqual(["+ later 1,", "+ more1 2,"]);
  });

  test("is told of while it is merged into, as of any other writes", async () => {
    await items.insertOne(id(1, { a: 1 }));
    await database.db.collection("from").insertMany([id(1, { a: 2 }), id(2, { a: 3 })]);
    const reading = await world.open(asked);
    await database.db
      .collection("from")
      .aggregate([{ $merge: "items" }])
      .toArray();
    await reading.until(() => reading.changes.length === 2);
    expect(lines(reading).sort()).toEqual(["+ items 2,3", "~ items 1,2"]);
  });

  test("of views and time series has no changes: it is left out", async () => {
    await database.db.createCollection("view", { viewOn: "items", pipeline: [] });
    await database.db.createCollection("times", { timeseries: { timeField: "at" } });
    const reading = await world.open({ ...asked, from: ["*"] });
    expect(reading.session.relations.map(({ name }) => name)).toEqual([`${database.name}.items`]);
  });
});

describe("a database", () => {
  test.each(["database", "deployment"])(
    "that is dropped empties its collections, and may come again (%s)",
    async (scope) => {
      const reading = await world.open({ ...asked, options: { scope } });
      await items.insertOne(id(1));
      await database.db.dropDatabase();
      await items.insertOne(id(2));
      await reading.until(() => reading.changes.length >= 3);
      expect(lines(reading)).toEqual(["+ items 1,", "0 items", "+ items 2,"]);
    },
  );

  test("that was dropped while nobody read can be gone on with, behind the end of its stream", async () => {
    const first = await world.open(asked);
    await items.insertOne(id(1));
    await first.until(() => first.changes.length === 1);
    await database.db.dropDatabase();
    await first.until(() => first.changes.length === 2);
    await first.atHead();
    await first.close();
    await items.insertOne(id(2));
    const second = await world.open(asked, first.position);
    await second.until(() => second.changes.length > 0);
    expect([second.lost, lines(second)]).toEqual([undefined, ["+ items 2,"]]);
  });
});
