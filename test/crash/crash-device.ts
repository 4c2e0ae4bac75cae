/** A device process of the crash test, and its SQLite file as one finds it whatever became of the process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openPhotostructure } from "../contract/sqlite-subject.js";
import { type HoldsEvents, storedEvents, storedRows } from "../support/convergence-compare.js";
import { type KillPoint, killPointText } from "../support/kill-point.js";
import { PATIENCE_MS } from "../support/patience.js";

const main = join(import.meta.dirname, "../../dist/test/crash/device-process.js");

export class CrashDevice {
  readonly name: string;
  readonly channels: readonly string[];
  readonly #folder: string;
  readonly #url: string;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #said = "";

  constructor(name: string, channels: readonly string[], at: { folder: string; url: string }) {
    if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`);
    this.name = name;
    this.channels = channels;
    this.#folder = at.folder;
    this.#url = at.url;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get log(): string {
    const file = join(this.#folder, `${this.name}.log`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  start(kill?: KillPoint): void {
    const { channels } = this;
    const args = [main, killPointText(kill), this.#file, this.#url, channels.join(",")];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (bytes: Buffer) => {
      this.#said += bytes.toString();
    });
    child.stderr.on("data", (bytes: Buffer) => {
      appendFileSync(join(this.#folder, `${this.name}.log`), bytes);
    });
    this.#ended = once(child, "exit").then(() => {
      if (this.#child === child) this.#child = undefined;
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  async ended(): Promise<void> {
    await this.#ended;
  }

  /** Away, and whatever it held is lost. */
  async forget(): Promise<void> {
    await this.kill();
    for (const end of ["", "-wal", "-shm"]) rmSync(`${this.#file}${end}`, { force: true });
  }

  /** Until its file holds everything up to the position. */
  async settle(position: string): Promise<void> {
    this.#said = "";
    this.#child?.stdin?.write(`${position}\n`);
    const until = performance.now() + PATIENCE_MS;
    while (!this.#said.includes("settled\n")) {
      if (performance.now() > until || !this.isRunning) {
        throw new Error(`${this.name} does not reach ${position}: ${this.#said}${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** What is wrong with its file, which must have settled: by itself, and beside the database. */
  async look(compare: (file: HoldsEvents) => Promise<string[]>): Promise<string[]> {
    const store = openPhotostructure(this.#file);
    try {
      const { name, channels } = this;
      const wrong = await compare({
        ...{ name, channels },
        rows: async (table) => storedRows(store, table),
        events: async (table) => storedEvents(store, table),
      });
      const [integrity] = store.all("pragma integrity_check");
      const found = String(integrity?.["integrity_check"]);
      if (found !== "ok") wrong.push(`${name}: ${found}`);
      if (this.#said.includes("gap ")) wrong.push(`${name} was told of a gap: ${this.#said}`);
      return wrong;
    } finally {
      store.close();
    }
  }

  get #file(): string {
    return join(this.#folder, `${this.name}.db`);
  }
}
