/** A derived writer in a thread of its own: what it is asked to do, it does one after the other. */
import { Worker } from "node:worker_threads";
import { AppError, errorText } from "../../base/errors.js";
import { isErrorCode } from "../../base/error-catalogue.js";
import type { LogNumber } from "../journal.js";
import type { DerivedWriter } from "./derived-writer.js";

export interface ThreadFile {
  readonly path: string;
  readonly mapBytes: number;
  /** `Environment.term` of the run. */
  readonly term: number;
}

export interface ThreadFiles {
  readonly blocks: ThreadFile;
  readonly derived: ThreadFile;
  readonly slicePages: number;
}

export type ThreadRequest =
  | { readonly kind: "units"; readonly from: LogNumber; readonly to: LogNumber }
  | { readonly kind: "merge"; readonly log: LogNumber }
  | { readonly kind: "close" };

/** One for each request, in their order, after an empty one that says that the files are open. */
export interface ThreadReply {
  /** What made it fail. */
  readonly failed?: { readonly code: string; readonly message: string };
}

/** It makes few objects: the default of 48 MB would only hold those that are gone. */
const maxYoungGenerationSizeMb = 6;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class DerivedThread implements DerivedWriter {
  readonly #worker: Worker;
  #waiting: Waiting[] = [];
  #ended: unknown;
  #closing: Promise<void> | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (reply: ThreadReply) => {
      const asked = this.#waiting.shift();
      if (reply.failed === undefined) asked?.resolve();
      else asked?.reject(failureOf(reply.failed));
    });
    worker.on("error", (error) => {
      this.#end(error);
    });
    worker.on("exit", (code) => {
      this.#end(new Error(`it ended with ${String(code)}`));
    });
  }

  /** Resolves once the thread has opened the files. */
  static async start(script: URL, files: ThreadFiles): Promise<DerivedThread> {
    const resourceLimits = { maxYoungGenerationSizeMb };
    const worker = new Worker(script, { workerData: files, resourceLimits });
    const thread = new DerivedThread(worker);
    await thread.#reply();
    return thread;
  }

  units(from: LogNumber, to: LogNumber): Promise<void> {
    return this.#ask({ kind: "units", from, to });
  }

  merge(log: LogNumber): Promise<void> {
    return this.#ask({ kind: "merge", log });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // A thread that has ended has nothing open.
    await this.#ask({ kind: "close" }).catch(() => undefined);
    await this.#worker.terminate();
  }

  #ask(request: ThreadRequest): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(threadFailure(this.#ended));
    this.#worker.postMessage(request);
    return this.#reply();
  }

  #reply(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #end(error: unknown): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(threadFailure(this.#ended));
  }
}

function failureOf({ code, message }: NonNullable<ThreadReply["failed"]>): unknown {
  return isErrorCode(code) ? new AppError(code, message) : threadFailure(new Error(message));
}

function threadFailure(cause: unknown): AppError {
  const message = `writing the derived state: its thread failed: ${errorText(cause)}`;
  return new AppError("JOURNAL_WRITE_FAILED", message, { cause });
}
