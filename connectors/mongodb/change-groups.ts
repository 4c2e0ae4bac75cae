/**
 * Changes in the groups in which they are handed on. A transaction's stand together under one (lsid, txnNumber), and
 * nothing marks its end: a later time does, or an answer that says that the time is over (M-15). Several of one time,
 * which shards can have, come interleaved, and go together. Changes without them were written alone; those of one
 * answer go together, since the journal would fuse them anyway, and none waits for the next.
 */
import type { Change } from "../../src/model/change.js";
import type { ChangeReader, ReadChange, UntoldDocument } from "./change-reader.js";
import { mergeFragments, readRawChange, timeOfChange, tokenOf } from "./raw-change.js";
import type { RawChange } from "./raw-change.js";
import type { StreamBatch } from "./resuming-stream.js";
import { positionOfChange, timeOfToken, type ClusterTime } from "./stream-position.js";

/** A transaction that has grown beyond it is handed on in parts. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;

/** What is handed on, and becomes visible, together; below the pipeline's bound for huge transactions. */
export const WINDOW_BYTES_MAX = 256 * 1024;
export const WINDOW_COUNT_MAX = 1_000;

export interface ChangeGroup {
  /** Undefined for changes that were written alone. */
  readonly transaction: string | undefined;
  /** Others of its time are in it. */
  isJoined: boolean;
  readonly first: RawChange;
  /** So far. */
  last: RawChange;
  /** Of the last one among the changes of its time. */
  ordinal: number;
  changes: Change[];
  untold: UntoldChange[];
  bytes: number;
  /** Something happened to a whole collection: nothing is gathered over it. */
  isWhole: boolean;
  /** Parts handed on before this one. */
  parts: number;
}

export interface UntoldChange {
  readonly document: UntoldDocument;
  /** Changes of the group before it. */
  readonly before: number;
}

/** `group` is done, or `part` is what a large one has so far. */
export type Grouped = { readonly group: ChangeGroup } | { readonly part: ChangeGroup };

/** What was journaled before: its time is read again where no token is resumed from. */
interface Seen {
  readonly position: string;
  readonly transaction: string;
}

export class ChangeGroups {
  readonly #reader: ChangeReader;
  /** Undefined when the stream has passed its time. */
  #seen: Seen | undefined;
  #open: ChangeGroup | undefined;
  #fragments: RawChange[] = [];
  /** Of the change before. */
  #seconds = 0;
  #increment = 0;
  #ordinal = 0;

  constructor(reader: ChangeReader, seen: Seen) {
    this.#reader = reader;
    this.#seen = seen.position === "" ? undefined : seen;
  }

  get isOpen(): boolean {
    return this.#open !== undefined || this.#fragments.length > 0;
  }

  *take(batch: StreamBatch): Generator<Grouped> {
    for (const document of batch.documents) {
      const raw = this.#whole(readRawChange(document));
      if (raw === undefined) continue;
      this.#count(raw);
      if (this.#seen !== undefined && this.#isSeen(raw, this.#seen)) continue;
      const read = this.#reader.read(raw);
      if (this.#open !== undefined && !belongs(raw, read, this.#open)) yield* this.#close();
      const group = (this.#open ??= newGroup(raw));
      this.#extend(group, raw, read);
      if (raw.transaction === undefined || group.bytes <= GROUP_BYTES_MAX) continue;
      yield { part: group };
      group.parts += 1;
      group.changes = [];
      group.bytes = 0;
    }
    const open = this.#open;
    if (open === undefined) return;
    const isOver = open.transaction === undefined || batch.endsTime;
    if (isOver || timeOfToken(batch.token) > timeOfChange(open.last)) yield* this.#close();
  }

  #extend(group: ChangeGroup, raw: RawChange, read: ReadChange): void {
    group.last = raw;
    group.isJoined ||= raw.transaction !== group.transaction;
    group.ordinal = this.#ordinal;
    group.bytes += raw.bytes.length;
    if (read === undefined) return;
    if (read.op === "untold") group.untold.push({ document: read, before: group.changes.length });
    else if (read.op !== "whole") group.changes.push(read);
    else {
      group.isWhole = true;
      group.changes.push(...read.changes);
    }
  }

  *#close(): Generator<Grouped> {
    const group = this.#open;
    this.#open = undefined;
    if (group !== undefined) yield { group };
  }

  #count({ seconds, increment }: RawChange): void {
    const isSame = seconds === this.#seconds && increment === this.#increment;
    this.#ordinal = isSame ? this.#ordinal + 1 : 0;
    this.#seconds = seconds;
    this.#increment = increment;
  }

  #isSeen(raw: RawChange, { position, transaction: whole }: Seen): boolean {
    const time = timeOfChange(raw);
    if (time > position.slice(0, time.length)) {
      this.#seen = undefined;
      return false;
    }
    if (positionOfChange(time, tokenOf(raw), this.#ordinal) <= position) return true;
    if (raw.transaction === undefined || !position.startsWith(time)) return false;
    return whole === markOf(time, raw.transaction) || whole === markOf(time, JOINED);
  }

  /** The last fragment of a change brings all of it (M-12). */
  #whole(raw: RawChange): RawChange | undefined {
    if (raw.fragment === undefined) return raw;
    if (raw.fragment.fragment === 1) this.#fragments = [];
    this.#fragments.push(raw);
    if (raw.fragment.fragment < raw.fragment.of) return undefined;
    const parts = this.#fragments;
    this.#fragments = [];
    return mergeFragments(parts);
  }
}

/** A document that has to be read begins a group of its own: what stands before it need not wait for the read. */
function belongs(raw: RawChange, read: ReadChange, open: ChangeGroup): boolean {
  const isOne = raw.transaction !== undefined;
  if (isOne !== (open.transaction !== undefined)) return false;
  if (isOne) return isSameTime(raw, open.last);
  if (open.isWhole || read?.op === "whole") return false;
  if (read?.op === "untold" && open.untold.length === 0) return false;
  const count = open.changes.length + open.untold.length;
  return open.bytes < WINDOW_BYTES_MAX && count < WINDOW_COUNT_MAX;
}

function isSameTime(one: RawChange, other: RawChange): boolean {
  return one.seconds === other.seconds && one.increment === other.increment;
}

export function timeOfGroup({ last }: ChangeGroup): ClusterTime {
  return timeOfChange(last);
}

/** In a mark: all transactions of the time. */
const JOINED = "*";

export function markOfGroup(group: ChangeGroup): string {
  return markOf(timeOfGroup(group), group.isJoined ? JOINED : group.transaction);
}

/** Names a transaction that was handed on in parts, for `SourcePosition.mark`. */
function markOf(time: ClusterTime, transaction: string | undefined): string {
  return transaction === undefined ? "" : `${time}/${transaction}`;
}

function newGroup(raw: RawChange): ChangeGroup {
  return {
    transaction: raw.transaction,
    isJoined: false,
    first: raw,
    last: raw,
    ordinal: 0,
    changes: [],
    untold: [],
    bytes: 0,
    isWhole: false,
    parts: 0,
  };
}
