/**
 * A child process of the demo that holds its MongoDB: a replica set of one member on a data folder of its own. It
 * stops the server and removes the folder when the demo says so and when the demo is gone, however it ended: the
 * channel to it closes then. Started detached, so that a Ctrl-C at the terminal reaches the demo alone.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import type { DatabaseWord } from "./database.js";
import { findMongod } from "./mongod-binary.js";
import { freePort } from "./free-port.js";
import { pause } from "./pause.js";

const START_MS_MAX = 30_000;
const SET = "demo";

const folder = mkdtempSync(join(tmpdir(), "changecast-demo-mongodb-"));
let stopping = false;
let server: ReturnType<typeof spawn> | undefined;

process.on("disconnect", stop);
process.on("SIGTERM", stop);
try {
  const word = await start();
  process.send?.(word);
} catch (error) {
  process.send?.({ failed: error instanceof Error ? error.message : String(error) });
  stop();
}

function stop(): void {
  if (stopping) return;
  stopping = true;
  const clean = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  };
  if (server?.exitCode !== null || server.signalCode !== null) clean();
  else {
    server.once("exit", clean);
    server.kill("SIGTERM");
  }
}

async function start(): Promise<DatabaseWord> {
  const mongod = await findMongod();
  const port = await freePort();
  const address = `127.0.0.1:${String(port)}`;
  const log = openSync(join(folder, "log"), "a");
  const place = ["--dbpath", folder, "--port", String(port), "--bind_ip", "127.0.0.1"];
  const flags = ["--replSet", SET, "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"];
  server = spawn(mongod, [...place, ...flags], { stdio: ["ignore", log, log] });
  closeSync(log);
  const direct = `mongodb://${address}/?directConnection=true`;
  await answers(direct, async (client) => {
    const config = { _id: SET, members: [{ _id: 0, host: address }] };
    await client.db("admin").command({ replSetInitiate: config });
  });
  const version = await answers(direct, async (client) => {
    const { isWritablePrimary } = await client.db("admin").command({ hello: 1 });
    if (isWritablePrimary !== true) throw new Error("it is not primary yet");
    return String((await client.db("admin").command({ buildInfo: 1 }))["version"]);
  });
  return { ready: true, url: `mongodb://${address}/?replicaSet=${SET}`, version };
}

/** Tries until it works; the server's own log says why it does not. */
async function answers<T>(url: string, ask: (client: MongoClient) => Promise<T>): Promise<T> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000 });
    try {
      return await ask(client);
    } catch (error) {
      if (Date.now() > deadline || server?.exitCode !== null) {
        const log = readFileSync(join(folder, "log"), "utf8").trimEnd().split("\n").slice(-10);
        throw new Error(`MongoDB did not start:\n${log.join("\n")}`, { cause: error });
      }
    } finally {
      await client.close();
    }
    await pause(50);
  }
}
