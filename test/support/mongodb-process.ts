/** A replica set of this machine's `mongod`, its data in a folder that goes with the test's process. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guardedFolder, type GuardedFolder } from "./guarded-folder.js";
import { initiateSet, memberFlags, root, SET_NAME, untilMemberAnswers } from "./mongodb-machine.js";
import { findPrimary, withMember } from "./mongodb-machine.js";
import type { MemberStopMode, MongoMachine, MongoMember } from "./mongodb-machine.js";
import { freePort } from "./postgres-machine.js";

const HOST = "127.0.0.1";
const STOP_DEADLINE_MS = 30_000;

export interface ProcessSetOptions {
  readonly members: number;
  readonly parameters: Readonly<Record<string, string>>;
  /** Further flags of `mongod`. */
  readonly flags: readonly string[];
  /** Who connects has to log in; `root` may do everything. */
  readonly auth: boolean;
}

export async function startProcessSet(
  mongod: string,
  options: ProcessSetOptions,
): Promise<MongoMachine> {
  const names = Array.from({ length: options.members }, (_, at) => `member${String(at)}`);
  const folder = guardedFolder({
    prefix: "changecast-mongodb-",
    signal: "KILL",
    pidFiles: names.map((name) => `${name}/mongod.lock`),
  });
  try {
    const flags = [...memberFlags(options.parameters), ...options.flags];
    if (options.auth) flags.push("--keyFile", createKeyFile(folder.path));
    const members: MemberProcess[] = [];
    for (const name of names) {
      const data = join(folder.path, name);
      mkdirSync(data, { mode: 0o700 });
      const port = await freePort();
      members.push(new MemberProcess({ mongod, data, port, flags, auth: false }));
    }
    await Promise.all(members.map((member) => member.start()));
    await initiateSet(members);
    if (options.auth) await createRoot(members);
    return new ProcessSet(folder, members, options.auth);
  } catch (error) {
    await folder.end();
    throw error;
  }
}

class ProcessSet implements MongoMachine {
  readonly url: string;
  readonly members: readonly MongoMember[];
  readonly #folder: GuardedFolder;

  constructor(folder: GuardedFolder, members: readonly MemberProcess[], auth: boolean) {
    const hosts = members.map(({ host, port }) => `${host}:${String(port)}`).join(",");
    this.url = `mongodb://${auth ? LOGIN : ""}${hosts}/?replicaSet=${SET_NAME}`;
    this.members = members;
    this.#folder = folder;
  }

  destroy(): Promise<void> {
    return this.#folder.end();
  }
}

const LOGIN = `${root.user}:${root.password}@`;

interface MemberParts {
  readonly mongod: string;
  readonly data: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly auth: boolean;
}

class MemberProcess implements MongoMember {
  readonly host = HOST;
  readonly port: number;
  readonly #parts: MemberParts;
  #login = "";
  #server: ChildProcess | undefined;

  constructor(parts: MemberParts) {
    this.port = parts.port;
    this.#parts = parts;
  }

  get url(): string {
    return `mongodb://${this.#login}${HOST}:${String(this.port)}/?directConnection=true`;
  }

  /** From now on `url` carries the login. */
  logIn(): void {
    this.#login = LOGIN;
  }

  pid(): number | undefined {
    return this.#server?.pid;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) throw new Error("this member runs already");
    const { mongod, data, flags } = this.#parts;
    const logFile = join(data, "log");
    const log = openSync(logFile, "a");
    const place = ["--dbpath", data, "--port", String(this.port), "--bind_ip", HOST];
    const server = spawn(mongod, [...place, "--nounixsocket", ...flags], {
      cwd: data,
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    server.unref();
    server.once("error", () => undefined);
    this.#server = server;
    server.once("exit", () => {
      if (this.#server === server) this.#server = undefined;
    });
    await untilMemberAnswers(this.url, () =>
      this.#server === server ? undefined : lastLines(readFileSync(logFile, "utf8")),
    );
  }

  async stop(mode: MemberStopMode): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const ended = once(server, "exit", { signal: AbortSignal.timeout(STOP_DEADLINE_MS) });
    server.ref();
    server.kill(mode === "kill" ? "SIGKILL" : "SIGTERM");
    await ended;
  }
}

/** The same key on all members is how they know each other. */
function createKeyFile(folder: string): string {
  const path = join(folder, "key");
  writeFileSync(path, randomBytes(64).toString("base64"), { mode: 0o600 });
  return path;
}

/** While there is no user, one may be made from this machine on the primary. */
async function createRoot(members: readonly MemberProcess[]): Promise<void> {
  const primary = await findPrimary(members);
  if (primary === undefined) throw new Error("the replica set lost its primary at once");
  const { user, password: pwd } = root;
  await withMember(primary.url, (client) =>
    client.db("admin").command({ createUser: user, pwd, roles: ["root"] }),
  );
  for (const member of members) member.logIn();
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-20).join("\n");
}
