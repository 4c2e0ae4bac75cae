/** What a host of a test's replica set must do. mongodb-process.ts runs a `mongod`, mongodb-container.ts a container. */
import { MongoClient } from "mongodb";
import type { Document } from "mongodb";
import { pause } from "./postgres-machine.js";

/** `shutdown` is a clean stop (a primary steps down first), `kill` a crash. */
export type MemberStopMode = "shutdown" | "kill";

export interface MongoMember {
  readonly host: string;
  readonly port: number;
  /** Of this member alone: `directConnection=true`. */
  readonly url: string;
  /** Undefined while stopped, and for a server of another machine. */
  pid(): number | undefined;
  start(): Promise<void>;
  /** Keeps data and port. */
  stop(mode: MemberStopMode): Promise<void>;
}

export interface MongoMachine {
  /** Of the whole set. */
  readonly url: string;
  readonly members: readonly MongoMember[];
  /** Ends all members and removes their data; may be called twice. */
  destroy(): Promise<void>;
}

export const SET_NAME = "changecast";

export const root = { user: "root", password: "changecast" } as const;

const START_DEADLINE_MS = 60_000;
const POLL_MS = 30;
const CONNECT_TIMEOUT_MS = 2_000;

/** Flags for every member; `mongod`'s command line without data folder, port and address. */
export function memberFlags(parameters: Readonly<Record<string, string>>): string[] {
  const all = {
    // Fail points, and settings that a test may change while the server runs.
    enableTestCommands: "1",
    // Nobody reads it, and it writes a file every second.
    diagnosticDataCollectionEnabled: "false",
    ttlMonitorSleepSecs: "1",
    ...parameters,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => [
    "--setParameter",
    `${name}=${value}`,
  ]);
  return ["--replSet", SET_NAME, "--wiredTigerCacheSizeGB", "0.25", "--quiet", ...flags];
}

/** One connection for one piece of work on one member. */
export async function withMember<T>(
  url: string,
  work: (client: MongoClient) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: CONNECT_TIMEOUT_MS,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
  });
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Waits until the member answers; `died` says why it never will. */
export async function untilMemberAnswers(
  url: string,
  died: () => string | undefined,
): Promise<void> {
  await until(`MongoDB gave no answer at ${url}`, async () => {
    const reason = died();
    if (reason !== undefined) throw new EndedError(`mongod ended while starting:\n${reason}`);
    await withMember(url, (client) => client.db("admin").command({ ping: 1 }));
    return true;
  });
}

/** Makes a set of members that have none yet, and waits for its primary. */
export async function initiateSet(members: readonly MongoMember[]): Promise<void> {
  const [first] = members;
  if (first === undefined) throw new Error("a replica set needs a member");
  const config: Document = {
    _id: SET_NAME,
    members: members.map(({ host, port }, id) => ({ _id: id, host: `${host}:${String(port)}` })),
    // A test that kills a primary waits for this.
    settings: { electionTimeoutMillis: 2_000, heartbeatIntervalMillis: 500 },
  };
  await withMember(first.url, (client) => client.db("admin").command({ replSetInitiate: config }));
  await until("the replica set elected no primary", async () => {
    return (await findPrimary(members)) !== undefined;
  });
}

/** The member that takes writes now. */
export async function findPrimary(
  members: readonly MongoMember[],
): Promise<MongoMember | undefined> {
  for (const member of members) if (await isPrimary(member)) return member;
  return undefined;
}

async function isPrimary({ url }: MongoMember): Promise<boolean> {
  try {
    const hello = await withMember(url, (client) => client.db("admin").command({ hello: 1 }));
    return hello["isWritablePrimary"] === true;
  } catch {
    // Down, or on its way: not the one.
    return false;
  }
}

class EndedError extends Error {}

async function until(otherwise: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  let cause: unknown;
  for (;;) {
    try {
      if (await done()) return;
    } catch (error) {
      if (error instanceof EndedError) throw error;
      cause = error;
    }
    if (Date.now() > deadline) throw new Error(otherwise, { cause });
    await pause(POLL_MS);
  }
}
