/**
 * What blocks leave behind once they are taken together: of each document its newest bytes, of each channel
 * the places that show a row, those that do no more, and the deletions. Pure; the write-back carries it out.
 *
 * A block says itself which places its documents left, so nothing is looked up here; and it is read without
 * an object per entry where that can be, since every row of every source passes here.
 */
import type { ChannelEntry, Op } from "../../model/entry.js";
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
import type { DocId, FeedId } from "../document-key.js";
import type { LogNumber } from "../journal.js";
import { rowOf } from "../overlay-channel.js";

export interface FoldedDocument {
  /** Undefined: gone. */
  readonly bytes: Buffer | undefined;
  readonly isParked: boolean;
  /** Some version since the derived state was parked. */
  readonly wasParked: boolean;
}

/** A place that shows a document. */
export interface ShownPlace {
  readonly op: Op;
  readonly log: LogNumber;
  readonly index: number;
  readonly document: DocId;
}

export interface FoldedChannel {
  readonly kind: ChannelKind;
  epoch: number;
  to: number;
  written: number;
  readonly counts: Map<FeedId, number>;
  /** A row was deleted, or a table truncated, even if it is back by now. */
  deletes: boolean;
  /** `state`: by serial, rising. */
  readonly shown: Map<number, ShownPlace>;
  /** `state`: serials that may be in the derived index, and show nothing any more. */
  readonly gone: number[];
  /** `state`: rows (`table NUL key`) that were not in the channel some time before: a deletion of theirs is over. */
  readonly entered: Set<string>;
  /** `state`: the deletions that are the last word about their row. */
  readonly deleted: Map<string, ChannelEntry>;
  /** `state`: the newest truncation of each table. */
  readonly truncations: Map<string, ChannelEntry>;
  /** `events`: all. */
  readonly entries: ChannelEntry[];
}

/** Where the units of one batch are folded; the write-back makes them durable together, or none. */
export class Fold {
  readonly documents = new Map<DocId, FoldedDocument>();
  /** What the derived state holds of these documents goes first. */
  readonly truncated = new Set<string>();
  readonly channels = new Map<string, FoldedChannel>();
  /** When units were appended. */
  readonly times: { readonly log: LogNumber; readonly at: number }[] = [];
  to: LogNumber = 0;
  parked = 0;

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
  #prefix = "";
  #rule = "";
  #relation = "";

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
    const { documents } = this.#into;
    const { bytes, documentFrom: from, documentTo: to, wasParked } = scanner;
    let id: DocId | undefined;
    if (scanner.hasDocument) {
      id = this.#prefixNow() + scanner.identity;
      const document = to === 0 ? undefined : this.#document(bytes.subarray(from, to));
      const known = documents.get(id);
      documents.set(id, {
        bytes: document,
        isParked: document !== undefined && isParkedDocument(document),
        wasParked: wasParked || known?.wasParked === true || known?.isParked === true,
      });
    }
    this.#leave();
    while (scanner.left > 0) this.#entry(id);
  }

  /** In a part its targets may be ordinals. */
  #document(bytes: Buffer): Buffer {
    const resolve = this.#resolve;
    if (resolve === undefined || !isUnresolved(bytes)) return bytes;
    const document = new PackedDocument(bytes);
    return encodeDocument(resolved(document, resolve.base), document.identity);
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

  #entry(id: DocId | undefined): void {
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
      if (id === undefined) throw new DamagedBytes("a row without its document");
      const { index } = scanner;
      folded.shown.set(serial, { op, log: this.#log, index, document: id });
      if (op === "i" || !scanner.leftChannels.includes(scanned)) this.#enter(folded);
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
    const prefix = docPrefix(scanner.rule, scanner.relation);
    truncated.add(prefix);
    for (const id of documents.keys()) if (id.startsWith(prefix)) documents.delete(id);
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

  #empty(folded: FoldedChannel, prefix: string, table: string): void {
    for (const [serial, { document }] of folded.shown) {
      if (!document.startsWith(prefix)) continue;
      folded.shown.delete(serial);
    }
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

  #prefixNow(): string {
    const { rule, relation } = this.#scanner;
    if (rule !== this.#rule || relation !== this.#relation) {
      this.#rule = rule;
      this.#relation = relation;
      this.#prefix = docPrefix(rule, relation);
    }
    return this.#prefix;
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
      folded = emptyChannel(scanned.kind);
      channels.set(scanned.name, folded);
    }
    folded.epoch = epoch;
    folded.to = Math.max(folded.to, from + scanned.begin);
    const open = { folded, base: from };
    this.#open[scanned.place] = open;
    return open;
  }
}

function emptyChannel(kind: ChannelKind): FoldedChannel {
  return {
    ...{ kind, epoch: 0, to: 0, written: 0, counts: new Map(), deletes: false },
    ...{ shown: new Map(), gone: [], entered: new Set() },
    ...{ deleted: new Map(), truncations: new Map(), entries: [] },
  };
}
