/**
 * The journal: durable blocks of commit units, the documents and channel indexes derived from them, and
 * source positions (architecture §4). One writer process; readers see it through `JournalReader` alone.
 * test/contract/journal.contract.ts holds for every implementation.
 *
 * A block is one commit unit: what arrived while the block before it was flushed is fused, and becomes
 * visible together under one log number.
 */
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { ChannelEntry, Op } from "../model/entry.js";
import type { Place } from "../model/place.js";
import type { SourcePosition } from "../model/position.js";
import type { ChannelKind, Column, TableSchema } from "../model/table.js";

/** The place of a commit unit in the journal: 1, 2, 3 … */
export type LogNumber = number;

// ---------------------------------------------------------------- writing

export interface JournalWriter {
  /** Random id of this start. */
  readonly run: string;
  readonly reader: JournalReader;

  /** Position of each source as last journaled. */
  position(source: string): SourcePosition | undefined;
  /** A durable fact kept for the pipeline (copy progress, rule versions …), as last journaled. */
  fact(name: string): string | undefined;
  /** Names of the facts that start with `prefix`. */
  factNames(prefix: string): readonly string[];
  /** The version of `table` with just these columns and key; registered (durable with the next append) if it is new. */
  schemaVersion(table: string, shape: TableShape): number;

  /** A new empty block. One at a time, until it is appended. */
  block(): BlockDraft;
  /** Makes the block and `after` durable in one transaction, then released to readers, in this order (I1–I3). An empty block takes no log number: resolves with the last one. */
  append(draft: BlockDraft, after: AppendFacts): Promise<LogNumber>;

  /** A huge transaction's parts: unseen until `commit`, gone at `discard`, at restart, and when another is begun for the source. */
  parts(source: string): PartsDraft;

  /**
   * Kept documents in key order, for sweeps. `after` is the last key of the page before. What was appended before the
   * first page is there, as it is when its own page is read; of what came later, anything may be.
   */
  scan(request: ScanRequest): Promise<readonly ScannedDocument[]>;
  /** Whether only `relation` under `rule` feeds `table`, in every channel it feeds. Then `truncate` is allowed. */
  isSoleFeeder(rule: string, relation: string, table: string): Promise<boolean>;

  /** Resolves when the derived state is close enough behind (`behindBytesMax`) to append more. */
  ready(): Promise<void>;
  /** Flushes, writes back and closes. May be called twice. */
  close(): Promise<void>;
}

export interface TableShape {
  readonly kind: ChannelKind;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

export interface AppendFacts {
  /** Sources that moved; a position never goes back inside a generation. */
  readonly positions: ReadonlyMap<string, SourcePosition>;
  /** Facts to set; null removes one. */
  readonly facts: ReadonlyMap<string, string | null>;
  /** When each source's stream last proved to be at its head, milliseconds since 1970 (not durable). */
  readonly provenAt?: ReadonlyMap<string, number>;
  /** Rules whose documents below this rule version are never sent from now on, until they are swept or rewritten. */
  readonly hiding?: ReadonlyMap<string, number>;
  /** Replaces the list of rules whose content is not complete yet. */
  readonly copying?: readonly CopyStatus[];
}

/** Keys that may be made when somebody asks for them, as a list of them is. */
export interface KeyList extends Iterable<DocumentKey> {
  readonly length: number;
}

/** Collects one commit unit and assigns serials. Sees what it and everything before it changed. */
export interface BlockDraft {
  /** Reads ahead where that takes waiting, so that `document` can answer at once. Ask for every key before `document` or `put`. */
  prepare(keys: KeyList): Promise<void>;
  document(key: DocumentKey): KeptDocument | undefined;
  /** Of a channel that had an entry; undefined where it is still to be born. An entry of the other kind throws. */
  kindOf(channel: string): ChannelKind | undefined;
  put(change: DocumentChange): void;
  /** Every document of (rule, relation) goes, and its channels get one `t` entry each. Only where `isSoleFeeder`, else it throws. */
  truncate(rule: string, relation: string, table: string, schema: number): Promise<void>;
  /** Every `events` channel that the rule feeds gets one `g` entry: the source lost history before it. */
  gap(rule: string, table: string, schema: number): Promise<void>;
  /** About the size that the block will have. */
  readonly bytes: number;
  readonly isEmpty: boolean;
}

export interface PartsDraft extends BlockDraft {
  /** Writes what was collected since the last flush as one part. Call it whenever `bytes` passes BLOCK_BYTES_MAX. */
  flush(): Promise<void>;
  /** Flushes the rest and makes all parts one commit unit. Every block begun before must have been appended. */
  commit(after: AppendFacts): Promise<LogNumber>;
  discard(): Promise<void>;
}

/** What one change made of a document. Null `document`: entries without a kept document (`events` without identity). */
export interface DocumentChange {
  readonly document: DocumentKey | null;
  /** Null: the document is gone. Ignored where `document` is null. */
  readonly state: DocumentState | null;
  /**
   * In the order in which they stand in the unit. A state target that is new or whose content changed has an `i` or `u` here.
   * Where a hidden document is shown again, the journal itself adds a `u` to each state channel in which it stays without one:
   * readers went past it meanwhile.
   */
  readonly entries: readonly DraftEntry[];
  /** Who feeds `events` entries where `document` is null: needed there, so that `gap` finds their channels. */
  readonly feeder?: Pick<DocumentKey, "rule" | "relation">;
}

/** A KeptDocument before serials: `channels` holds what `targets` will; a channel without an entry in this change keeps its serial. */
export type DocumentState = Omit<KeptDocument, "targets" | "body"> & {
  readonly channels: readonly string[];
  /** As text or as its UTF-8 bytes. */
  readonly body: Uint8Array | string;
};

export interface DraftEntry {
  readonly channel: string;
  readonly kind: ChannelKind;
  readonly op: Op;
  readonly table: string;
  readonly schema: number;
  /** As text or as its UTF-8 bytes. Where it is the document's, best the very same value. */
  readonly body: Uint8Array | string;
}

export interface ScanRequest {
  readonly rule: string;
  /** All relations of the rule where it is undefined. */
  readonly relation?: string;
  readonly after?: DocumentKey;
  readonly limit: number;
}

export interface ScannedDocument {
  readonly key: DocumentKey;
  readonly document: KeptDocument;
}

// ---------------------------------------------------------------- reading

/** A held view keeps the derived state's old pages, and units that are written back, from being freed: so long, so many bytes. */
export const HELD_MS_MAX = 5_000;
export const HELD_BYTES_MAX = 64 * 1024 * 1024;

export interface JournalReader {
  /** What is released now. */
  readonly notice: Notice;
  /** Called after each release and each idle position, in order, never re-entrantly. Returns the way to stop it. */
  onNotice(listener: (notice: Notice) => void): () => void;

  /** Undefined: the channel never had an entry (epoch 0, serial 0, floor 0). */
  head(channel: string): Promise<ChannelHead | undefined>;
  /** Whether the place was written in this history: its run is known and its log number belongs to it (epoch and floor are `read`'s business). */
  accepts(place: Place): boolean;
  schema(table: string, version: number): Promise<TableSchema>;

  /**
   * One lap: for each request the entries after its serial, newest per key for `state`, contiguous for `events`, in serial
   * order, in the order of the requests, until `bytesMax` is used up. One consistent view. A page holds at least one entry if any is due.
   */
  read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap>;
  /**
   * A view that stands still over many laps, within HELD_MS_MAX and HELD_BYTES_MAX, one at a time; undefined while another is
   * held, or a huge unit is merged. Its reads throw JOURNAL_VIEW_ENDED once it has ended, as the merge of a huge unit makes
   * it: read laps.
   */
  hold(): HeldView | undefined;
  /** A page of an `events` channel's retained entries. */
  history(request: HistoryRequest): Promise<HistoryPage>;

  /** Everything in (after, notice.log], from memory; undefined where memory no longer reaches back: then read laps. */
  live(after: LogNumber): LiveRange | undefined;

  /** Rules whose content is not complete yet, for `status` frames. */
  readonly copying: readonly CopyStatus[];

  /** Parked documents in key order. */
  parked(after: DocumentKey | undefined, limit: number): Promise<readonly ScannedDocument[]>;
  readonly parkedCount: number;
}

export interface Notice {
  /** Everything up to here is durable and may be shown. */
  readonly log: LogNumber;
  readonly run: string;
  readonly sources: ReadonlyMap<string, SourceNotice>;
}

export interface SourceNotice {
  readonly generation: number;
  /** What the journal includes of the source. */
  readonly position: string;
  /** When the stream last proved to be at its source's head; 0 for never in this run. */
  readonly provenAt: number;
}

export interface ChannelHead {
  readonly kind: ChannelKind;
  readonly epoch: number;
  readonly serial: number;
  /** A place whose serial is below it gets a snapshot (`state`) or a gap (`events`). */
  readonly floor: number;
}

export interface ReadRequest {
  readonly channel: string;
  /** Entries above this serial are wanted. 0 is never below the floor of a `state` channel: its content is all there. */
  readonly after: number;
  /**
   * `LapChannel.floor` of the lap in which this reading began at 0: `after` is below the floor only once the
   * floor has risen above this. (Whoever reads the content page by page passes serials below an older floor.)
   */
  readonly floor?: number;
}

export interface Lap {
  /** The log number that the view shows. */
  readonly log: LogNumber;
  /** All channels were read to their heads: the session may be brought to `log`. False too while a huge unit is being merged. */
  readonly complete: boolean;
  /** One per request, in order; those beyond the byte bound have no entries and `reached` = `after`. */
  readonly channels: readonly LapChannel[];
}

export interface LapChannel {
  readonly channel: string;
  readonly epoch: number;
  readonly floor: number;
  /**
   * Below the floor, or above the head (a place that this history cannot have): nothing was read; begin again from 0 (`state`),
   * or from the floor after a gap (`events`).
   */
  readonly belowFloor: boolean;
  readonly entries: readonly ChannelEntry[];
  /** The client holds this serial once it has the entries: at the head it is the head's serial. */
  readonly reached: number;
  readonly atHead: boolean;
}

export interface HeldView {
  readonly log: LogNumber;
  read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap>;
  release(): void;
}

export interface HistoryRequest {
  readonly channel: string;
  /** One of both: entries with a serial below `before`, the newest first; or above `after`, the oldest first. */
  readonly before?: number;
  readonly after?: number;
  readonly limit: number;
  readonly bytesMax: number;
}

export interface HistoryPage {
  readonly epoch: number;
  readonly floor: number;
  readonly head: number;
  /** In serial order. */
  readonly entries: readonly ChannelEntry[];
  /** More entries are retained in the direction asked for. */
  readonly more: boolean;
}

export interface LiveRange {
  readonly after: LogNumber;
  readonly to: LogNumber;
  readonly channels: ReadonlyMap<string, LiveChannel>;
}

export interface LiveChannel {
  readonly kind: ChannelKind;
  readonly epoch: number;
  /** Serial of the channel before and after the range. */
  readonly from: number;
  readonly to: number;
  /** In serial order; undefined where a huge unit is among them: then read laps. */
  readonly entries: readonly ChannelEntry[] | undefined;
}

/** Said by the pipeline with `AppendFacts.copying`; the reader only hands it on. */
export interface CopyStatus {
  readonly rule: string;
  readonly state: "copying" | "rederiving";
  /** Channel patterns (`*`) that the rule can feed. */
  readonly channels: readonly string[];
  readonly rowsDone: number;
  readonly rowsTotal: number | undefined;
}
