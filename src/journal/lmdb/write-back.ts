/**
 * Brings folded units into the derived tables: truncations first, then documents, heads and channel rows in
 * the order of their keys, and the watermark last, once all of it is durable. That takes several transactions where
 * it is much. Whoever reads meanwhile finds the units in the overlay; a start after a crash writes them again.
 */
import type { ChannelEntry } from "../../model/entry.js";
import { readDocument } from "../document-codec.js";
import type { FeedId } from "../document-key.js";
import { withCounts } from "../head-state.js";
import type { Unit } from "../unit.js";
import type { DerivedFile } from "./derived-file.js";
import { MetaKey } from "./derived-file.js";
import { Fold } from "./fold.js";
import type { FoldedChannel } from "./fold.js";
import type { FoldedDocuments } from "./folded-documents.js";
import {
  endOf,
  feedKey,
  indexKey,
  numberKey,
  readNumber,
  renumber,
  rowKeyOf,
  textKey,
  tombstoneKey,
  truncationKey,
} from "./row-keys.js";
import { encodeEntryRow, encodeHead, encodeShownRow } from "./row-values.js";
import type { HeadRow } from "./row-values.js";
import type { Row, Table } from "./environment.js";
import { rowsNow, RowWrites } from "./row-writes.js";

/** Log numbers get a time at most this often: retention need not be more exact. */
const TIME_STEP_MS = 60_000;

/** Removals of a truncation that are carried out together. */
const TRUNCATED_ROWS_MAX = 20_000;

/** A larger value has pages of its own. */
const PAGE_BYTES = 4_096;

const PRESENT = Buffer.from([1]);

/** `whole`: the units are; `part`: one of a huge unit, which leaves counts alone until the unit is whole. */
export type Wholeness = "whole" | "part";

type HeadChange = Pick<FoldedChannel, "kind" | "epoch" | "to" | "written" | "deletes"> & {
  readonly counts: ReadonlyMap<FeedId, number>;
};

export class WriteBack {
  readonly #file: DerivedFile;
  readonly #slicePages: number;
  /** That the transaction may still change, if no two rows share one. */
  #pagesLeft = 0;

  constructor(file: DerivedFile, slicePages: number) {
    this.#file = file;
    this.#slicePages = slicePages;
  }

  /** What is to be filled and handed to `units` or `part`. */
  fold(): Fold {
    this.#file.environment.fresh();
    return new Fold((channel) => this.#file.head(channel)?.hasDeletions === true);
  }

  /** The units are in the derived file when it returns, and the watermark says so. */
  units(fold: Fold): void {
    this.#truncate(fold);
    const { meta } = this.#file;
    const steps = this.#rows(fold, "whole");
    const end = (isLast: boolean): void => {
      if (isLast) this.#finish(fold, fold.to);
      else rowsNow.put(meta, MetaKey.writing, numberKey(fold.to));
    };
    while (!this.#slice(steps, this.#slicePages, end));
  }

  /** Of a part of a huge unit, in one transaction: no overlay stands before what readers see of it. */
  part(fold: Fold): void {
    this.#truncate(fold);
    this.#slice(this.#rows(fold, "part"), Infinity);
  }

  /** One transaction of about `pagesMax` pages, with `end` at its end. True: the last. */
  #slice(
    steps: Iterator<undefined>,
    pagesMax: number,
    end: (isLast: boolean) => void = () => undefined,
  ): boolean {
    let isLast = false;
    this.#pagesLeft = pagesMax;
    this.#file.environment.commitNow(() => {
      isLast = steps.next().done === true;
      end(isLast);
    });
    return isLast;
  }

  #isFull(): boolean {
    return this.#pagesLeft <= 0;
  }

  #put(table: Table, key: Buffer, value: Uint8Array): void {
    this.#pagesLeft -= 1 + Math.floor(value.length / PAGE_BYTES);
    rowsNow.put(table, key, value);
  }

  #remove(table: Table, key: Buffer): void {
    this.#pagesLeft -= 1;
    rowsNow.remove(table, key);
  }

  /** The heads of a huge unit whose parts are all there, and the watermark. */
  whole({ log, at, parked, channels }: Unit): void {
    this.#file.environment.fresh();
    this.#file.environment.commitNow(() => {
      for (const [name, channel] of channels) {
        this.#head(name, { ...channel, deletes: false }, "whole");
      }
      this.#finish({ times: [{ log, at }], parked }, log);
    });
  }

  /** Everything but the watermark. A channel's head comes first: that there are deletions must be known before they are there. */
  *#rows(fold: Fold, heads: Wholeness): Generator<undefined> {
    yield* this.#documents(fold);
    for (const name of [...fold.channels.keys()].sort()) {
      const channel = fold.channels.get(name);
      if (channel === undefined) continue;
      this.#head(name, channel, heads);
      if (channel.kind === "events") yield* this.#events(name, channel.entries);
      else yield* this.#state(name, channel, fold.documents);
    }
  }

  /** A channel's head and its feeders. */
  #head(name: string, channel: HeadChange, heads: Wholeness): void {
    const { kind, epoch, to, written, counts, deletes } = channel;
    const before = this.#file.head(name);
    const { floor = 0, trimmed = 0, feeds = new Map<string, number>() } = before ?? {};
    const told =
      heads === "whole"
        ? { written, feeds: withCounts(feeds, counts, kind) }
        : { written: before?.written ?? 0, feeds };
    const serial = Math.max(to, before?.serial ?? 0);
    const hasDeletions = deletes || before?.hasDeletions === true;
    const row: HeadRow = { kind, epoch, serial, floor, trimmed, hasDeletions, ...told };
    this.#put(this.#file.heads, textKey(name), encodeHead(row));
    for (const feed of heads === "whole" ? counts.keys() : []) {
      const key = feedKey(feed, name);
      if (row.feeds.has(feed)) this.#put(this.#file.feeds, key, PRESENT);
      else this.#remove(this.#file.feeds, key);
    }
  }

  /** The watermark, and what goes with it. */
  #finish(fold: Pick<Fold, "times" | "parked">, to: number): void {
    const { meta, times } = this.#file;
    let lastAt = -Infinity;
    for (const { value } of times.range({ reverse: true, limit: 1 })) lastAt = readNumber(value);
    for (const { log, at } of fold.times) {
      // One from before the last: the clock was set back, and goes on from there.
      if (at >= lastAt && at < lastAt + TIME_STEP_MS) continue;
      rowsNow.put(times, numberKey(log), numberKey(Math.floor(at)));
      lastAt = at;
    }
    rowsNow.put(meta, MetaKey.parked, numberKey(fold.parked));
    rowsNow.put(meta, MetaKey.watermark, numberKey(to));
    rowsNow.remove(meta, MetaKey.merging);
    rowsNow.remove(meta, MetaKey.writing);
  }

  // ------------------------------------------------------------ documents

  *#documents({ documents }: Fold): Generator<undefined> {
    const { documents: table, parked } = this.#file;
    for (const at of documents.sorted()) {
      const key = documents.key(at);
      const bytes = documents.bytes(at);
      if (bytes === undefined) this.#remove(table, key);
      else this.#put(table, key, bytes);
      if (documents.isParked(at)) this.#put(parked, key, PRESENT);
      else if (documents.wasParked(at)) this.#remove(parked, key);
      if (this.#isFull()) yield;
    }
  }

  /**
   * Removes what truncations emptied, done and durable before anything else, so that it takes bounded memory.
   * What a write-back that was cut off has already written of the units behind them goes too: it is written again.
   */
  #truncate({ truncated, channels }: Fold): void {
    if (truncated.size === 0) return;
    this.#file.environment.fresh();
    const writes = new RowWrites(this.#file.environment);
    const { documents, parked, index, rows } = this.#file;
    for (const prefix of truncated) {
      this.#empty(documents, textKey(prefix), writes, ({ key, value }) => {
        writes.remove(documents, key);
        writes.remove(parked, key);
        const { targets } = this.#file.reading("a row of documents", () => readDocument(value));
        for (const { channel, serial } of targets) {
          if (this.#isState(channel)) writes.remove(index, indexKey(channel, serial));
        }
      });
    }
    for (const [name, { truncations }] of channels) {
      for (const table of truncations.keys()) {
        this.#empty(rows, textKey(`${name}\0${table}\0`), writes, ({ key, value }) => {
          writes.remove(rows, key);
          writes.remove(index, indexKey(name, readNumber(value)));
        });
      }
    }
    writes.commit();
    this.#file.environment.fresh();
  }

  /** `remove` adds to `writes` what goes with each row under `prefix`. */
  #empty(table: Table, prefix: Buffer, writes: RowWrites, remove: (row: Row) => void): void {
    for (const row of table.range({ start: prefix, end: endOf(prefix) })) {
      remove(row);
      if (writes.count >= TRUNCATED_ROWS_MAX) break;
    }
    if (writes.count < TRUNCATED_ROWS_MAX) return;
    writes.commit();
    this.#file.environment.fresh();
    this.#empty(table, prefix, writes, remove);
  }

  #isState(channel: string): boolean {
    return this.#file.head(channel)?.kind !== "events";
  }

  // ------------------------------------------------------------ channels

  *#events(name: string, entries: readonly ChannelEntry[]): Generator<undefined> {
    for (const entry of entries) {
      this.#put(this.#file.index, indexKey(name, entry.serial), encodeEntryRow(entry));
      if (this.#isFull()) yield;
    }
  }

  *#state(name: string, channel: FoldedChannel, documents: FoldedDocuments): Generator<undefined> {
    const { index } = this.#file;
    const key = indexKey(name, 0);
    for (const serial of channel.gone) {
      this.#remove(index, renumber(key, serial));
      if (this.#isFull()) yield;
    }
    if (channel.hadDeletions) yield* this.#comeBack(name, channel);
    for (const [table, entry] of channel.truncations) {
      this.#tombstone(name, truncationKey(name, table), entry);
    }
    for (const [row, entry] of channel.deleted) {
      this.#tombstone(name, rowKeyOf(name, row), entry);
      if (this.#isFull()) yield;
    }
    for (const [serial, row] of channel.shown) {
      this.#put(index, renumber(key, serial), encodeShownRow(row, documents.id(row.document)));
      if (this.#isFull()) yield;
    }
  }

  /** Rows that were deleted once and are there again: their deletions go. */
  *#comeBack(name: string, channel: FoldedChannel): Generator<undefined> {
    const { index, rows } = this.#file;
    for (const row of channel.entered) {
      const key = rowKeyOf(name, row);
      const deletedAt = rows.get(key);
      if (deletedAt === undefined) continue;
      this.#remove(rows, key);
      this.#remove(index, indexKey(name, readNumber(deletedAt)));
      if (this.#isFull()) yield;
    }
  }

  /** Only the newest deletion of a row, or truncation of a table, stays in the index. */
  #tombstone(name: string, key: Buffer, entry: ChannelEntry): void {
    const { index, rows, tombstones } = this.#file;
    const { serial, log } = entry;
    const known = rows.get(key);
    const old = known === undefined ? 0 : readNumber(known);
    if (old > 0 && old !== serial) this.#remove(index, indexKey(name, old));
    this.#put(rows, key, numberKey(serial));
    this.#put(index, indexKey(name, serial), encodeEntryRow(entry));
    this.#put(tombstones, tombstoneKey(log, name, serial), PRESENT);
  }
}
