/**
 * A commit unit in memory, between its append and its write-back: the bytes of its block, and what must be
 * found in them without a search. Its entries are read from the bytes when somebody asks: most units are
 * written back before anybody did.
 */
import type { ChannelEntry } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";
import type { DocId, FeedId } from "./document-key.js";
import type { DocumentPlaces } from "./document-places.js";
import type { LogNumber } from "./journal.js";

export interface Unit {
  readonly log: LogNumber;
  /** When it was appended, milliseconds since 1970. */
  readonly at: number;
  readonly channels: ReadonlyMap<string, UnitChannel>;
  readonly documents: DocumentPlaces;
  /** Prefixes of documents that went before those in `documents` came. */
  readonly truncated: ReadonlySet<string>;
  /** Parked documents of the journal after it. */
  readonly parked: number;
  /** Rules whose documents below the version are hidden from this unit on. */
  readonly hiding: ReadonlyMap<string, number>;
  /** Of a huge unit only its commit. */
  readonly block: Buffer;
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
  /** Nothing in the commit of a huge unit: its entries are in its parts. */
  readonly contents: () => ChannelContents;
}

export interface ChannelContents {
  readonly entries: readonly ChannelEntry[];
  /** For each entry the key of its row (`state` only; "" where it has none). */
  readonly keys: readonly string[];
  /** For each entry the document that it shows, if one is kept. */
  readonly documents: readonly (DocId | undefined)[];
}

/** What a unit takes beside its block: itself, and for each entry its tables and what was read from the block. Measured. */
const UNIT_BYTES = 4_096;
const ENTRY_BYTES = 1_024;

/** What the unit takes in memory once somebody has read all its entries. */
export function memoryOf({ block, channels }: Unit): number {
  let entries = 0;
  for (const { from, to } of channels.values()) entries += to - from;
  return UNIT_BYTES + block.length + ENTRY_BYTES * entries;
}

export const NO_CONTENTS: ChannelContents = { entries: [], keys: [], documents: [] };
