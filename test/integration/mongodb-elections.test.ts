/** Three members, and what happens among them while documents are written (M-7, M-8). */
import type { Collection } from "mongodb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RowChange } from "../../src/model/change.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer, MongoMember } from "../support/mongodb-server.js";
import { id, MongodbWorld } from "../support/mongodb-world.js";
import type { Reading } from "../support/stream-world.js";
import { systemSleep } from "../support/stream-world.js";

let server: MongodbServer;
let world: MongodbWorld;
let items: Collection;

beforeEach(async () => {
  server = await startMongodb({ members: 3, exclusive: true });
  const db = server.client.db("shop");
  items = db.collection("items");
  await db.createCollection("items");
  const drop = (): Promise<void> => Promise.resolve();
  world = new MongodbWorld({ name: "shop", url: server.url, server, db, drop });
});

afterEach(async () => {
  await world.close();
  await server.close();
});

/** Writes until told to stop: what a majority acknowledged. */
class Writer {
  readonly acknowledged: number[] = [];
  #isOver = false;
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const writeConcern = { w: "majority", wtimeoutMS: 20_000 } as const;
    for (let each = 0; !this.#isOver; each += 1) {
      try {
        await items.insertOne(id(each, { a: each }), { writeConcern });
        this.acknowledged.push(each);
      } catch {
        await systemSleep(100);
      }
    }
  }
}

const seen = (reading: Reading): number[] =>
  reading.changes.map((change) => Number((change as RowChange).values[0]));

async function during(work: () => Promise<void>, options = {}): Promise<void> {
  const reading = await world.open({ fields: ["a"], options });
  const writer = new Writer();
  await reading.until(() => reading.changes.length > 20);
  await work();
  const before = writer.acknowledged.length;
  const deadline = Date.now() + 40_000;
  while (writer.acknowledged.length < before + 20 && Date.now() < deadline) await systemSleep(50);
  await writer.stop();
  const last = writer.acknowledged.at(-1) ?? -1;
  await reading.until(() => seen(reading).includes(last));
  const got = seen(reading);
  expect(new Set(got).size).toBe(got.length);
  const set = new Set(got);
  expect(writer.acknowledged.filter((each) => !set.has(each))).toEqual([]);
  // Nothing invented: what was seen is there.
  expect(await items.countDocuments(id({ $in: got }))).toBe(got.length);
  expect(reading.failure).toBeUndefined();
}

const stepDown = async (): Promise<void> => {
  const admin = server.client.db("admin");
  await admin
    .command({ replSetStepDown: 10, secondaryCatchUpPeriodSecs: 5 })
    .catch(() => undefined);
};

const killPrimary = async (): Promise<MongoMember> => {
  const primary = await server.primary();
  await primary.stop("kill");
  return primary;
};

describe("under load, nothing is lost and nothing invented", () => {
  test("when the primary steps down", () => during(stepDown));

  test("when the primary is killed, and comes back", () =>
    during(async () => {
      const dead = await killPrimary();
      await server.primary();
      await dead.start();
    }));

  test("when the member that is read dies, which is not the primary", () =>
    during(
      async () => {
        const primary = await server.primary();
        for (const member of server.members) {
          if (member === primary || member.port === primary.port) continue;
          await member.stop("kill");
          await systemSleep(2_000);
          await member.start();
        }
      },
      { readPreference: "secondary" },
    ));

  test("when the primary is cut off for a while, and its last writes are rolled back", () =>
    during(async () => {
      const primary = await server.primary();
      const pid = primary.pid();
      if (pid === undefined) throw new Error("the primary does not run");
      process.kill(pid, "SIGSTOP");
      try {
        await systemSleep(15_000);
      } finally {
        process.kill(pid, "SIGCONT");
      }
      await server.primary();
    }));
});
