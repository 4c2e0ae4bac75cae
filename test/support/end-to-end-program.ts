/**
 * The program itself as a child process: `changecast run` on a configuration of the test's, which can be
 * killed and started again, and commands that run to their end. Everything ends with the test's process.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type KillPoint, killPointText } from "./kill-point.js";
import { PATIENCE_MS } from "./patience.js";
import { freePort, pause } from "./postgres-machine.js";

/** As built: `npm test` builds first. This file may be a built one itself. */
const built = import.meta.url.includes("/dist/test/") ? "../../src/" : "../../dist/src/";
const MAIN = fileURLToPath(new URL(`${built}main.js`, import.meta.url));

/** Puts a failpoint into it. */
const FAILPOINT = new URL(
  `${built.replace("src/", "test/")}crash/service-failpoint.js`,
  import.meta.url,
).href;

const STOP_MS_MAX = 60_000;

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface StartOptions {
  /** A failpoint in it. */
  readonly kill?: KillPoint;
  /** No file of its own may become larger: as on a disk that is full. */
  readonly fileBytesMax?: number;
}

const children = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** A folder with a configuration and a journal, and the program that runs on it. */
export class Program {
  readonly folder = mkdtempSync(join(tmpdir(), "changecast-program-"));
  readonly port: number;
  readonly opsPort: number;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(ports: readonly [number, number]) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
    [this.port, this.opsPort] = ports;
  }

  /** `parts` is the YAML below `listen`, `ops` and `log`: sources, rules, and what a test wants besides. */
  static async create(parts = ""): Promise<Program> {
    const program = new Program([await freePort(), await freePort()]);
    program.configure(parts);
    return program;
  }

  get configFile(): string {
    return join(this.folder, "changecast.yaml");
  }

  get logFile(): string {
    return join(this.folder, "log");
  }

  get url(): string {
    return `ws://127.0.0.1:${String(this.port)}/v1`;
  }

  /** The address of an operator's page, e.g. `/metrics`. */
  opsUrl(path: string): string {
    return `http://127.0.0.1:${String(this.opsPort)}${path}`;
  }

  get configText(): string {
    return readFileSync(this.configFile, "utf8");
  }

  /** Replaces the whole configuration. */
  write(text: string): void {
    writeFileSync(this.configFile, text);
  }

  configure(parts: string): void {
    this.write(
      `listen: { host: 127.0.0.1, port: ${String(this.port)} }
ops: { host: 127.0.0.1, port: ${String(this.opsPort)} }
log: { level: debug, format: json }
${parts}`,
    );
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it; `ready` tells when it serves. */
  start({ kill, fileBytesMax }: StartOptions = {}): void {
    const args = [MAIN, "run", "-c", this.configFile];
    if (kill !== undefined) args.unshift("--import", FAILPOINT);
    const env = { ...process.env, CHANGECAST_FAILPOINT: killPointText(kill) };
    // The unit of POSIX' ulimit -f. Node ignores the signal that comes with it: writes fail.
    const blocks = fileBytesMax === undefined ? "unlimited" : String(Math.ceil(fileBytesMax / 512));
    const command = `ulimit -f ${blocks}; exec "$0" "$@"`;
    const child = spawn("/bin/sh", ["-c", command, process.execPath, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env,
    });
    children.add(child);
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      appendFileSync(this.logFile, chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#ended = once(child, "exit").then(() => {
      children.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** Resolves when `/readyz` says so; rejects with the log when it ended before. */
  async ready(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      if (this.#child === undefined) throw new Error(`the program ended:\n${this.logTail()}`);
      if (await isOk(this.opsUrl("/readyz"))) return;
      if (performance.now() > deadline) throw new Error(`it is not ready:\n${this.logTail()}`);
      await pause(20);
    }
  }

  /** As a crash: nothing of it runs any more. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  /** Asks it to stop; answers its exit code, null when it had to be killed. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return 0;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(late);
    return child.exitCode;
  }

  /** Stops it and removes its folder. */
  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Runs one command of the program to its end, with `-c` where the command takes it. */
  command(...args: readonly string[]): Promise<Outcome> {
    return runProgram(args);
  }

  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  logTail(lines = 25): string {
    return this.log.trimEnd().split("\n").slice(-lines).join("\n");
  }

  async page(path: string): Promise<string> {
    const response = await fetch(this.opsUrl(path));
    return response.text();
  }

  /** A number of `/metrics`; undefined where it is not there. */
  async metric(name: string): Promise<number | undefined> {
    for (const line of (await this.page("/metrics")).split("\n")) {
      const [found, value] = line.split(/\s+/);
      if (found?.replace(/\{.*/, "") === name) return Number(value);
    }
    return undefined;
  }
}

/** The program with these arguments, run to its end. */
export async function runProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  children.add(child);
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  await once(child, "close");
  clearTimeout(late);
  children.delete(child);
  return { code: child.exitCode, out, err };
}

async function isOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Nobody listens yet.
    return false;
  }
}
