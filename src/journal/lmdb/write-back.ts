/**
 * Brings folded units into the derived tables: truncations first, then documents, channel rows and heads in
 * the order of their keys, and the watermark last, once all of it is durable.
 */
import type { ChannelEntry } from "../../model/entry.js";
import { showsRow } from "../block-format.js";
import { encodeDocument } from "../document-codec.js";
import { docKeyOf } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { docRowKey, isCut } from "../document-order.js";
import { withCounts } from "../head-state.js";
import type { DocumentStep } from "../unit.js";
import type { DerivedFile } from "./derived-file.js";
import { MetaKey } from "./derived-file.js";
import type { Folded, FoldedChannel, FoldedEntry } from "./fold.js";
import {
  feedKey,
  indexKey,
  numberKey,
  readNumber,
  rowKey,
  textKey,
  tombstoneKey,
  truncationKey,
} from "./row-keys.js";
import { encodeHead, encodeIndexRow } from "./row-values.js";
import type { HeadRow } from "./row-values.js";
import type { Row } from "./environment.js";
import { RowWrites } from "./row-writes.js";

/** Log numbers get a time at most this often: retention need not be more exact. */
const TIME_STEP_MS = 60_000;

const PRESENT = Buffer.from([1]);

export class WriteBack {
  readonly #file: DerivedFile;

  constructor(file: DerivedFile) {
    this.#file = file;
  }

  /** The units are in the derived file when it resolves, and the watermark says so. */
  async units(folded: Folded): Promise<void> {
    await this.rows(folded, "whole");
    await this.finish(folded, folded.to);
  }

  /** Everything but the watermark. A part of a huge unit leaves counts alone until the unit is whole. */
  async rows(folded: Folded, heads: "whole" | "part"): Promise<void> {
    this.#file.environment.fresh();
    await this.#truncate(folded);
    const writes = new RowWrites(this.#file.environment);
    await this.#documents(folded, writes);
    for (const name of [...folded.channels.keys()].sort()) {
      const channel = folded.channels.get(name);
      if (channel === undefined) continue;
      if (channel.kind === "events") await this.#events(name, channel.entries, writes);
      else await this.#state(name, channel, writes);
      this.head(name, channel, heads, writes);
      await writes.group();
    }
    await writes.end();
  }

  /** A channel's head and its feeders. */
  head(
    name: string,
    channel: Pick<FoldedChannel, "kind" | "epoch" | "to" | "written" | "counts">,
    heads: "whole" | "part",
    writes: RowWrites,
  ): void {
    const { kind, epoch, to, written, counts } = channel;
    const before = this.#file.head(name);
    const { floor = 0, trimmed = 0, feeds = new Map<string, number>() } = before ?? {};
    const told =
      heads === "whole"
        ? { written, feeds: withCounts(feeds, counts, kind) }
        : { written: before?.written ?? 0, feeds };
    const serial = Math.max(to, before?.serial ?? 0);
    const row: HeadRow = { kind, epoch, serial, floor, trimmed, ...told };
    writes.put(this.#file.heads, textKey(name), encodeHead(row));
    for (const feed of heads === "whole" ? counts.keys() : []) {
      const key = feedKey(feed, name);
      if (row.feeds.has(feed)) writes.put(this.#file.feeds, key, PRESENT);
      else writes.remove(this.#file.feeds, key);
    }
  }

  /** The watermark, and what goes with it. */
  async finish(folded: Pick<Folded, "times" | "parked">, to: number): Promise<void> {
    const { environment, meta, times } = this.#file;
    let lastAt = -Infinity;
    for (const { value } of times.range({ reverse: true, limit: 1 })) lastAt = readNumber(value);
    const steps: { readonly log: number; readonly at: number }[] = [];
    for (const time of folded.times) {
      // One from before the last: the clock was set back, and goes on from there.
      if (time.at >= lastAt && time.at < lastAt + TIME_STEP_MS) continue;
      steps.push(time);
      lastAt = time.at;
    }
    await environment.commit(() => {
      for (const { log, at } of steps) times.put(numberKey(log), numberKey(Math.floor(at)));
      meta.put(MetaKey.parked, numberKey(folded.parked));
      meta.put(MetaKey.watermark, numberKey(to));
      meta.remove(MetaKey.merging);
      meta.remove(MetaKey.mergedParts);
    });
  }

  // ------------------------------------------------------------ documents

  async #documents({ documents }: Folded, writes: RowWrites): Promise<void> {
    for (const id of [...documents.keys()].sort()) {
      const folded = documents.get(id);
      if (folded === undefined) continue;
      const { step, wasParked } = folded;
      const key = docRowKey(id);
      if (step.state === null) writes.remove(this.#file.documents, key);
      else writes.put(this.#file.documents, key, documentBytes(id, step));
      if (step.state?.parked !== undefined) writes.put(this.#file.parked, key, PRESENT);
      else if (wasParked) writes.remove(this.#file.parked, key);
      await writes.group();
    }
  }

  /** Removes what truncations emptied. Their range is what makes it exact, so it is done and durable first. */
  async #truncate({ truncated, channels }: Folded): Promise<void> {
    const writes = new RowWrites(this.#file.environment);
    const { documents, parked, index, rows } = this.#file;
    for (const prefix of truncated) {
      for (const table of [documents, parked]) {
        const remove = ({ key }: Row): void => {
          writes.remove(table, key);
        };
        await this.#file.eachUnder(table, textKey(prefix), remove, () => writes.group());
      }
    }
    for (const [name, { truncations }] of channels) {
      for (const [table, { serial }] of truncations) {
        const remove = ({ key, value }: Row): void => {
          const old = readNumber(value);
          // Rows from after it may be here already, from a write-back that was cut off.
          if (old >= serial) return;
          writes.remove(rows, key);
          writes.remove(index, indexKey(name, old));
        };
        const prefix = textKey(`${name}\0${table}\0`);
        await this.#file.eachUnder(rows, prefix, remove, () => writes.group());
      }
    }
    await writes.end();
  }

  // ------------------------------------------------------------ channels

  async #events(name: string, entries: readonly ChannelEntry[], writes: RowWrites): Promise<void> {
    for (const entry of entries) {
      writes.put(this.#file.index, indexKey(name, entry.serial), encodeIndexRow(entry, undefined));
      await writes.group();
    }
  }

  async #state(name: string, channel: FoldedChannel, writes: RowWrites): Promise<void> {
    for (const [table, entry] of channel.truncations) {
      this.#place(
        name,
        truncationKey(name, table),
        { entry, key: "", document: undefined },
        writes,
      );
    }
    for (const row of [...channel.rows.keys()].sort()) {
      const folded = channel.rows.get(row);
      if (folded === undefined) continue;
      this.#place(name, rowKey(name, folded.entry.table, folded.key), folded, writes);
      await writes.group();
    }
  }

  /** Only the newest serial of a row stays in the index. */
  #place(name: string, key: Buffer, folded: FoldedEntry, writes: RowWrites): void {
    const { entry, document } = folded;
    const { index, rows, tombstones } = this.#file;
    const known = rows.get(key);
    const old = known === undefined ? 0 : readNumber(known);
    if (old > entry.serial) return;
    if (old > 0 && old < entry.serial) writes.remove(index, indexKey(name, old));
    writes.put(rows, key, numberKey(entry.serial));
    writes.put(index, indexKey(name, entry.serial), encodeIndexRow(entry, document));
    if (showsRow(entry.op)) return;
    writes.put(tombstones, tombstoneKey(entry.log, name, entry.serial), PRESENT);
  }
}

function documentBytes(id: DocId, step: DocumentStep): Uint8Array {
  if (step.encoded !== undefined) return step.encoded;
  const { identity } = docKeyOf(id);
  const { state } = step;
  if (state === null) return PRESENT;
  return encodeDocument(state, isCut(identity) ? identity : "");
}
