/**
 * Three members of which one lags, where others than the primary are read: a read waits for its moment. With a
 * login, since members then believe signed times only.
 */
import type { Document } from "mongodb";
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CopyChunk } from "../../src/connector/connector.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer, MongoMember } from "../support/mongodb-server.js";
import { withMember } from "../support/mongodb-machine.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import { PATIENCE_MS } from "../support/patience.js";
import { chunkOf, relationOf } from "../support/postgres-world.js";
import { systemSleep } from "../support/stream-world.js";
import type { Reading } from "../support/stream-world.js";

let server: MongodbServer;
let world: MongodbWorld;
let items: Collection;

beforeEach(async () => {
  server = await startMongodb({ members: 3, exclusive: true, auth: true });
  const db = server.client.db("shop");
  items = db.collection("items");
  await items.insertOne(id(0), { writeConcern: { w: 3 } });
  await silence();
  const drop = (): Promise<void> => Promise.resolve();
  // A loaded machine makes one member seem far away, and the driver would then read the near one alone.
  const url = `${server.url}&localThresholdMS=60000`;
  world = new MongodbWorld({ name: "shop", url, server, db, drop });
});

afterEach(async () => {
  await world.close();
  await server.close();
});

const asAdmin = (member: MongoMember, command: Document): Promise<Document> =>
  withMember(member.url, (client) => client.db("admin").command(command));

/** Members tell one another no times: what the reader tells them is left. */
async function silence(): Promise<void> {
  const primary = await server.primary();
  const { config } = await asAdmin(primary, { replSetGetConfig: 1 });
  const { version, settings, ...rest } = config as { version: number; settings: object };
  const silent = {
    ...{ heartbeatIntervalMillis: 60_000, electionTimeoutMillis: 600_000, chainingAllowed: false },
  };
  await asAdmin(primary, {
    replSetReconfig: { ...rest, version: version + 1, settings: { ...settings, ...silent } },
    force: true,
  });
}

/** Whether the connector's stream is on this member. */
const streams = async ({ url }: MongoMember): Promise<boolean> =>
  withMember(url, async (client) => {
    const stage = { $currentOp: { idleCursors: true, allUsers: true } };
    const found = await client
      .db("admin")
      .aggregate([stage, { $match: { appName: "changecast shop", "cursor.tailable": true } }])
      .toArray();
    return found.length > 0;
  });

/** The secondary that the stream is not on. */
async function otherMember(): Promise<MongoMember> {
  const primary = await server.primary();
  for (const member of server.members) {
    if (member.port !== primary.port && !(await streams(member))) return member;
  }
  throw new Error("the stream is on no secondary");
}

/** Until `go` it takes nothing over from the others. */
async function hold(member: MongoMember): Promise<void> {
  const failPoint = "stopReplProducer";
  const { count } = await asAdmin(member, { configureFailPoint: failPoint, mode: "alwaysOn" });
  // It sees that with the next answer that it gets.
  await items.insertOne(id("unread"), { writeConcern: { w: "majority" } });
  const timesEntered = Number(count) + 1;
  await asAdmin(member, { waitForFailPoint: failPoint, timesEntered, maxTimeMS: PATIENCE_MS });
}

const go = (member: MongoMember): Promise<Document> =>
  asAdmin(member, { configureFailPoint: "stopReplProducer", mode: "off" });

/** The place of a document that the stream has shown. */
async function tell(reading: Reading): Promise<string> {
  await items.insertOne(id(1), { writeConcern: { w: "majority" } });
  await reading.until(() => reading.changes.length === 2);
  return reading.transactions.at(-1)?.position ?? "";
}

async function chunks(reading: Reading, count: number): Promise<CopyChunk[]> {
  const found: CopyChunk[] = [];
  while (found.length < count)
    found.push(await chunkOf(reading, relationOf(reading, "shop.items")));
  return found;
}

describe("a chunk of the copy", () => {
  test("shows what the stream has told, also where the member that is read lags", async () => {
    const reading = await world.open({ fields: ["a"], options: { readPreference: "secondary" } });
    const lagging = await otherMember();
    await hold(lagging);
    try {
      const told = await tell(reading);
      const read = chunks(reading, 12);
      await systemSleep(1_000);
      await go(lagging);
      for (const { rows, hi } of await read) {
        expect(rows.map(({ identity }) => identity)).toEqual(["[0]", "[1]", '["unread"]']);
        expect(hi > told).toBe(true);
      }
    } finally {
      await go(lagging);
    }
  });

  test("fails where the member does not catch up, and with it the session", async () => {
    const reading = await world.open({ fields: ["a"], options: { readPreference: "secondary" } });
    const lagging = await otherMember();
    await hold(lagging);
    try {
      await tell(reading);
      await expect(chunks(reading, 1_000)).rejects.toMatchObject({
        code: "MONGODB_COMMAND_FAILED",
      });
    } finally {
      await go(lagging);
    }
  });
});
