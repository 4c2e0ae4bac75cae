/**
 * One connection attempt: provides what the database must hold, decides whether its history is the one that
 * the journal knows, and starts the stream. What the database never tells the stream (a table taken out
 * of the publication, a partition detached) is looked for while it runs: then the session ends, and the
 * next one decides anew.
 */
import type { Client } from "pg";
import { sleep } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import type { Relation, SourceBatch } from "../../src/model/change.js";
import { channelMatches } from "../../src/model/channel.js";
import type { Problem } from "../../src/model/problem.js";
import type {
  CopyPower,
  OpenContext,
  SourceLag,
  SourceSession,
} from "../../src/connector/connector.js";
import { ChangeStream } from "./change-stream.js";
import type { ChangeStreamOptions } from "./change-stream.js";
import type { Connecting, ConnectionTarget } from "./connection.js";
import { ControlConnection } from "./control-connection.js";
import { judgeHistory, memoText, restoredWhy, unseenOf } from "./history.js";
import type { Memo, Proof, SlotFacts, Verdict } from "./history.js";
import * as provision from "./provision.js";
import type { ProvisionContext, ProvisionOptions } from "./provision.js";
import type { RelationMessage } from "./pgoutput.js";
import { identifySystem } from "./replication-stream.js";
import type { SystemFacts } from "./replication-stream.js";
import type { DescribedTable } from "./row-plan.js";
import { isVisible, SeenTransactions } from "./seen-transactions.js";
import { lsnOf } from "./wal-position.js";

/** Tables named in the memo, which has its bound; beyond, a table that was out of the publication for a while is not noticed. */
const MEMO_TABLES_MAX = 20_000;

/** A commit is visible within milliseconds, unless it waits for a standby. */
const SNAPSHOT_MS = 200;

/** Drift is rare, and what it costs grows with the time it is not seen. */
const RECONCILE_MS = 60_000;

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

type Context = OpenContext<Connecting & ProvisionOptions>;

export async function openSession(context: Context, parts: SessionParts): Promise<SourceSession> {
  const { options, clock, signal } = context;
  const applicationName = `changecast ${context.source}`;
  const system = await identifySystem({ ...options, applicationName, clock }, signal);
  const connecting = { connecting: options, applicationName, clock };
  const control = await ControlConnection.open(connecting, signal);
  try {
    const connection = await settleTls(options.connection, control);
    const opening = new Opening(
      { ...context, options: { ...options, connection } },
      parts,
      control,
    );
    return await opening.open(system);
  } catch (error) {
    await control.close();
    throw error;
  }
}

/** The stream's driver does not fall back: it is told what `prefer` came to. */
async function settleTls(
  connection: ConnectionTarget,
  control: ControlConnection,
): Promise<ConnectionTarget> {
  if (connection.tls.mode !== "prefer") return connection;
  const asked = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
  const [row] = await control.rows("asking whether the connection is encrypted", asked);
  const mode = row?.["ssl"] === "true" ? "require" : "disable";
  return { ...connection, tls: { ...connection.tls, mode } };
}

class Opening {
  readonly #context: Context;
  readonly #parts: SessionParts;
  readonly #control: ControlConnection;
  readonly #provision: ProvisionContext;

  constructor(context: Context, parts: SessionParts, control: ControlConnection) {
    const { options, clock, signal } = context;
    this.#context = context;
    this.#parts = parts;
    this.#control = control;
    this.#provision = { control, options, clock, signal };
  }

  async open(system: SystemFacts): Promise<PostgresSession> {
    const { resume, relations: patterns } = this.#context;
    await provision.assertLogical(this.#control);
    const tables = await this.#control.use("reading the catalogue", (client) =>
      this.#parts.catalog.load(client, patterns),
    );
    const oids = tables.map(({ oid }) => oid);
    // Before anything is created: a slot that is not ours to use must not leave a publication behind.
    const slot = await this.#findSlot();
    const publication = await provision.providePublication(this.#provision, oids);
    const memo: Memo = {
      ...{ system: system.system, timeline: system.timeline, publication: publication.oid },
      tables: oids.slice(0, MEMO_TABLES_MAX),
    };
    const { unpublished } = publication;
    const judged = judgeHistory(resume, { memo, slot, head: system.head, unpublished });
    const verdict = publication.isNew ? withNewSlot(judged) : judged;
    const confirmed = await this.#provideSlot(verdict, slot);
    const isKept = verdict.kind === "continues" || !verdict.replace;
    if (isKept && unpublished.length + Number(verdict.kind !== "continues") > 0) {
      await provision.awaitOlderWriters(this.#provision, publication.oid);
    }
    const started = await this.#start(verdict, confirmed);
    return new PostgresSession({
      ...{ context: this.#context, parts: this.#parts, control: this.#control },
      ...{ memo, relations: tables.map(({ relation }) => relation), publication: publication.oid },
      ...started,
    });
  }

  async #findSlot(): Promise<SlotFacts | undefined> {
    const slot = await provision.findSlot(this.#provision);
    const isBroken = this.#parts.broken.has(slotKey(this.#context.options));
    return slot === undefined || !isBroken || slot.fault !== undefined
      ? slot
      : { ...slot, fault: "the slot could not be read" };
  }

  async #provideSlot(verdict: Verdict, slot: SlotFacts | undefined): Promise<bigint> {
    if (verdict.kind === "continues" || !verdict.replace) return slot?.confirmed ?? 0n;
    const why = verdict.kind === "lost" ? verdict.why : (slot?.fault ?? "there is none");
    const exists = slot !== undefined;
    const confirmed = await provision.replaceSlot(this.#provision, { exists, why });
    this.#parts.broken.delete(slotKey(this.#context.options));
    return confirmed;
  }

  /** A stream that does not show the last commit again is another history: it is read anew, from the slot's place. */
  async #start(verdict: Verdict, confirmed: bigint): Promise<Started> {
    const { resume, signal, source } = this.#context;
    const generation = resume?.generation ?? 1;
    if (verdict.kind === "continues" && resume !== undefined) {
      const stream = this.#stream(resume.position, confirmed, verdict.proof);
      if (await startOrClose(stream, signal)) return { stream, generation, lost: undefined };
      await stream.close();
      // The server may need a moment to let go of the slot.
      await provision.findSlot(this.#provision);
    }
    const stream = this.#stream("", confirmed, undefined);
    await startOrClose(stream, signal);
    if (verdict.kind === "first") return { stream, generation, lost: undefined };
    const why = verdict.kind === "lost" ? verdict.why : restoredWhy;
    return { stream, generation: generation + 1, lost: historyLost(source, why) };
  }

  #stream(after: string, confirmed: bigint, proof: Proof | undefined): ChangeStream {
    const { options, source, clock, relations: patterns } = this.#context;
    const { catalog } = this.#parts;
    const control = this.#control;
    const streaming: ChangeStreamOptions = {
      ...{ connection: options.connection, applicationName: `changecast ${source}`, clock },
      ...{ slot: options.slot, publication: options.publication, after, confirmed, proof },
      head: () => control.head(),
      describe: async (message, xid) => {
        await this.#visible(xid);
        const described = await control.use("reading the catalogue", (client) =>
          catalog.describe(client, message),
        );
        const { name } = described.relation;
        return patterns.some((pattern) => channelMatches(pattern, name)) ? described : null;
      },
    };
    return new ChangeStream(streaming);
  }

  /** A commit is streamed before snapshots show it: the catalogue must not be older than the change. */
  async #visible(xid: number): Promise<void> {
    const { clock, signal } = this.#context;
    for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, SNAPSHOT_MS)) {
      if (isVisible(await snapshotOf(this.#control), xid)) return;
      await sleep(clock, delayMs, signal);
    }
  }
}

interface Started {
  readonly stream: ChangeStream;
  readonly generation: number;
  readonly lost: Problem | undefined;
}

interface SessionState extends Started {
  readonly context: Context;
  readonly parts: SessionParts;
  readonly control: ControlConnection;
  readonly memo: Memo;
  readonly relations: readonly Relation[];
  readonly publication: string;
}

class PostgresSession implements SourceSession {
  readonly generation: number;
  readonly lost: Problem | undefined;
  readonly relations: readonly Relation[];
  readonly copy?: CopyPower;
  readonly #state: SessionState;
  readonly #memo: Memo;
  readonly #seen: SeenTransactions;
  readonly #life = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(state: SessionState) {
    const { generation, lost, relations, parts, memo } = state;
    this.generation = generation;
    this.lost = lost;
    this.relations = relations;
    this.#state = state;
    this.#memo = memo;
    // Another history has other transactions: those of the old one might never become visible.
    const { resume } = state.context;
    const isSame = resume?.generation === generation;
    this.#seen = new SeenTransactions(isSame ? unseenOf(resume) : []);
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
        const batch = await stream.next(signal);
        // Before it is yielded: a chunk that is asked for afterwards has to show it.
        if (batch.kind === "transaction" && batch.part === 0)
          this.#seen.add(Number(batch.transaction));
        yield batch;
      }
    } catch (error) {
      if (error instanceof AppError && error.code === "POSTGRES_SLOT_BROKEN") {
        parts.broken.add(slotKey(context.options));
      }
      throw error;
    }
  }

  acknowledge(position: string): void {
    this.#state.stream.acknowledge(position);
  }

  memo(): string {
    return memoText({ ...this.#memo, unseen: this.#seen.xids });
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
        this.#seen.areVisible(await snapshotOf(control));
      }
    } catch (error) {
      if (!signal.aborted) stream.fail(error);
    }
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
        const drift = await provision.publicationDrift(control, options.publication, known);
        if (drift === undefined) continue;
        throw new AppError("CONNECTOR_CONNECTION_LOST", `reading the source ${source}: ${drift}`);
      }
    } catch (error) {
      if (!signal.aborted) stream.fail(error);
    }
  }
}

/** One slot of one server, in this process. */
export function slotKey({ connection, slot }: Connecting & ProvisionOptions): string {
  return JSON.stringify([connection.host, connection.port, connection.database, slot]);
}

async function snapshotOf(control: ControlConnection): Promise<string> {
  const sql = "select pg_current_snapshot()::text as now";
  const [row] = await control.rows("taking a snapshot", sql);
  return row?.["now"] ?? "";
}

async function startOrClose(stream: ChangeStream, signal: AbortSignal): Promise<boolean> {
  try {
    return await stream.start(signal);
  } catch (error) {
    await stream.close();
    throw error;
  }
}

/** A slot that is older than its publication can't decode what lies between them. */
function withNewSlot(verdict: Verdict): Verdict {
  if (verdict.kind !== "continues") return { ...verdict, replace: true };
  return { kind: "lost", why: "the publication was dropped or made anew", replace: true };
}

function historyLost(source: string, why: string): Problem {
  return {
    code: "POSTGRES_HISTORY_LOST",
    level: "warning",
    message: `the history of ${source} is not the one that was read before: ${why}`,
    cure: "Nothing: its tables are copied again, and clients get the difference.",
  };
}
