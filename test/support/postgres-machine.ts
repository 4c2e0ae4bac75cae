/**
 * Where a test's Postgres comes to life: what a host of one must do, and the tools both hosts
 * share. postgres-process.ts runs binaries of this machine, postgres-container.ts a container.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import pg from "pg";

export type PostgresVersion = 15 | 18;

/**
 * `fast` ends the sessions and writes a clean shutdown; `immediate` is a crash: recovery follows.
 */
export type StopMode = "fast" | "immediate";

export type PostgresSettings = Readonly<Record<string, string>>;

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** One data directory and the server on it; starting again finds the same data at the same port. */
export interface PostgresMachine {
  readonly login: Login;
  readonly dataDir: string | undefined;
  /** The postmaster's process id; undefined while stopped, and for a server of another machine. */
  pid(): number | undefined;
  start(): Promise<void>;
  stop(mode: StopMode): Promise<void>;
  /** Ends the server and removes its data; may be called twice. */
  destroy(): Promise<void>;
}

export const superuser = {
  user: "postgres",
  password: "changecast",
  database: "postgres",
} as const;

const START_DEADLINE_MS = 30_000;
const START_POLL_MS = 25;
const CONNECT_TIMEOUT_MS = 5_000;

/** Speed over durability (a test's data may vanish with the machine), and room for many slots. */
const defaultSettings: PostgresSettings = {
  wal_level: "logical",
  max_replication_slots: "20",
  max_wal_senders: "20",
  fsync: "off",
};

/** The `-c` flags for the server's command line. */
export function settingFlags(settings: PostgresSettings): string[] {
  const all = { ...defaultSettings, ...settings };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

export function loginUrl(login: Login): string {
  const url = new URL(`postgres://${login.host}:${String(login.port)}`);
  url.username = login.user;
  url.password = login.password;
  url.pathname = `/${login.database}`;
  return url.href;
}

/** One connection for one piece of work: nothing is left open to hold up a stop or a drop. */
export async function withClient<T>(
  login: Login,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ ...login, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A server that is stopped meanwhile fails the running query; the connection's own error adds
  // nothing.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Waits until the server answers; `died` says why it never will. */
export async function untilReady(login: Login, died: () => string | undefined): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const reason = died();
    if (reason !== undefined) throw new Error(`Postgres ended while starting:\n${reason}`);
    try {
      await withClient(login, (client) => client.query("select 1"));
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new Error(`Postgres gave no answer at port ${String(login.port)}`, { cause });
      }
    }
    await pause(START_POLL_MS);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Below the ports that a system gives to outgoing connections, which could take a free one before its user. */
const PORTS = { from: 12_000, until: 32_000, tries: 100 } as const;
const givenPorts = new Set<number>();

/** A port nobody listens at, and which this process was not given before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS.tries; tries++) {
    const port = randomInt(PORTS.from, PORTS.until);
    if (givenPorts.has(port) || !(await isFree(port))) continue;
    givenPorts.add(port);
    return port;
  }
  throw new Error(`${String(PORTS.tries)} ports from ${String(PORTS.from)} were all taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      resolve(true);
    });
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}
