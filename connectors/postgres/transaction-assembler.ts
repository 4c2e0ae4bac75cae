/**
 * From the messages of the stream to batches: skips transactions that the journal holds, leaves out
 * tables that nobody reads, and cuts large transactions into parts, so that memory stays bounded
 * whatever their size. Pure: what it makes goes to `sink`; it asks for what it needs to know of a table.
 */
import type { Change, TransactionBatch } from "../../src/model/change.js";
import type { BeginMessage, RelationMessage } from "./pgoutput.js";
import type { ShownCommit } from "./history-proof.js";
import * as pgoutput from "./pgoutput.js";
import { RowMemory } from "./row-memory.js";
import { RowPlan } from "./row-plan.js";
import type { DescribedTable } from "./row-plan.js";
import { lsnOf, positionAfter, positionOf } from "./wal-position.js";

/** What a change takes besides its bytes: the objects around its values. */
const CHANGE_OVERHEAD_BYTES = 120;

/** What small transactions that came together may take as one batch: each would cost as much as hundreds of rows. */
const GATHERED_BYTES_MAX = 64 * 1024;

/** A part of a transaction: small beside what the pipeline gathers, large beside the cost of a batch. */
export const PART_BYTES_MAX = 256 * 1024;

export interface AssemblerOptions {
  /** Transactions at or below this position are skipped; "" for none. */
  readonly after: string;
  readonly partBytesMax?: number;
  /** `xids`: whose changes it holds. */
  readonly sink: (batch: TransactionBatch, xids: readonly number[]) => void;
  /** A commit was read, skipped or not. */
  readonly onCommit: (commit: ShownCommit) => void;
}

interface Table {
  readonly message: RelationMessage;
  /** Null: nobody reads it. Undefined: not known yet. */
  plan: RowPlan | null | undefined;
}

interface Gathered {
  /** Of the last one. */
  begin: BeginMessage;
  readonly xids: number[];
  readonly changes: Change[];
  bytes: number;
}

interface Open {
  readonly begin: BeginMessage;
  readonly isSkipped: boolean;
  part: number;
  changes: Change[];
  bytes: number;
  /** Oids of the tables with changes in it, where it is skipped. */
  readonly tables: Set<number>;
}

export class TransactionAssembler {
  readonly #options: AssemblerOptions;
  readonly #partBytesMax: number;
  readonly #tables = new Map<number, Table>();
  readonly #memory = new RowMemory();
  /** Transactions up to it are skipped; −1 for none. */
  readonly #after: bigint;
  #open: Open | undefined;
  #gathered: Gathered | undefined;
  #passed = 0n;

  constructor(options: AssemblerOptions) {
    this.#options = options;
    this.#partBytesMax = options.partBytesMax ?? PART_BYTES_MAX;
    this.#after = options.after === "" ? -1n : lsnOf(options.after);
  }

  get isInTransaction(): boolean {
    return this.#open !== undefined;
  }

  /** Names the transaction that is being read. */
  get xid(): number | undefined {
    return this.#open?.begin.xid;
  }

  /** Everything below this place has been read. */
  get passed(): bigint {
    return this.#passed;
  }

  /** Outside a transaction, the server says how far it has read. */
  pass(lsn: bigint): void {
    if (lsn > this.#passed) this.#passed = lsn;
  }

  /**
   * Takes one message, which stands in `bytes` between the two places and is not held. Returns the table that
   * must be described first: then nothing was taken, and the same message is fed again after `describe`.
   */
  feed(bytes: Buffer, from = 0, to = bytes.length): RelationMessage | undefined {
    switch (bytes[from]) {
      case pgoutput.tag.insert:
      case pgoutput.tag.update:
      case pgoutput.tag.delete:
        return this.#row(bytes, from, to);
      case pgoutput.tag.begin:
        this.#begin(pgoutput.readBegin(bytes.subarray(from, to)));
        return undefined;
      case pgoutput.tag.commit:
        this.#commit(pgoutput.readCommit(bytes.subarray(from, to)));
        return undefined;
      case pgoutput.tag.relation:
        this.#relation(pgoutput.readRelation(bytes.subarray(from, to)));
        return undefined;
      case pgoutput.tag.truncate:
        return this.#truncate(bytes.subarray(from, to));
      case pgoutput.tag.origin:
      case pgoutput.tag.type:
      case pgoutput.tag.message:
        return undefined;
      default:
        throw pgoutput.unreadable(`a message of kind ${String(bytes[from])}`);
    }
  }

  /** Null: no rule reads from it. */
  describe(message: RelationMessage, described: DescribedTable | null): void {
    const table = this.#tables.get(message.oid);
    if (table?.message !== message) return;
    table.plan = described === null ? null : new RowPlan(message, described);
  }

  #begin(begin: BeginMessage): void {
    if (this.#open !== undefined) throw pgoutput.unreadable("a transaction inside another");
    const isSkipped = begin.commitLsn < this.#after;
    const tables = isSkipped ? new Set<number>() : NO_TABLES;
    this.#open = { begin, isSkipped, part: 0, changes: [], bytes: 0, tables };
  }

  #commit({ commitLsn, endLsn }: pgoutput.CommitMessage): void {
    const open = this.#open;
    if (open === undefined || open.begin.commitLsn !== commitLsn) {
      throw pgoutput.unreadable("a commit without its begin");
    }
    if (open.part > 0) this.#emit(open, true);
    else if (open.changes.length > 0) this.#gather(open);
    this.#open = undefined;
    this.pass(endLsn);
    const { begin, tables } = open;
    this.#options.onCommit({ mark: () => markOf(begin), commitLsn, tables });
  }

  /** Replaces what was known: even an equal text may hide another key. Described when a row comes. */
  #relation(message: RelationMessage): void {
    this.#tables.set(message.oid, { message, plan: undefined });
  }

  #row(bytes: Buffer, from: number, to: number): RelationMessage | undefined {
    const open = this.#inside();
    const oid = pgoutput.oidOfRow(bytes, from);
    if (open.isSkipped) {
      open.tables.add(oid);
      return undefined;
    }
    const { message, plan } = this.#table(oid);
    if (plan === undefined) return message;
    if (plan === null) return undefined;
    const length = to - from;
    const kept = this.#memory.keep(bytes, from, to);
    this.#add(open, plan.change(kept.slab, kept.from, kept.from + length), length);
    return undefined;
  }

  #truncate(bytes: Buffer): RelationMessage | undefined {
    const open = this.#inside();
    const { oids } = pgoutput.readTruncate(bytes);
    if (open.isSkipped) {
      for (const oid of oids) open.tables.add(oid);
      return undefined;
    }
    const tables = oids.map((oid) => this.#table(oid));
    const unknown = tables.find(({ plan }) => plan === undefined);
    if (unknown !== undefined) return unknown.message;
    for (const { plan } of tables) {
      if (plan === null || plan === undefined) continue;
      const { relation, leaf } = plan;
      const change = { op: "truncate", relation } as const;
      this.#add(open, leaf === undefined ? change : { ...change, leaf }, 0);
    }
    return undefined;
  }

  #table(oid: number): Table {
    const table = this.#tables.get(oid);
    if (table === undefined) throw pgoutput.unreadable(`a row of an unknown table ${String(oid)}`);
    return table;
  }

  #inside(): Open {
    if (this.#open === undefined) throw pgoutput.unreadable("a change outside a transaction");
    return this.#open;
  }

  /** A full part goes only when more follows it, so that the last one always holds changes. */
  #add(open: Open, change: Change, bytes: number): void {
    if (open.bytes >= this.#partBytesMax) this.#emit(open, false);
    open.changes.push(change);
    open.bytes += bytes + CHANGE_OVERHEAD_BYTES;
  }

  /** A whole transaction. */
  #gather({ begin, changes, bytes }: Open): void {
    const gathered = this.#gathered;
    if (gathered === undefined || gathered.bytes + bytes > GATHERED_BYTES_MAX) {
      this.flush();
      this.#gathered = { begin, xids: [begin.xid], changes, bytes };
      return;
    }
    gathered.begin = begin;
    gathered.xids.push(begin.xid);
    for (const change of changes) gathered.changes.push(change);
    gathered.bytes += bytes;
  }

  /** Hands on what was gathered: before anything that comes behind it, and as soon as nothing more is at hand. */
  flush(): void {
    const gathered = this.#gathered;
    if (gathered === undefined) return;
    this.#gathered = undefined;
    const { begin, xids, changes, bytes } = gathered;
    const count = xids.length > 1 ? { count: xids.length } : {};
    const batch = { ...namesOf(begin), ...count, part: 0, last: true, changes, bytes };
    this.#options.sink(batch, xids);
  }

  #emit(open: Open, last: boolean): void {
    this.flush();
    const { begin, part, changes, bytes } = open;
    const batch = { ...namesOf(begin), part, last, changes, bytes };
    this.#options.sink(batch, part === 0 ? [begin.xid] : []);
    open.part += 1;
    open.changes = [];
    open.bytes = 0;
  }
}

const NO_TABLES: Set<number> = new Set();

function namesOf(
  begin: BeginMessage,
): Omit<TransactionBatch, "part" | "last" | "changes" | "bytes"> {
  return {
    kind: "transaction",
    transaction: String(begin.xid),
    position: positionAfter(begin.commitLsn),
    mark: markOf(begin),
    committedAt: begin.committedAt,
  };
}

/** Names one commit beyond doubt: a database restored to an earlier moment has another one at its place. */
export function markOf({ commitLsn, xid, commitTime }: BeginMessage): string {
  return `${positionOf(commitLsn)}-${String(xid)}-${String(commitTime)}`;
}
