/**
 * Goal: the replica sets that the MongoDB tests stand on are real and fit for change streams, transactions
 * and fail points; and nothing of them is left when their process is gone. Method: start sets of one and of
 * three members, read a change, kill a primary, log in, and kill a child process that holds one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { afterAll, expect, test } from "vitest";
import { freshMongodbDatabase, sharedMongodb, startMongodb } from "../support/mongodb-server.js";
import type { MongodbOptions, MongodbServer } from "../support/mongodb-server.js";
import { pause } from "../support/postgres-machine.js";

const started: MongodbServer[] = [];

afterAll(async () => {
  await Promise.all(started.map((server) => server.close()));
  await (await sharedMongodb()).close();
});

async function start(options: MongodbOptions): Promise<MongodbServer> {
  const server = await startMongodb(options);
  started.push(server);
  return server;
}

test("a change of a transaction comes by a change stream", async () => {
  const { db, server } = await freshMongodbDatabase();
  expect(server.version[0]).toBeGreaterThanOrEqual(6);
  await db.createCollection("products");
  const stream = db.collection("products").watch();
  await stream.tryNext();
  await server.client.withSession((session) =>
    session.withTransaction(async () => {
      await db.collection("products").insertOne({ name: "salt" }, { session });
    }),
  );
  const change = await stream.next();
  expect(change).toMatchObject({ operationType: "insert", fullDocument: { name: "salt" } });
  expect(change).toHaveProperty("txnNumber");
  await stream.close();
});

test("a server of one's own has fail points, and keeps its data over a crash", async () => {
  const server = await start({ exclusive: true });
  const [member] = server.members;
  const kept = server.client.db("shop").collection("kept");
  await kept.insertOne({ name: "salt" }, { writeConcern: { w: "majority", j: true } });
  await member?.stop("kill");
  await member?.start();
  expect(await server.primary()).toBe(member);
  expect(await kept.countDocuments()).toBe(1);
  const failPoint = { configureFailPoint: "failCommand", mode: "off" };
  expect(await server.client.db("admin").command(failPoint)).toMatchObject({ ok: 1 });
});

test("three members elect another primary when theirs is killed", async () => {
  const server = await start({ members: 3 });
  const kept = server.client.db("shop").collection("kept");
  await kept.insertOne({ name: "salt" }, { writeConcern: { w: "majority" } });
  const first = await server.primary();
  await first.stop("kill");
  const second = await server.primary();
  expect(second.port).not.toBe(first.port);
  expect(await kept.countDocuments()).toBe(1);
  await first.start();
});

test("a set with logins lets nobody in without one", async () => {
  const server = await start({ auth: true });
  const kept = server.client.db("shop").collection("kept");
  await kept.insertOne({ name: "salt" });
  const stranger = new MongoClient(server.url.replace(/\/\/.*@/, "//"));
  await expect(stranger.db("shop").collection("kept").findOne()).rejects.toThrow(/authentication/);
  await stranger.close();
});

test("a server whose process is killed ends", async () => {
  const holder = fileURLToPath(
    new URL("../../dist/test/support/mongodb-holder.js", import.meta.url),
  );
  expect(existsSync(holder), `${holder} is missing: npm run build`).toBe(true);
  const child = spawn(process.execPath, [holder], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { pid } = JSON.parse(line) as { pid: number };
  expect(alive(pid)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline && alive(pid)) await pause(50);
  expect(alive(pid)).toBe(false);
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process: what the caller asks.
    return false;
  }
}
