/**
 * The demo's child processes: started, watched and ended by the id they were given, never by name. Each is
 * detached into a group of its own, so that a Ctrl-C reaches the demo alone, which stops them in order. A
 * child that ends by itself is a failure of the demo.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SideContext } from "./shop-side.js";

export interface ChildOptions {
  readonly name: string;
  /** A built script beside this one, or an absolute path. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and error are appended there. */
  readonly logFile: string;
  /** What it says over its channel. */
  readonly onWord?: (word: unknown) => void;
  /** It ended, though nobody asked it to. */
  readonly onFailed: (reason: string) => void;
}

/** A child that does not stop in this time is killed. */
const STOP_MS_MAX = 25_000;

export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #wanted = false;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  start(): void {
    const { script, args, env = {}, logFile, onWord } = this.#options;
    const log = openSync(logFile, "a");
    const child = spawn(process.execPath, ["--enable-source-maps", script, ...args], {
      stdio: ["ignore", log, log, "ipc"],
      env: { ...process.env, ...env },
      detached: true,
    });
    closeSync(log);
    this.#process = child;
    this.#wanted = true;
    this.#ended = once(child, "exit");
    if (onWord !== undefined) child.on("message", onWord);
    child.once("exit", (code, signal) => {
      if (this.#process === child) this.#process = undefined;
      if (!this.#wanted) return;
      const how = signal === null ? `with code ${String(code)}` : `by ${signal}`;
      this.#options.onFailed(`${this.name} ended ${how}; see ${logFile}`);
    });
  }

  tell(word: object): void {
    this.#process?.send(word);
  }

  /** As a crash: no handler of the child runs. */
  async kill(): Promise<void> {
    this.cut();
    await this.#ended;
  }

  /** The same, without waiting for it. */
  cut(): void {
    this.#wanted = false;
    this.#process?.kill("SIGKILL");
  }

  /** Asks it to stop and waits. May be called twice. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#wanted = false;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(late);
  }
}

/** A child that holds a server, started, and the first thing that it says; the demo's end ends the wait. */
export function firstWord<Word>(
  script: string,
  name: string,
  { folder, end, onFailed }: SideContext,
): { readonly server: Child; readonly word: Promise<Word> } {
  let told: (word: Word) => void = () => undefined;
  const word = new Promise<Word>((resolve, reject) => {
    told = resolve;
    const onEnd = (): void => {
      reject(end.reason as Error);
    };
    if (end.aborted) onEnd();
    end.addEventListener("abort", onEnd, { once: true });
  });
  const server = new Child({
    name,
    script: fileURLToPath(new URL(script, import.meta.url)),
    args: [],
    logFile: join(folder, `${name}.log`),
    onWord: (heard) => {
      told(heard as Word);
    },
    onFailed,
  });
  server.start();
  return { server, word };
}
