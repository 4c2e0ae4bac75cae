/**
 * One connection attempt: provides what the database must hold, decides whether its history is the one that
 * the journal knows, and starts the stream. What the database never tells the stream (a table taken out
 * of the publication, a partition detached) is looked for while it runs: then the session ends, and the
 * next one decides anew.
 */
import { sleep } from "../../src/base/abort.js";
import { channelMatches } from "../../src/model/channel.js";
import type { Problem } from "../../src/model/problem.js";
import type { SourceSession } from "../../src/connector/connector.js";
import { ChangeStream } from "./change-stream.js";
import type { ChangeStreamOptions } from "./change-stream.js";
import type { ConnectionTarget } from "./connection.js";
import { ControlConnection } from "./control-connection.js";
import { judgeHistory, restoredWhy, tablesOf } from "./history.js";
import type { Memo, SlotFacts, Verdict } from "./history.js";
import type { Proof } from "./history-proof.js";
import * as provision from "./provision.js";
import { readOrigins } from "./origins.js";
import type { ProvisionContext } from "./provision.js";
import type { RelationMessage } from "./pgoutput.js";
import { identifySystem } from "./replication-stream.js";
import type { SystemFacts } from "./replication-stream.js";
import { isVisible } from "./seen-transactions.js";
import { awaitOlderWriters, providePublication } from "./publication.js";
import { findTables } from "./publishable.js";
import { named, noteBroken, PostgresSession, slotKey } from "./postgres-session.js";
import type { Context, SessionParts, Started, WantedTable } from "./postgres-session.js";

/** Longest pause between two looks at who alters a table. */
const SNAPSHOT_MS = 200;

/**
 * Oids in the memo, beside at most 10,000 transactions (seen-transactions.ts), together below its bound; of
 * a table beyond them only the origin tells that it was out of the publication for a while.
 */
const MEMO_TABLES_CHARS_MAX = 100_000;

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
    noteBroken(parts, options, error);
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
    const { options, resume } = this.#context;
    await provision.assertLogical(this.#control);
    const tables = await this.#tables();
    const oids = tables.map(({ oid }) => oid);
    // Before anything is created: a slot that is not ours to use must not leave a publication behind.
    const slot = await this.#findSlot();
    const publication = await providePublication(this.#provision, oids);
    const memo: Memo = {
      ...{ system: system.system, timeline: system.timeline, publication: publication.oid },
      tables: remembered(oids),
    };
    const { unpublished } = publication;
    const judged = judgeHistory(resume, { memo, slot, head: system.head, unpublished });
    const verdict = publication.isNew ? withNewSlot(judged) : judged;
    const confirmed = await this.#provideSlot(verdict, slot);
    const isKept = verdict.kind === "continues" || !verdict.replace;
    if (isKept && unpublished.length + Number(verdict.kind !== "continues") > 0) {
      await awaitOlderWriters(this.#provision, publication.oid);
    }
    // Before the stream: what comes and goes later is seen as a difference.
    const origins = await readOrigins(this.#control, options.publication, named(tables));
    const started = await this.#start(verdict, confirmed);
    return new PostgresSession({
      ...{ context: this.#context, parts: this.#parts, control: this.#control },
      ...{ memo, tables, origins, publication: publication.oid },
      ...started,
    });
  }

  async #tables(): Promise<readonly WantedTable[]> {
    const { options, relations: patterns, log } = this.#context;
    const tables = await this.#control.use("reading the catalogue", (client) =>
      this.#parts.catalog.load(client, patterns),
    );
    const { unfit } = await findTables(this.#control, options.publication, patterns);
    if (unfit.length === 0) return tables;
    const cure = "Give them a primary key.";
    log.warn("postgres.tables.left-out", { tables: unfit.map(({ name }) => name), cure });
    const left = new Set(unfit.map(({ oid }) => oid));
    return tables.filter(({ oid }) => !left.has(oid));
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
      wereRead: (tables) => this.#wereRead(tables),
      describe: async (message, xid) => {
        await this.#settled(message, xid);
        const described = await control.use("reading the catalogue", (client) =>
          catalog.describe(client, message),
        );
        const { name } = described.relation;
        return patterns.some((pattern) => channelMatches(pattern, name)) ? described : null;
      },
    };
    return new ChangeStream(streaming);
  }

  /** By their roots; a table that rules read only since then is none of them. */
  async #wereRead(tables: readonly number[]): Promise<boolean> {
    const { resume } = this.#context;
    const known = resume === undefined ? [] : tablesOf(resume);
    const sql = `select 1 from unnest($1::text[]) t (oid)
      where coalesce(pg_partition_root(t.oid::oid::regclass)::oid, t.oid::oid)::text = any ($2::text[])`;
    const found = await this.#control.rows("asking for partitioned tables", sql, [
      tables.map(String),
      known,
    ]);
    return found.length > 0;
  }

  /**
   * A commit is streamed before snapshots show it: the catalogue could be older than the change. Who alters
   * a table holds its lock until snapshots show that; others need not be waited for.
   */
  async #settled({ oid }: RelationMessage, xid: number): Promise<void> {
    const { clock, signal } = this.#context;
    const sql = `select pg_current_snapshot()::text as now, exists (
        select 1 from pg_locks where relation = $1::int8::oid and granted
           and mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
           and database = (select oid from pg_database where datname = current_database())
      )::text as altered`;
    for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, SNAPSHOT_MS)) {
      const [row] = await this.#control.rows("asking who alters a table", sql, [oid]);
      if (row?.["altered"] !== "true" || isVisible(row["now"] ?? "", xid)) return;
      await sleep(clock, delayMs, signal);
    }
  }
}

function remembered(oids: readonly string[]): readonly string[] {
  let chars = 0;
  return oids.filter((oid) => {
    chars += oid.length + 3;
    return chars <= MEMO_TABLES_CHARS_MAX;
  });
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
