/**
 * The messages of the output plug-in `pgoutput`, protocol version 1, as bytes. Numbers are unsigned,
 * values stay text. It knows no tables: whoever reads a row brings the plan for it.
 */
import { AppError } from "../../src/base/errors.js";

export const tag = {
  begin: 0x42,
  commit: 0x43,
  origin: 0x4f,
  relation: 0x52,
  type: 0x59,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
  message: 0x4d,
} as const;

/** What stands before a tuple: the new row, the old key, the whole old row. */
const NEW = 0x4e;
const OLD_KEY = 0x4b;
const OLD_ROW = 0x4f;

/** What a cell is. */
const TEXT = 0x74;
const NULL = 0x6e;
const UNCHANGED = 0x75;

/** Before the first tuple of a row: the message's kind and its table. */
const ROW_HEADER_BYTES = 5;

/** Postgres counts from 2000-01-01. */
const EPOCH_MS = 946_684_800_000;

export interface BeginMessage {
  /** Where the commit is written. */
  readonly commitLsn: bigint;
  /** Microseconds since 2000-01-01. */
  readonly commitTime: bigint;
  readonly committedAt: number;
  readonly xid: number;
}

export interface CommitMessage {
  readonly commitLsn: bigint;
  /** Just behind the commit. */
  readonly endLsn: bigint;
  readonly commitTime: bigint;
}

/** A table as it was when the change was made. */
export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** d (primary key), i (an index), f (the whole row), n (nothing). */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  /** Belongs to the replica identity. */
  readonly isKey: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface TruncateMessage {
  readonly oids: readonly number[];
}

/** One cell: text, null, or undefined for "unchanged, not sent". */
export type Cell = string | null | undefined;

export interface RowMessage {
  /** Only the identity's columns are to be believed. */
  readonly oldKey: readonly Cell[] | undefined;
  readonly oldRow: readonly Cell[] | undefined;
  readonly newRow: readonly Cell[] | undefined;
}

/** As the server counts. */
export function microseconds(epochMs: number): bigint {
  return BigInt(Math.floor(epochMs - EPOCH_MS)) * 1_000n;
}

export function readBegin(bytes: Buffer): BeginMessage {
  const commitTime = bytes.readBigInt64BE(9);
  return {
    commitLsn: bytes.readBigUInt64BE(1),
    commitTime,
    committedAt: EPOCH_MS + Number(commitTime / 1_000n),
    xid: bytes.readUInt32BE(17),
  };
}

export function readCommit(bytes: Buffer): CommitMessage {
  return {
    commitLsn: bytes.readBigUInt64BE(2),
    endLsn: bytes.readBigUInt64BE(10),
    commitTime: bytes.readBigInt64BE(18),
  };
}

export function readRelation(bytes: Buffer): RelationMessage {
  const oid = bytes.readUInt32BE(1);
  const schema = textAt(bytes, 5);
  const table = textAt(bytes, schema.next);
  const replicaIdentity = String.fromCharCode(bytes.readUInt8(table.next));
  const count = bytes.readUInt16BE(table.next + 1);
  const columns: RelationColumn[] = [];
  let at = table.next + 3;
  for (let n = 0; n < count; n += 1) {
    const isKey = (bytes.readUInt8(at) & 1) === 1;
    const name = textAt(bytes, at + 1);
    const typeOid = bytes.readUInt32BE(name.next);
    const typeModifier = bytes.readInt32BE(name.next + 4);
    columns.push({ name: name.text, isKey, typeOid, typeModifier });
    at = name.next + 8;
  }
  // An empty name stands for pg_catalog.
  const schemaName = schema.text === "" ? "pg_catalog" : schema.text;
  return { oid, schema: schemaName, table: table.text, replicaIdentity, columns };
}

export function readTruncate(bytes: Buffer): TruncateMessage {
  const count = bytes.readUInt32BE(1);
  const oids = Array.from({ length: count }, (_, at) => bytes.readUInt32BE(6 + 4 * at));
  return { oids };
}

/** Which table a row message is about, without reading the row. */
export function oidOfRow(bytes: Buffer, from: number): number {
  return bytes.readUInt32BE(from + 1);
}

/** An insert, update or delete, which stands in `bytes` between the two places. */
export function readRow(bytes: Buffer, from: number, to: number): RowMessage {
  const reader = new TupleReader(bytes, from + ROW_HEADER_BYTES, to);
  let oldKey: readonly Cell[] | undefined;
  let oldRow: readonly Cell[] | undefined;
  let newRow: readonly Cell[] | undefined;
  while (!reader.isDone) {
    const kind = reader.kind();
    if (kind === NEW) newRow = reader.tuple();
    else if (kind === OLD_KEY) oldKey = reader.tuple();
    else if (kind === OLD_ROW) oldRow = reader.tuple();
    else throw unreadable(`a row with a part of kind ${String(kind)}`);
  }
  return { oldKey, oldRow, newRow };
}

/** Whether the message holds a new row and nothing besides, as inserts and nearly all updates do. */
export function isNewRowOnly(bytes: Buffer, from: number): boolean {
  return bytes[from + ROW_HEADER_BYTES] === NEW;
}

/** The cells of a message that holds a new row only. */
export function readNewRow(bytes: Buffer, from: number, to: number): readonly Cell[] {
  return new TupleReader(bytes, from + ROW_HEADER_BYTES + 1, to).tuple();
}

/** Where the cells of such a message stand; `see` is told nothing of an unchanged one, and 0 and 0 of NULL. */
export function eachNewCell(
  bytes: Buffer,
  from: number,
  see: (column: number, from: number, to: number) => void,
): void {
  let at = from + ROW_HEADER_BYTES + 3;
  const count = bytes.readUInt16BE(at - 2);
  for (let n = 0; n < count; n += 1) {
    const kind = bytes[at];
    at += 1;
    if (kind === TEXT) {
      const begin = at + 4;
      at = begin + bytes.readUInt32BE(at);
      see(n, begin, at);
    } else if (kind === NULL) see(n, 0, 0);
  }
}

/** One told cell of such a message. */
export function readNewCell(bytes: Buffer, from: number, column: number): string | null {
  // Behind the kind of the tuple and the count of its cells.
  let at = from + ROW_HEADER_BYTES + 3;
  for (let n = 0; n < column; n += 1) {
    at += bytes[at] === TEXT ? 5 + bytes.readUInt32BE(at + 1) : 1;
  }
  if (bytes[at] !== TEXT) return null;
  return bytes.toString("utf8", at + 5, at + 5 + bytes.readUInt32BE(at + 1));
}

/** The kinds of its cells, without their values: whether all are told. Throws where the message is not what it should be. */
export function checkNewRow(
  bytes: Buffer,
  { from, to }: { readonly from: number; readonly to: number },
  check: (column: number, isTold: boolean) => void,
): boolean {
  let at = from + ROW_HEADER_BYTES + 1;
  const count = bytes.readUInt16BE(at);
  at += 2;
  let isWhole = true;
  for (let n = 0; n < count; n += 1) {
    const kind = bytes[at];
    at += 1;
    if (kind === TEXT) at += 4 + bytes.readUInt32BE(at);
    else if (kind !== NULL && kind !== UNCHANGED) throw unreadableCell(kind);
    // Beyond the end stands another message.
    if (at > to) throw unreadable("a value that is cut off");
    if (kind === UNCHANGED) isWhole = false;
    check(n, kind !== UNCHANGED);
  }
  if (at !== to) throw unreadable("a row that is followed by something");
  return isWhole;
}

export function unreadable(found: string): AppError {
  return new AppError("POSTGRES_SLOT_BROKEN", `decoding the replication stream: found ${found}`);
}

function unreadableCell(kind: number | undefined): AppError {
  return unreadable(`a value of kind ${String(kind)}`);
}

class TupleReader {
  readonly #bytes: Buffer;
  readonly #to: number;
  #at: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#to = to;
  }

  get isDone(): boolean {
    return this.#at >= this.#to;
  }

  kind(): number {
    const kind = this.#bytes.readUInt8(this.#at);
    this.#at += 1;
    return kind;
  }

  tuple(): Cell[] {
    const bytes = this.#bytes;
    const count = bytes.readUInt16BE(this.#at);
    let at = this.#at + 2;
    const cells = new Array<Cell>(count);
    for (let n = 0; n < count; n += 1) {
      const kind = bytes[at];
      at += 1;
      if (kind === NULL) cells[n] = null;
      else if (kind === UNCHANGED) cells[n] = undefined;
      else if (kind === TEXT) {
        const length = bytes.readUInt32BE(at);
        at += 4 + length;
        // Beyond the end stands another message.
        if (at > this.#to) throw unreadable("a value that is cut off");
        cells[n] = bytes.toString("utf8", at - length, at);
      } else throw unreadableCell(kind);
    }
    this.#at = at;
    return cells;
  }
}

function textAt(bytes: Buffer, at: number): { readonly text: string; readonly next: number } {
  const end = bytes.indexOf(0, at);
  if (end < 0) throw unreadable("a name without an end");
  return { text: bytes.toString("utf8", at, end), next: end + 1 };
}
