/** A session that runs: hands on what the stream brings, and copies beside it. */
import { raceAbort } from "../../src/base/abort.js";
import { AppError, errorText } from "../../src/base/errors.js";
import type { Relation, SourceBatch } from "../../src/model/change.js";
import type { Problem } from "../../src/model/problem.js";
import type { CopyPower, SourceLag, SourceSession } from "../../src/connector/connector.js";
import { closeClient, headOf, type Deployment } from "./deployment.js";
import { failureOf, isHistoryLost } from "./failures.js";
import { memoText, type Memo } from "./history.js";
import type { ResumingStream } from "./resuming-stream.js";
import { placeOf, secondsOf } from "./stream-position.js";
import type { TransactionMaker } from "./transaction-maker.js";

export interface SessionState {
  readonly source: string;
  readonly generation: number;
  readonly lost: Problem | undefined;
  readonly relations: readonly Relation[];
  readonly deployment: Deployment;
  readonly stream: ResumingStream;
  readonly maker: TransactionMaker;
  readonly memo: Omit<Memo, "ahead">;
  readonly copy: CopyPower;
  readonly life: AbortController;
}

export class MongodbSession implements SourceSession {
  readonly generation: number;
  readonly lost: Problem | undefined;
  readonly relations: readonly Relation[];
  readonly copy: CopyPower;
  readonly #state: SessionState;
  #closing: Promise<void> | undefined;

  constructor(state: SessionState) {
    this.generation = state.generation;
    this.lost = state.lost;
    this.relations = state.relations;
    this.copy = state.copy;
    this.#state = state;
  }

  async *read(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const { stream, maker, source } = this.#state;
    try {
      for (;;) {
        const batch = await raceAbort(stream.next(), signal);
        yield* maker.take(batch);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw streamFailure(error, source);
    }
  }

  /** The oplog keeps what it keeps: there is nobody to tell. */
  acknowledge(): void {
    return;
  }

  memo(): string {
    const { memo, maker } = this.#state;
    return memoText({ ...memo, ahead: maker.ahead });
  }

  async lag(position: string): Promise<SourceLag | undefined> {
    if (position === "") return undefined;
    const { deployment, source } = this.#state;
    const { client, readPreference } = deployment;
    try {
      const head = await headOf(client.db("admin"), readPreference);
      const seconds = secondsOf(head) - secondsOf(placeOf(position).time);
      return { ms: Math.max(0, seconds * 1000) };
    } catch (error) {
      throw failureOf(error, `asking where the deployment of ${source} stands`);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { stream, deployment, life } = this.#state;
    life.abort(new Error("closed"));
    await stream.close();
    await closeClient(deployment.client);
  }
}

function streamFailure(error: unknown, source: string): AppError {
  if (!isHistoryLost(error)) return failureOf(error, `reading ${source}`);
  const message = `reading ${source}: ${errorText(error)}`;
  return new AppError("PIPELINE_SOURCE_RESYNC", message, { cause: error });
}
