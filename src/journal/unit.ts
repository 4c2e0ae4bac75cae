/**
 * A commit unit in memory, between its append and its write-back: what the block codec reads and writes,
 * what the overlay serves, and what the write-back folds.
 */
import type { KeptDocument } from "../model/document.js";
import type { ChannelEntry } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";
import type { DocId, FeedId } from "./document-key.js";
import type { LogNumber } from "./journal.js";

export interface Unit {
  readonly log: LogNumber;
  /** When it was appended, milliseconds since 1970. */
  readonly at: number;
  readonly channels: ReadonlyMap<string, UnitChannel>;
  /** What became of documents, in order. */
  readonly steps: readonly UnitStep[];
  /** Parked documents of the journal after it. */
  readonly parked: number;
  /** Rules whose documents below the version are hidden from this unit on. */
  readonly hiding: ReadonlyMap<string, number>;
  /** About what it takes in memory. */
  readonly bytes: number;
}

export interface UnitChannel {
  readonly kind: ChannelKind;
  readonly epoch: number;
  /** Serial of the channel before and after the unit. */
  readonly from: number;
  readonly to: number;
  /** `HeadState.written` after the unit. */
  readonly written: number;
  /** Feeders that the unit touched, with their counts after it. */
  readonly counts: ReadonlyMap<FeedId, number>;
  readonly entries: readonly ChannelEntry[];
  /** For each entry the key of its row (`state` only; "" where it has none). */
  readonly keys: readonly string[];
  /** For each entry the document that it shows, if one is kept. */
  readonly documents: readonly (DocId | undefined)[];
}

export type UnitStep = DocumentStep | TruncationStep;

export interface DocumentStep {
  readonly kind: "document";
  readonly id: DocId;
  /** Null: gone. */
  readonly state: KeptDocument | null;
  /** `state` as bytes, where they are at hand. */
  readonly encoded: Uint8Array | undefined;
  readonly wasParked: boolean;
}

/** Every document before it whose id begins with `prefix` is gone. */
export interface TruncationStep {
  readonly kind: "truncation";
  readonly prefix: string;
}
