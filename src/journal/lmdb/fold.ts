/**
 * What blocks leave behind once they are taken together: of each document its newest bytes, of each channel
 * the places that show a row, those that do no more, and the deletions. Pure; the write-back carries it out.
 *
 * A block says itself which places its documents left, so nothing is looked up here; and it is read without
 * an object per entry where that can be, since every row of every source passes here.
 */
import type { ChannelEntry } from "../../model/entry.js";
import type { ChannelKind } from "../../model/table.js";
import { resolved } from "../block-decoder.js";
import type { UnitBase } from "../block-decoder.js";
import { ItemTag, showsRow } from "../block-format.js";
import { BlockScanner } from "../block-scanner.js";
import type { ScannedChannel } from "../block-scanner.js";
import { DamagedBytes } from "../byte-io.js";
import {
  documentBodyIn,
  documentKeyIn,
  encodeDocument,
  isParkedDocument,
  isUnresolved,
  PackedDocument,
} from "../document-codec.js";
import { docPrefix } from "../document-key.js";
import type { FeedId } from "../document-key.js";
import { prefixRowKey } from "../document-order.js";
import type { LogNumber } from "../journal.js";
import { rowOf } from "../overlay-channel.js";
import { RowKey } from "../row-key.js";
import { FoldedDocuments } from "./folded-documents.js";
import type { FoldedBytes } from "./folded-documents.js";
import { ShownRows } from "./shown-rows.js";

const rowKey = new RowKey();

export interface FoldedChannel {
  readonly kind: ChannelKind;
  epoch: number;
  to: number;
  written: number;
  readonly counts: Map<FeedId, number>;
  /** A row was deleted, or a table truncated, even if it is back by now. */
  deletes: boolean;
  /** A row of it was deleted before the batch. */
  readonly hadDeletions: boolean;
  /** `state` */
  readonly shown: ShownRows;
  /** `state`: serials that may be in the derived index, and show nothing any more. */
  readonly gone: number[];
  /**
   * `state`: rows (`table NUL key`) that were not in the channel some time before: a deletion of theirs is over.
   * Only where there are any deletions.
   */
  readonly entered: Set<string>;
  /** `state`: the deletions that are the last word about their row. */
  readonly deleted: Map<string, ChannelEntry>;
  /** `state`: the newest truncation of each table. */
  readonly truncations: Map<string, ChannelEntry>;
  /** `events`: all. */
  readonly entries: ChannelEntry[];
}

/** Where the units of one batch are folded; the write-back carries it out. */
export class Fold {
  readonly documents = new FoldedDocuments();
  /** What the derived state holds of these documents goes first. */
  readonly truncated = new Set<string>();
  readonly channels = new Map<string, FoldedChannel>();
  /** When units were appended. */
  readonly times: { readonly log: LogNumber; readonly at: number }[] = [];
  to: LogNumber = 0;
  parked = 0;
  /** Whether a row of the channel was deleted some day, as the derived state knows. */
  readonly hadDeletions: (channel: string) => boolean;

  constructor(hadDeletions: (channel: string) => boolean) {
    this.hadDeletions = hadDeletions;
  }

  /** The block of the next unit, whose log number it returns; throws DamagedBytes. */
  block(bytes: Buffer): LogNumber {
    const scanner = new BlockScanner(bytes);
    const { log, at } = scanner;
    new BlockFold(this, scanner, undefined).run();
    this.to = log;
    this.times.push({ log, at });
    return log;
  }

  /** A part of the huge unit `log`, whose commit is durable. */
  part(bytes: Buffer, log: LogNumber, base: (channel: string) => UnitBase): void {
    new BlockFold(this, new BlockScanner(bytes), { log, base }).run();
    this.to = log;
  }
}

interface Resolve {
  readonly log: LogNumber;
  readonly base: (channel: string) => UnitBase;
}

interface OpenChannel {
  readonly folded: FoldedChannel;
  /** What ordinals of a part count from; 0 in a block. */
  readonly base: number;
}

class BlockFold {
  readonly #into: Fold;
  readonly #scanner: BlockScanner;
  readonly #resolve: Resolve | undefined;
  readonly #log: LogNumber;
  readonly #open: OpenChannel[] = [];

  constructor(into: Fold, scanner: BlockScanner, resolve: Resolve | undefined) {
    this.#into = into;
    this.#scanner = scanner;
    this.#resolve = resolve;
    this.#log = resolve?.log ?? scanner.log;
  }

  run(): void {
    const scanner = this.#scanner;
    for (let tag = scanner.next(); tag !== undefined; tag = scanner.next()) this.#item(tag);
  }

  #item(tag: number): void {
    const scanner = this.#scanner;
    switch (tag) {
      case ItemTag.change:
        this.#change();
        return;
      case ItemTag.truncation:
        this.#truncation();
        return;
      case ItemTag.gap:
        while (scanner.left > 0) this.#event();
        return;
      case ItemTag.counts: {
        const { folded } = this.#opened(scanner.channel());
        folded.written = scanner.number();
        for (const [feed, count] of scanner.feeds()) folded.counts.set(feed, count);
        return;
      }
      case ItemTag.parked:
        this.#into.parked = scanner.number();
        return;
      // What only the writer and readers of the blocks need.
      case ItemTag.hiding:
        scanner.name();
        scanner.number();
        return;
      case ItemTag.schema:
        scanner.text();
        return;
      case ItemTag.position:
        scanner.text();
        scanner.number();
        scanner.text();
        return;
      default:
        throw new DamagedBytes(`an item of kind ${tag}`);
    }
  }

  #change(): void {
    const scanner = this.#scanner;
    let document: number | undefined;
    if (scanner.hasDocument) {
      rowKey.set(scanner);
      const bytes = scanner.documentTo === 0 ? undefined : this.#document();
      document = this.#into.documents.set(rowKey, bytes, scanner.wasParked);
    }
    this.#leave();
    while (scanner.left > 0) this.#entry(document);
  }

  /** In a part its targets may be ordinals. */
  #document(): FoldedBytes {
    const { bytes: block, documentFrom: from, documentTo: to } = this.#scanner;
    const flags = block[from] ?? 0;
    const isParked = isParkedDocument(flags);
    const resolve = this.#resolve;
    if (resolve === undefined || !isUnresolved(flags)) return { block, from, to, isParked };
    const document = new PackedDocument(block.subarray(from, to));
    const made = encodeDocument(resolved(document, resolve.base), document.identity);
    return { block: made, from: 0, to: made.length, isParked };
  }

  #leave(): void {
    const { leftChannels, leftSerials } = this.#scanner;
    for (let at = 0; at < leftChannels.length; at += 1) {
      const scanned = leftChannels[at];
      if (scanned === undefined) continue;
      const { folded, base } = this.#opened(scanned);
      const told = leftSerials[at] ?? 0;
      const serial = told < 0 ? base - told : told;
      if (!folded.shown.delete(serial)) folded.gone.push(serial);
    }
  }

  #entry(document: number | undefined): void {
    const scanner = this.#scanner;
    const scanned = scanner.entry();
    if (scanned.kind === "events") {
      this.#eventOf(scanned);
      return;
    }
    const { folded, base } = this.#opened(scanned);
    const serial = base + scanned.serial;
    folded.to = serial;
    const { op } = scanner;
    if (showsRow(op)) {
      if (document === undefined) throw new DamagedBytes("a row without its document");
      const { index } = scanner;
      folded.shown.add(serial, { op, log: this.#log, index, document });
      const hasDeletions = folded.hadDeletions || folded.deleted.size > 0;
      const enters = op === "i" || !scanner.leftChannels.includes(scanned);
      if (hasDeletions && enters) this.#enter(folded);
      return;
    }
    const entry = this.#read(serial);
    const row = rowOf(entry.table, Buffer.from(entry.body).toString("utf8"));
    folded.deletes = true;
    folded.deleted.set(row, entry);
  }

  /** The row may have been deleted before: that deletion is not the last word any more. */
  #enter(folded: FoldedChannel): void {
    const { bytes, documentFrom, documentTo, table } = this.#scanner;
    const key = documentKeyIn(bytes.subarray(documentFrom, documentTo));
    const row = rowOf(table, key);
    folded.deleted.delete(row);
    folded.entered.add(row);
  }

  #truncation(): void {
    const { documents, truncated } = this.#into;
    const scanner = this.#scanner;
    const prefix = prefixRowKey(scanner.rule, scanner.relation);
    truncated.add(docPrefix(scanner.rule, scanner.relation));
    documents.forget(prefix);
    while (scanner.left > 0) {
      const scanned = scanner.entry();
      if (scanned.kind === "events") {
        this.#eventOf(scanned);
        continue;
      }
      const { folded, base } = this.#opened(scanned);
      const serial = base + scanned.serial;
      folded.to = serial;
      this.#empty(folded, prefix, scanner.table);
      folded.deletes = true;
      folded.truncations.set(scanner.table, this.#read(serial));
    }
  }

  #empty(folded: FoldedChannel, prefix: Buffer, table: string): void {
    const { documents } = this.#into;
    folded.shown.deleteWhere((document) => documents.startsWith(document, prefix));
    for (const [row, entry] of folded.deleted) {
      if (entry.table === table) folded.deleted.delete(row);
    }
  }

  #event(): void {
    this.#eventOf(this.#scanner.entry());
  }

  #eventOf(scanned: ScannedChannel): void {
    const { folded, base } = this.#opened(scanned);
    const serial = base + scanned.serial;
    folded.to = serial;
    folded.entries.push(this.#read(serial));
  }

  #read(serial: number): ChannelEntry {
    const { bytes, op, table, schema, index, isShared, bodyFrom, bodyTo } = this.#scanner;
    const body = isShared ? this.#sharedBody() : bytes.subarray(bodyFrom, bodyTo);
    return { serial, log: this.#log, index, op, table, schema, body };
  }

  #sharedBody(): Buffer {
    const { bytes, documentFrom, documentTo } = this.#scanner;
    return documentBodyIn(bytes.subarray(documentFrom, documentTo));
  }

  #opened(scanned: ScannedChannel): OpenChannel {
    const known = this.#open[scanned.place];
    if (known !== undefined) return known;
    const { channels } = this.#into;
    const base = this.#resolve?.base(scanned.name);
    const epoch = base?.epoch ?? scanned.epoch;
    const from = base?.from ?? 0;
    let folded = channels.get(scanned.name);
    if (folded === undefined) {
      folded = emptyChannel(scanned.kind, this.#into.hadDeletions(scanned.name));
      channels.set(scanned.name, folded);
    }
    folded.epoch = epoch;
    folded.to = Math.max(folded.to, from + scanned.begin);
    const open = { folded, base: from };
    this.#open[scanned.place] = open;
    return open;
  }
}

function emptyChannel(kind: ChannelKind, hadDeletions: boolean): FoldedChannel {
  return {
    ...{ kind, epoch: 0, to: 0, written: 0, counts: new Map(), deletes: false, hadDeletions },
    ...{ shown: new ShownRows(), gone: [], entered: new Set() },
    ...{ deleted: new Map(), truncations: new Map(), entries: [] },
  };
}
