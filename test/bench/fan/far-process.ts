/**
 * Parts of a bench as processes of their own that answer questions over IPC, so that server and load share nothing
 * but the machine. With BENCH_PROFILE=<folder> each thread writes a CPU profile there when it ends.
 */
import { fork, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { usageOf } from "../figure.js";
import type { Usage } from "../figure.js";

export type Answers = Readonly<Record<string, (question: never) => unknown>>;

interface Asked {
  readonly id: number;
  readonly name: string;
  readonly question: unknown;
}

interface Answered {
  readonly id: number;
  readonly answer?: unknown;
  readonly failed?: string;
}

/** In the child: answers what the parent asks, and ends with it. */
export function answerParent(answers: Answers): void {
  const table = answers as Readonly<Record<string, (question: unknown) => unknown>>;
  process.on("message", ({ id, name, question }: Asked) => {
    const told = (answered: Omit<Answered, "id">): void => {
      process.send?.({ id, ...answered });
    };
    Promise.resolve()
      .then(() => table[name]?.(question))
      .then(
        (answer) => {
          told({ answer });
        },
        (error: unknown) => {
          told({ failed: error instanceof Error ? (error.stack ?? "") : String(error) });
        },
      );
  });
  process.on("disconnect", () => process.exit());
}

export class FarProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answered: Answered) => void>();
  #asked = 0;

  /** `script`: a file of this folder, without its ending. */
  constructor(script: string) {
    const folder = process.env["BENCH_PROFILE"];
    const profile = ["--cpu-prof", `--cpu-prof-dir=${folder ?? ""}/${script}`];
    this.#child = fork(fileURLToPath(new URL(`${script}.js`, import.meta.url)), {
      serialization: "advanced",
      execArgv: ["--expose-gc", ...(folder === undefined ? [] : profile)],
    });
    this.#child.on("message", (answered: Answered) => {
      const tell = this.#waiting.get(answered.id);
      this.#waiting.delete(answered.id);
      tell?.(answered);
    });
    this.#child.on("exit", (code) => {
      const failed = `${script} ended with ${String(code)}`;
      for (const [id, tell] of this.#waiting) tell({ id, failed });
      this.#waiting.clear();
    });
  }

  async ask<Answer>(name: string, question: unknown = {}): Promise<Answer> {
    const id = ++this.#asked;
    const answered = new Promise<Answered>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    this.#child.send({ id, name, question } satisfies Asked);
    const { answer, failed } = await answered;
    if (failed !== undefined) throw new Error(failed);
    return answer as Answer;
  }

  /**
   * Keeps its main thread on one core. Left alone, the kernel puts server and clients on the same one half of the time, and
   * figures differ by as much. Where there is no `taskset` it stays as it is.
   */
  stayOn(core: number): void {
    spawnSync("taskset", ["-c", "-p", String(core), String(this.#child.pid ?? 0)]);
  }

  usage(): Usage {
    return usageOf(this.#child.pid ?? 0);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
