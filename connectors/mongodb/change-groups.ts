/**
 * Changes in the groups in which the source committed them: a transaction's stand together under one (lsid,
 * txnNumber), a change without them was written alone and closes at once (M-15). Nothing marks the end of a
 * transaction: another group, a later time, or an empty answer does.
 */
import type { Change } from "../../src/model/change.js";
import type { ChangeReader, UntoldDocument } from "./change-reader.js";
import { mergeFragments, readRawChange, type RawChange } from "./raw-change.js";
import type { StreamBatch } from "./resuming-stream.js";
import { positionOfChange, timeOfToken, type ClusterTime } from "./stream-position.js";

/** A transaction that has grown beyond it is handed on in parts. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;

export interface ChangeGroup {
  /** Undefined for a change that was written alone. */
  readonly transaction: string | undefined;
  readonly firstToken: string;
  time: ClusterTime;
  /** Of its last change so far. */
  token: string;
  ordinal: number;
  committedAt: number;
  changes: Change[];
  untold: UntoldChange[];
  bytes: number;
  /** Something happened to a whole collection: nothing is gathered over it. */
  isWhole: boolean;
  /** Parts handed on before this one. */
  parts: number;
}

export interface UntoldChange extends UntoldDocument {
  /** Changes of the group before it. */
  readonly before: number;
}

/** `group` is done, or `part` is what a large one has so far. */
export type Grouped = { readonly group: ChangeGroup } | { readonly part: ChangeGroup };

export class ChangeGroups {
  readonly #reader: ChangeReader;
  /** What was journaled before: its time is read again where no token is resumed from. */
  readonly #seen: { readonly position: string; readonly transaction: string };
  #open: ChangeGroup | undefined;
  #fragments: RawChange[] = [];
  #time: ClusterTime = "";
  #ordinal = 0;

  constructor(reader: ChangeReader, seen: { position: string; transaction: string }) {
    this.#reader = reader;
    this.#seen = seen;
  }

  get isOpen(): boolean {
    return this.#open !== undefined || this.#fragments.length > 0;
  }

  *take(batch: StreamBatch): Generator<Grouped> {
    for (const document of batch.documents) {
      const raw = this.#whole(readRawChange(document));
      if (raw === undefined) continue;
      this.#count(raw);
      if (this.#isSeen(raw)) continue;
      yield* this.#add(raw);
    }
    const open = this.#open;
    if (open === undefined) return;
    const isOver = batch.documents.length === 0 || timeOfToken(batch.token) > open.time;
    if (isOver) yield* this.#close();
  }

  *#add(raw: RawChange): Generator<Grouped> {
    const { transaction, time } = raw;
    const isSame = this.#open?.transaction === transaction && this.#open?.time === time;
    if (this.#open !== undefined && (transaction === undefined || !isSame)) yield* this.#close();
    const group = this.#open ?? newGroup(raw);
    this.#extend(group, raw);
    if (transaction === undefined) yield { group };
    else {
      this.#open = group;
      if (group.bytes <= GROUP_BYTES_MAX) return;
      yield { part: group };
      group.parts += 1;
      group.changes = [];
      group.bytes = 0;
    }
  }

  #extend(group: ChangeGroup, raw: RawChange): void {
    const { changes, untold, isWhole } = this.#reader.read(raw);
    group.token = raw.token;
    group.ordinal = this.#ordinal;
    group.committedAt = raw.committedAt;
    group.bytes += raw.bytes;
    group.isWhole ||= isWhole;
    if (untold !== undefined) group.untold.push({ ...untold, before: group.changes.length });
    for (const change of changes) group.changes.push(change);
  }

  *#close(): Generator<Grouped> {
    const group = this.#open;
    this.#open = undefined;
    if (group !== undefined) yield { group };
  }

  #count({ time }: RawChange): void {
    this.#ordinal = time === this.#time ? this.#ordinal + 1 : 0;
    this.#time = time;
  }

  #isSeen({ time, token, transaction }: RawChange): boolean {
    const { position, transaction: whole } = this.#seen;
    if (positionOfChange(time, token, this.#ordinal) <= position) return true;
    return whole !== "" && whole === markOf(time, transaction) && position.startsWith(time);
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

/** Names a transaction that was handed on in parts, for `SourcePosition.mark`. */
export function markOf(time: ClusterTime, transaction: string | undefined): string {
  return transaction === undefined ? "" : `${time}/${transaction}`;
}

function newGroup({ transaction, token, time, committedAt }: RawChange): ChangeGroup {
  return {
    transaction,
    firstToken: token,
    time,
    token,
    ordinal: 0,
    committedAt,
    changes: [],
    untold: [],
    bytes: 0,
    isWhole: false,
    parts: 0,
  };
}
