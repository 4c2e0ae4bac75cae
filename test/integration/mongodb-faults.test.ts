/** The server's own fail points: each failure that a stream goes on after, and some that it does not (M-7). */
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AppError } from "../../src/base/errors.js";
import { freshMongodbDatabase } from "../support/mongodb-server.js";
import type { MongodbDatabase } from "../support/mongodb-server.js";
import { id, failGetMores, MongodbWorld, stopFailing } from "../support/mongodb-world.js";
import type { RowChange } from "../../src/model/change.js";

let database: MongodbDatabase;
let world: MongodbWorld;
let items: Collection;

beforeEach(async () => {
  database = await freshMongodbDatabase();
  world = new MongodbWorld(database);
  items = database.db.collection("items");
});

afterEach(async () => {
  await stopFailing(database.server);
  await world.close();
  await database.drop();
});

/** By the specification of change streams; but for 13388, which a fail point cannot make. */
const resumable = [
  ...[6, 7, 43, 63, 89, 91, 133, 150, 189, 234, 262, 9001],
  ...[10107, 11600, 11602, 13435, 13436],
];

async function writeAround(fail: () => Promise<void>): Promise<(string | null)[]> {
  const reading = await world.open({ fields: ["a"] });
  for (let each = 0; each < 30; each += 1) {
    await items.insertOne(id(each));
    if (each === 10 || each === 20) await fail();
  }
  await reading.until(() => reading.changes.length >= 30);
  await reading.atHead();
  return reading.changes.map((change) => (change as RowChange).identity);
}

const all = Array.from({ length: 30 }, (_, each) => `[${String(each)}]`);

describe("nothing is lost and nothing comes twice", () => {
  test.each(resumable)("after error %d", async (errorCode) => {
    expect(await writeAround(() => failGetMores(database.server, { errorCode }))).toEqual(all);
  });

  test("after an error that the server labels", async () => {
    const failure = { errorCode: 11_601, errorLabels: ["ResumableChangeStreamError"] };
    expect(await writeAround(() => failGetMores(database.server, failure))).toEqual(all);
  });

  test("after a connection that breaks, three times in a row", async () => {
    const failure = { closeConnection: true, times: 3 };
    expect(await writeAround(() => failGetMores(database.server, failure))).toEqual(all);
  });
});

test("a stream that cannot go on ends its session after a bounded number of tries", async () => {
  const reading = await world.open({ fields: ["a"] });
  await failGetMores(database.server, { errorCode: 91, times: 1_000 });
  expect(await reading.failed()).toBeInstanceOf(AppError);
});

test("an error that is none of them ends the session at once, and the next one goes on", async () => {
  const first = await world.open({ fields: ["a"] });
  await items.insertOne(id(1));
  await first.until(() => first.changes.length === 1);
  await failGetMores(database.server, { errorCode: 8_000 });
  expect(await first.failed()).toMatchObject({ code: "MONGODB_COMMAND_FAILED" });
  await first.close();
  await items.insertOne(id(2));
  const second = await world.open({ fields: ["a"] }, first.position);
  await second.until(() => second.changes.length === 1);
  expect((second.changes[0] as RowChange).identity).toBe("[2]");
});

test("history that is lost while it is read is told as such", async () => {
  const reading = await world.open({ fields: ["a"] });
  await failGetMores(database.server, { errorCode: 286 });
  expect(await reading.failed()).toMatchObject({ code: "PIPELINE_SOURCE_RESYNC" });
});

test("a document is read as of now where its moment is gone, and once more when the stream has passed", async () => {
  await items.insertOne(id(1, { a: { n: 0 } }));
  const first = await world.open({ fields: ["a"] });
  await first.until(() => first.batches.length > 0);
  await first.close();
  await items.updateOne(id(1), { $inc: { "a.n": 1 } });
  await items.insertOne(id(2));
  await database.server.client.db("admin").command({
    ...{ configureFailPoint: "failCommand", mode: { times: 1 } },
    data: { failCommands: ["find"], appName: "changecast shop", errorCode: 239 },
  });
  const second = await world.open({ fields: ["a"] }, first.position);
  await second.until(() => second.changes.length >= 2);
  const settled = (): string[] =>
    second.lines.filter((line) => line.startsWith("~")).map((line) => line.split(" ")[2] ?? "");
  expect(settled()[0]).toBe("1,{n:1}");
  await items.updateOne(id(1), { $inc: { "a.n": 1 } });
  await second.until(() => settled().at(-1) === "1,{n:2}");
  await second.atHead();
  expect(JSON.parse(second.session.memo())).toMatchObject({ ahead: [] });
});
