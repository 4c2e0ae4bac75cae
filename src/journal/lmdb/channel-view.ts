/**
 * One channel as a view sees it: derived rows up to where the overlay begins, then the overlay's entries.
 * A derived row is left out where the overlay has a newer word about it.
 */
import type { KeptDocument } from "../../model/document.js";
import type { ChannelEntry } from "../../model/entry.js";
import type { ChannelKind } from "../../model/table.js";
import { showsRow } from "../block-format.js";
import { ShownDocument } from "../document-codec.js";
import type { DocId } from "../document-key.js";
import type { Hiding } from "../hiding.js";
import type { LapChannel, LogNumber, ReadRequest } from "../journal.js";
import type { LapBudget } from "../lap-budget.js";
import type { Overlay } from "../overlay.js";
import { rowOf } from "../overlay-channel.js";
import type { ChannelSlice } from "../overlay-channel.js";
import { RowKey } from "../row-key.js";
import type { DerivedFile } from "./derived-file.js";
import type { Snapshot } from "./environment.js";
import { indexKey, indexSerial } from "./row-keys.js";
import { decodeIndexRow, indexRowLog, ShownPlace } from "./row-values.js";
import type { HeadRow } from "./row-values.js";

/** Everything that a read of one moment goes by. */
export interface View {
  readonly log: LogNumber;
  readonly file: DerivedFile;
  /** Undefined: the newest state, one and the same within a turn of the event loop. */
  readonly snapshot: Snapshot | undefined;
  readonly overlay: Overlay;
  readonly hiding: Hiding;
}

/** What is sent of a document, and by what it may be left out. */
type Shown = Pick<KeptDocument, "table" | "schema" | "key" | "body" | "ruleVersion">;

/** Of the row and the document that are looked at: nothing waits while they are in use. */
const rowKey = new RowKey();
const place = new ShownPlace();
const shown = new ShownDocument();

export class ChannelView {
  readonly name: string;
  readonly kind: ChannelKind;
  /** 0 while the channel never had an entry, as serial and floor. */
  readonly epoch: number;
  readonly serial: number;
  readonly floor: number;
  readonly #view: View;
  readonly #slice: ChannelSlice | undefined;
  /** Derived rows count up to here. */
  readonly #base: number;
  /** What is read, for messages. */
  readonly #what: string;

  constructor(name: string, view: View) {
    this.name = name;
    this.#what = `channel ${name}`;
    this.#view = view;
    const row = view.file.head(name, view.snapshot);
    const seen = view.overlay.channel(name, view.log);
    const slice = seen?.slice;
    this.#slice = slice;
    this.#base = slice?.from ?? row?.serial ?? 0;
    this.serial = slice?.to ?? row?.serial ?? 0;
    this.kind = seen?.channel.kind ?? row?.kind ?? "state";
    this.epoch = this.serial === 0 ? 0 : (seen?.channel.epoch ?? row?.epoch ?? 0);
    this.floor = this.kind === "events" ? this.#eventsFloor(row) : (row?.floor ?? 0);
  }

  /** What a lap brings of the entries above `after`. */
  lap(request: Pick<ReadRequest, "after" | "floor">, budget: LapBudget): LapChannel {
    const { after } = request;
    const { name: channel, epoch, floor, serial } = this;
    const told = { channel, epoch, floor };
    const hasRisen = request.floor === undefined || floor > request.floor;
    const isBelow = after < floor && hasRisen && (this.kind === "events" || after > 0);
    if (isBelow || after > serial) {
      return { ...told, belowFloor: true, entries: [], reached: after, atHead: false };
    }
    const entries: ChannelEntry[] = [];
    let passed = after;
    this.#walk(after, budget, (at, entry) => {
      if (entry !== undefined) {
        if (!budget.takes(entry.body.length)) return false;
        entries.push(entry);
      }
      passed = at;
      return true;
    });
    if (!budget.isOver) {
      return { ...told, belowFloor: false, entries, reached: serial, atHead: true };
    }
    const reached = entries[entries.length - 1]?.serial ?? passed;
    return { ...told, belowFloor: false, entries, reached, atHead: passed === serial };
  }

  /** Retained entries of an `events` channel with serials in [from, to], in either direction. */
  *events(from: number, to: number, direction: "up" | "down"): Generator<ChannelEntry> {
    const { file, snapshot } = this.#view;
    const first = Math.max(from, this.floor + 1);
    const derivedTo = Math.min(to, this.#base);
    const own = this.#ownEntries(first, to);
    if (direction === "down") yield* own.reverse();
    if (first <= derivedTo) {
      const low = indexKey(this.name, first);
      const high = indexKey(this.name, derivedTo);
      const range =
        direction === "up"
          ? { start: low, end: indexKey(this.name, derivedTo + 1) }
          : { start: high, end: indexKey(this.name, first - 1), reverse: true };
      for (const { key, value } of file.index.range(range, snapshot)) {
        const row = decodeIndexRow(indexSerial(key), value);
        if (row.kind === "entry") yield row.entry;
      }
    }
    if (direction === "up") yield* own;
  }

  /**
   * Every serial above `after` that has something, with its entry if it is shown, as long as `see` answers true.
   * Ends when the time is over. No generator: rows pass here by the ten thousand.
   */
  #walk(
    after: number,
    budget: LapBudget,
    see: (serial: number, entry: ChannelEntry | undefined) => boolean,
  ): void {
    if (after >= this.serial || budget.isOver) return;
    if (after < this.#base) {
      const range = {
        start: indexKey(this.name, after + 1),
        end: indexKey(this.name, this.#base + 1),
      };
      const { file, snapshot } = this.#view;
      for (const { key, value } of file.index.range(range, snapshot)) {
        if (!budget.looks()) return;
        const serial = indexSerial(key);
        if (!see(serial, this.#derived(serial, value))) return;
      }
    }
    const slice = this.#slice;
    if (slice === undefined) return;
    const first = slice.entries[0]?.entry.serial ?? 0;
    for (let at = Math.max(0, after + 1 - first); at < slice.count; at++) {
      const seen = slice.entries[at];
      if (seen === undefined || !budget.looks()) return;
      const { entry, row, document } = seen;
      const isShown = this.kind === "events" || this.#isCurrent(slice, entry, row, document);
      if (!see(entry.serial, isShown ? entry : undefined)) return;
    }
  }

  #derived(serial: number, value: Buffer): ChannelEntry | undefined {
    if (!this.#namesDocument(value)) return this.#derivedEntry(serial, value);
    const document = this.#documentAt(serial);
    if (document === undefined || this.#hides(document)) return undefined;
    const { table, schema, key, body } = document;
    if (this.#isSuperseded(table, key)) return undefined;
    const { op, log, index } = place;
    return { serial, log, index, op, table, schema, body };
  }

  /**
   * The document that `rowKey` and a derived row name; undefined where it does not stand there any more. While its
   * newer state is written back, file and row may be of two moments: then the overlay alone says where it stands.
   */
  #documentAt(serial: number): Shown | undefined {
    const { file, snapshot, overlay, log } = this.#view;
    const own = overlay.documentAt(rowKey, log);
    if (own !== undefined) return this.#standsAt(own, serial) ? own : undefined;
    if (file.showsAt(rowKey, shown, this.#slice !== undefined, snapshot)) return shown;
    throw file.damaged(this.#what, `serial ${serial} names a document that is not there`);
  }

  /** Whether a derived row does; `place` and `rowKey` are then read from it. */
  #namesDocument(value: Buffer): boolean {
    try {
      return place.read(value, rowKey);
    } catch (error) {
      throw this.#view.file.readFailure(this.#what, error);
    }
  }

  /** Of a derived row that holds its body. */
  #derivedEntry(serial: number, value: Buffer): ChannelEntry | undefined {
    const row = this.#view.file.reading(this.#what, () => decodeIndexRow(serial, value));
    if (row.kind === "document") return undefined;
    const { entry } = row;
    if (this.kind === "events") return entry;
    const key = entry.op === "t" ? undefined : entry.body;
    return this.#isSuperseded(entry.table, key?.toString()) ? undefined : entry;
  }

  /** Whether the overlay has a newer word about a derived row; without a key, about a truncation. */
  #isSuperseded(table: string, key: string | undefined): boolean {
    const slice = this.#slice;
    if (slice === undefined) return false;
    if (slice.truncated.has(table)) return true;
    return key !== undefined && slice.newest.has(rowOf(table, key));
  }

  #isCurrent(
    slice: ChannelSlice,
    entry: ChannelEntry,
    row: string,
    document: DocId | undefined,
  ): boolean {
    const { op, table, serial } = entry;
    const emptiedAt = slice.truncated.get(table) ?? 0;
    if (op === "t") return emptiedAt === serial;
    if (serial < emptiedAt || slice.newest.get(row) !== serial) return false;
    return !showsRow(op) || (document !== undefined && this.#isShown(document, serial));
  }

  /** Whether a document of the overlay still stands there, and is not hidden. */
  #isShown(id: DocId, serial: number): boolean {
    rowKey.setId(id);
    const { overlay, log } = this.#view;
    const own = overlay.documentAt(rowKey, log) ?? null;
    return this.#standsAt(own, serial) && !this.#hides(own);
  }

  /** Whether this serial of the channel is the document's newest here; null: it is gone. */
  #standsAt(document: KeptDocument | null, serial: number): document is KeptDocument {
    if (document === null) return false;
    return document.targets.some((to) => to.channel === this.name && to.serial === serial);
  }

  /** Of the document that `rowKey` names. */
  #hides(document: Shown): boolean {
    const { hiding } = this.#view;
    return !hiding.isEmpty && hiding.hides(rowKey.id(), document);
  }

  #ownEntries(from: number, to: number): ChannelEntry[] {
    const slice = this.#slice;
    const entries: ChannelEntry[] = [];
    for (let at = 0; at < (slice?.count ?? 0); at++) {
      const entry = slice?.entries[at]?.entry;
      if (entry !== undefined && entry.serial >= from && entry.serial <= to) entries.push(entry);
    }
    return entries;
  }

  /** Retention's floor, or the last entry that a rule change hid. */
  #eventsFloor(row: HeadRow | undefined): number {
    const floor = row?.floor ?? 0;
    const { hiding, overlay } = this.#view;
    if (hiding.isEmpty) return floor;
    const feeds = overlay.head(this.name)?.feeds ?? row?.feeds;
    const from = hiding.eventsFrom(feeds?.keys() ?? []);
    if (from === 0) return floor;
    let low = floor;
    let high = this.serial;
    // The last serial whose log number is below `from`: log numbers rise with serials.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#logOf(middle) < from) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #logOf(serial: number): LogNumber {
    const slice = this.#slice;
    if (slice !== undefined && serial > this.#base) {
      return slice.entries[serial - 1 - this.#base]?.entry.log ?? 0;
    }
    const value = this.#view.file.index.get(indexKey(this.name, serial), this.#view.snapshot);
    return value === undefined ? 0 : indexRowLog(value);
  }
}
