/** A worker of a store as the page that started it sees it: calls with their answers. */
import { AppError } from "../../base/errors.js";
import {
  type Answer,
  appError,
  type Argument,
  type CallName,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerTaken,
} from "./wasm-messages.js";
import { storeError } from "./store-errors.js";

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: AppError) => void;
}

export class WorkerLine {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /** `ended`: another tab took the database, or the worker failed; nothing can be asked any more. */
  constructor(worker: Worker, ended: (error: AppError) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<WorkerAnswer | WorkerTaken>) => {
      if ("taken" in data) ended(taken());
      else this.#answered(data);
    };
    worker.onerror = (event) => {
      // A script that was not found says nothing.
      const reason = event.message || "it could not be loaded, or ended";
      ended(new AppError("CLIENT_STORE_FAILED", `the store's worker failed: ${reason}`));
    };
  }

  call<Name extends CallName>(call: Name, argument: Argument<Name>): Promise<Answer<Name>> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, argument } satisfies WorkerRequest);
    });
  }

  end(error: AppError): void {
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #answered(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting?.reject(appError(answer.error));
    else waiting?.resolve(answer.value as never);
  }
}

export function taken(): AppError {
  return storeError("CLIENT_STORE_TAKEN", "using the store: this tab does not have it open");
}
