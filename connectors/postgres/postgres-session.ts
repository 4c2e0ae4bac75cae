/**
 * A session that runs: hands the stream's batches on, and looks beside it for what the database never tells
 * the stream (a table taken out of the publication, a partition detached). Then it ends, and the next one
 * decides anew.
 */
import type { Client } from "pg";
import { sleep } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import type { Relation, SourceBatch } from "../../src/model/change.js";
import type { Problem } from "../../src/model/problem.js";
import type {
  CopyPower,
  OpenContext,
  SourceLag,
  SourceSession,
} from "../../src/connector/connector.js";
import type { ChangeStream } from "./change-stream.js";
import type { Connecting } from "./connection.js";
import type { ControlConnection } from "./control-connection.js";
import { memoText, seenOf } from "./history.js";
import type { Memo } from "./history.js";
import { originDrift, readOrigins } from "./origins.js";
import type { Origins, OriginTable } from "./origins.js";
import type { ProvisionOptions } from "./provision.js";
import type { RelationMessage } from "./pgoutput.js";
import type { DescribedTable } from "./row-plan.js";
import { SeenTransactions } from "./seen-transactions.js";
import { publicationDrift } from "./publication.js";
import { findTables } from "./publishable.js";
import { lsnOf } from "./wal-position.js";

/** A commit is visible within milliseconds, unless it waits for a standby. */
const SNAPSHOT_MS = 200;

/** Drift is rare, and what it costs grows with the time it is not seen. */
const RECONCILE_MS = 15_000;

/** A table that rules read, by its root. */
export interface WantedTable {
  readonly oid: string;
  readonly relation: Relation;
}

/** Who knows tables, types and values. */
export interface SourceCatalog {
  /** What the patterns match now. */
  load(client: Client, patterns: readonly string[]): Promise<readonly WantedTable[]>;
  /** The table of a message of the stream, which may be gone or changed by now. */
  describe(client: Client, message: RelationMessage): Promise<DescribedTable>;
}

export interface SessionParts {
  readonly catalog: SourceCatalog;
  /** Slots that broke in this process, by `slotKey`: the next session replaces them. */
  readonly broken: Set<string>;
  readonly copy?: (session: CopyAccess) => CopyPower;
  readonly reconcileMs?: number;
}

/** What a copy may use of the session. */
export interface CopyAccess {
  /** What the stream has yielded. */
  readonly seen: SeenTransactions;
  /** Aborted when the session is closed. */
  readonly ended: AbortSignal;
}

export type Context = OpenContext<Connecting & ProvisionOptions>;

export interface Started {
  readonly stream: ChangeStream;
  readonly generation: number;
  readonly lost: Problem | undefined;
}

export interface SessionState extends Started {
  readonly context: Context;
  readonly parts: SessionParts;
  readonly control: ControlConnection;
  readonly memo: Memo;
  readonly tables: readonly WantedTable[];
  readonly origins: Origins;
  readonly publication: string;
}

export class PostgresSession implements SourceSession {
  readonly generation: number;
  readonly lost: Problem | undefined;
  readonly relations: readonly Relation[];
  readonly origins: Origins;
  readonly copy?: CopyPower;
  readonly #state: SessionState;
  readonly #memo: Memo;
  readonly #seen: SeenTransactions;
  readonly #life = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(state: SessionState) {
    const { generation, lost, tables, origins, parts, memo } = state;
    this.generation = generation;
    this.lost = lost;
    this.relations = tables.map(({ relation }) => relation);
    this.origins = origins;
    this.#state = state;
    this.#memo = memo;
    // Another history has other transactions: those of the old one might never become visible.
    const { resume } = state.context;
    const isSame = resume?.generation === generation;
    this.#seen = isSame ? seenOf(resume) : new SeenTransactions();
    const copy = parts.copy?.({ seen: this.#seen, ended: this.#life.signal });
    if (copy !== undefined) this.copy = this.#hurried(copy);
  }

  async *read(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const { stream, parts, context } = this.#state;
    // Both tell the stream of their failures.
    this.#reconcile().catch(() => undefined);
    this.#forgetVisible().catch(() => undefined);
    try {
      for (;;) {
        const { batch, xids } = await stream.next(signal);
        // Before it is yielded: a chunk that is asked for afterwards has to show it.
        for (const xid of xids) this.#seen.add(xid);
        yield batch;
      }
    } catch (error) {
      noteBroken(parts, context.options, error);
      throw error;
    }
  }

  acknowledge(position: string): void {
    this.#state.stream.acknowledge(position);
  }

  memo(): string {
    const { xids: unseen, beyond } = this.#seen;
    return memoText({ ...this.#memo, unseen, ...(beyond === undefined ? {} : { beyond }) });
  }

  async lag(position: string): Promise<SourceLag> {
    const head = await this.#state.control.head();
    const bytes = position === "" ? 0n : head - lsnOf(position);
    return { bytes: Math.max(0, Number(bytes)) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#life.abort(new Error("closed"));
    await this.#state.stream.close();
    await this.#state.control.close();
  }

  /** The pipeline holds a chunk until the stream has passed its `hi`: an idle server has to be asked. */
  #hurried(copy: CopyPower): CopyPower {
    return {
      estimate: (relation) => copy.estimate(relation),
      chunk: async (request, signal) => {
        const chunk = await copy.chunk(request, signal);
        this.#state.stream.hurry(chunk.hi);
        return chunk;
      },
    };
  }

  /** Keeps the list of transactions that no snapshot has shown short: it rides in every commit. */
  async #forgetVisible(): Promise<void> {
    const { stream, context, control } = this.#state;
    const { signal } = this.#life;
    try {
      for (;;) {
        await sleep(context.clock, SNAPSHOT_MS, signal);
        if (this.#seen.count === 0) continue;
        const sql = "select pg_current_snapshot()::text as now";
        const [row] = await control.rows("taking a snapshot", sql);
        this.#seen.areVisible(row?.["now"] ?? "");
      }
    } catch (error) {
      if (!signal.aborted) stream.fail(error);
    }
  }

  /** Tables may have come, too, that the patterns match. */
  async #originDrift(): Promise<string | undefined> {
    const { context, control, origins } = this.#state;
    const { publication } = context.options;
    const { fit } = await findTables(control, publication, context.relations);
    return originDrift(origins, await readOrigins(control, publication, fit));
  }

  /** Ends the session when the database is not as it was provided any more. */
  async #reconcile(): Promise<void> {
    const { stream, context, parts, control, publication, memo } = this.#state;
    const { clock, options, source } = context;
    const { signal } = this.#life;
    try {
      for (;;) {
        await sleep(clock, parts.reconcileMs ?? RECONCILE_MS, signal);
        const known = { oid: publication, tables: memo.tables };
        const drift =
          (await publicationDrift(control, options.publication, known)) ??
          (await this.#originDrift());
        if (drift === undefined) continue;
        throw new AppError("CONNECTOR_CONNECTION_LOST", `reading the source ${source}: ${drift}`);
      }
    } catch (error) {
      if (!signal.aborted) stream.fail(error);
    }
  }
}

export function named(tables: readonly WantedTable[]): OriginTable[] {
  return tables.map(({ oid, relation }) => ({ oid, name: relation.name }));
}

/** The next session makes a slot anew that could not be read. */
export function noteBroken(
  { broken }: SessionParts,
  options: Context["options"],
  error: unknown,
): void {
  if (error instanceof AppError && error.code === "POSTGRES_SLOT_BROKEN") {
    broken.add(slotKey(options));
  }
}

/** One slot of one server, in this process. */
export function slotKey({ connection, slot }: Connecting & ProvisionOptions): string {
  return JSON.stringify([connection.host, connection.port, connection.database, slot]);
}
