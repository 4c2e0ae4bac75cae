/**
 * The worker of a store (wasm-store.ts): has the database open and runs the store's transactions in it, one
 * message each. An app's worker is two lines, so that the library stays the app's:
 *
 *     import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
 *     serveStore(sqlite3InitModule);
 */
import { AppError } from "../../base/errors.js";
import { wasmSqlite } from "../drivers/wasm-sqlite.js";
import { SchemaPool } from "./schema-pool.js";
import { sqliteStore } from "./sqlite-store.js";
import type { KeptChannel, Store } from "./store.js";
import {
  answerLine,
  askLine,
  type Argument,
  type CallName,
  type LineOpened,
  type LineRequest,
  type OpenOptions,
  type Outcome,
  plainError,
  type WorkerAnswer,
  type WorkerCalls,
  type WorkerRequest,
  type WorkerTaken,
} from "./wasm-messages.js";
import { type OpenPool, openPool, type Sqlite3 } from "./wasm-pool.js";
import { isWithoutRoom } from "./wasm-room.js";
import { readRows, runStatements } from "./wasm-statements.js";
import { storeError } from "./store-errors.js";

interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(told: WorkerAnswer | WorkerTaken): void;
}

/** Answers the page that started this worker. `init`: what the package `@sqlite.org/sqlite-wasm` exports. */
export function serveStore(init: () => Promise<Sqlite3>): void {
  const scope = globalThis as unknown as WorkerScope;
  const served = new ServedStore(init, () => {
    scope.postMessage({ taken: true });
  });
  scope.onmessage = ({ data: { id, call, argument } }) => {
    served.outcome(call, argument).then(
      (outcome) => {
        scope.postMessage({ id, ...outcome });
      },
      () => undefined,
    );
  };
}

interface Open {
  readonly sqlite3: Sqlite3;
  readonly pool: OpenPool;
  readonly store: Store;
  readonly line: BroadcastChannel;
}

class ServedStore {
  readonly #init: () => Promise<Sqlite3>;
  readonly #taken: () => void;
  readonly #schemas = new SchemaPool();
  #open: Open | undefined;
  /** One call after the other, whoever asks. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(init: () => Promise<Sqlite3>, taken: () => void) {
    this.#init = init;
    this.#taken = taken;
  }

  outcome(call: CallName, argument: unknown): Promise<Outcome> {
    const run = async (): Promise<Outcome> => {
      try {
        const calls = this.#calls as Readonly<Record<CallName, (argument: never) => unknown>>;
        return { value: await calls[call](argument as never) };
      } catch (error) {
        return { error: plainError(await this.#meant(error)) };
      }
    };
    const done = this.#line.then(run);
    this.#line = done;
    return done;
  }

  readonly #calls: {
    readonly [Name in CallName]: (
      argument: Argument<Name>,
    ) => ReturnType<WorkerCalls[Name]> | Promise<ReturnType<WorkerCalls[Name]>>;
  } = {
    open: (options) => this.#opened(options),
    check: (schema) => this.#store.check(this.#schemas.own(schema)),
    apply: (unit) => this.#store.apply(this.#schemas.ownUnit(unit)),
    stage: (batches) => this.#store.stage(this.#schemas.ownBatches(batches)),
    unstage: (channels) => this.#store.unstage(channels),
    detach: (channels) => this.#store.detach(channels),
    rows: (asked) => readRows(this.#mustBeOpen.sqlite3, this.#mustBeOpen.pool.database, asked),
    exec: (sql) => {
      runStatements(this.#mustBeOpen.sqlite3, this.#mustBeOpen.pool.database, sql);
    },
    close: () => {
      this.#close();
    },
  };

  get #mustBeOpen(): Open {
    if (this.#open !== undefined) return this.#open;
    throw storeError("CLIENT_STORE_TAKEN", "using the store: another tab has it open now");
  }

  get #store(): Store {
    return this.#mustBeOpen.store;
  }

  async #opened(options: OpenOptions): Promise<readonly KeptChannel[]> {
    const { name, durability, tables } = options;
    if (this.#open !== undefined) return this.#open.store.open();
    const sqlite3 = await this.#init();
    const taken = (): void => {
      this.#forget();
      this.#taken();
    };
    const pool = await openPool(sqlite3, { name, durability, taken });
    const store = sqliteStore(wasmSqlite(pool.database), { tables });
    const line = new BroadcastChannel(askLine(name));
    this.#open = { sqlite3, pool, store, line };
    const kept = await store.open();
    line.onmessage = ({ data }: MessageEvent<LineRequest | LineOpened>) => {
      if (!("opened" in data)) this.#answerTab(name, data);
    };
    line.postMessage({ opened: true } satisfies LineOpened);
    return kept;
  }

  #answerTab(name: string, { id, from, call, argument }: LineRequest): void {
    this.outcome(call, argument).then(
      (outcome) => {
        // Taken away meanwhile: the next one is asked again.
        if (this.#open === undefined) return;
        const line = new BroadcastChannel(answerLine(name, from));
        line.postMessage({ id, ...outcome } satisfies WorkerAnswer);
        line.close();
      },
      () => undefined,
    );
  }

  #close(): void {
    this.#open?.pool.close();
    this.#forget();
  }

  #forget(): void {
    this.#open?.line.close();
    this.#open = undefined;
  }

  /** What the failure is for the page: of a database that was closed meanwhile, and of one without room. */
  async #meant(error: unknown): Promise<unknown> {
    const cause = error instanceof AppError ? (error.cause ?? error) : error;
    const isOwn = error instanceof AppError && error.code !== "CLIENT_STORE_FAILED";
    if (isOwn && error.code !== "CLIENT_SQL_FAILED") return error;
    if (await isWithoutRoom(cause)) {
      return storeError("CLIENT_STORE_FULL", "the browser has no room left for the store", {
        cause,
      });
    }
    return error;
  }
}
