/** Reads a block back into a unit with all of its entries. Parts of a huge unit once the unit's serials are known. */
import type { KeptDocument, Target } from "../model/document.js";
import type { ChannelEntry } from "../model/entry.js";
import type { TableSchema } from "../model/table.js";
import { NO_DOCUMENT } from "./block-encoder.js";
import { ItemTag, showsRow } from "./block-format.js";
import { BlockScanner } from "./block-scanner.js";
import type { ScannedChannel } from "./block-scanner.js";
import { DamagedBytes } from "./byte-io.js";
import { PackedDocument } from "./document-codec.js";
import { docPrefix } from "./document-key.js";
import type { DocId, FeedId } from "./document-key.js";
import type { LogNumber } from "./journal.js";
import { DocumentPlaces } from "./document-places.js";
import { RowKey } from "./row-key.js";
import { NO_CONTENTS } from "./unit.js";
import type { ChannelContents, Unit, UnitChannel } from "./unit.js";

/** Where a channel stood before a huge unit, and its epoch. */
export interface UnitBase {
  readonly epoch: number;
  readonly from: number;
}

export interface DecodedBlock {
  readonly unit: Unit;
  readonly contents: ReadonlyMap<string, ChannelContents>;
  readonly schemas: readonly TableSchema[];
  readonly positions: ReadonlyMap<string, { generation: number; position: string }>;
  /** The block is the commit of a huge unit: its entries are in the parts, its channels without any here. */
  readonly parts: { readonly id: string; readonly count: number } | undefined;
}

/** The block; throws DamagedBytes. */
export function decodeBlock(bytes: Uint8Array): DecodedBlock {
  const scanner = new BlockScanner(bytes);
  if (scanner.isPart) throw new DamagedBytes("a part of a unit where a block belongs");
  return new BlockDecoder(scanner, undefined).decode();
}

/** A part of the huge unit `log`. `base` knows every channel of the unit. */
export function decodePart(
  bytes: Uint8Array,
  log: LogNumber,
  base: (channel: string) => UnitBase,
): DecodedBlock {
  const scanner = new BlockScanner(bytes);
  if (!scanner.isPart) throw new DamagedBytes("a block where a part of a unit belongs");
  return new BlockDecoder(scanner, { log, base }).decode();
}

interface OpenChannel {
  readonly epoch: number;
  readonly from: number;
  to: number;
  written: number;
  counts: ReadonlyMap<FeedId, number>;
  readonly entries: ChannelEntry[];
  readonly keys: string[];
  readonly documents: (DocId | undefined)[];
}

interface Resolve {
  readonly log: LogNumber;
  readonly base: (channel: string) => UnitBase;
}

/** What the entries of one change share. */
interface Shown {
  readonly id: DocId | undefined;
  readonly document: PackedDocument | undefined;
  readonly body: Buffer | undefined;
  readonly key: string;
}

const rowKey = new RowKey();
const nothingShown: Shown = { id: undefined, document: undefined, body: undefined, key: "" };
const empty = Buffer.alloc(0);

class BlockDecoder {
  readonly #scanner: BlockScanner;
  readonly #resolve: Resolve | undefined;
  readonly #log: LogNumber;
  readonly #open: OpenChannel[] = [];
  readonly #unitChannels = new Map<string, UnitChannel>();
  readonly #documents = new DocumentPlaces();
  readonly #truncated = new Set<string>();
  readonly #schemas: TableSchema[] = [];
  readonly #positions = new Map<string, { generation: number; position: string }>();
  readonly #hiding = new Map<string, number>();
  #parked = 0;
  #parts: { id: string; count: number } | undefined;

  constructor(scanner: BlockScanner, resolve: Resolve | undefined) {
    this.#scanner = scanner;
    this.#resolve = resolve;
    this.#log = resolve?.log ?? scanner.log;
  }

  decode(): DecodedBlock {
    const scanner = this.#scanner;
    for (let tag = scanner.next(); tag !== undefined; tag = scanner.next()) this.#item(tag);
    const contents = new Map<string, ChannelContents>();
    const channels = this.#unitChannels;
    for (const { place, name, kind } of scanner.channels) {
      const channel = this.#open[place];
      if (channel === undefined) continue;
      const { epoch, from, to, written, counts, entries, keys, documents } = channel;
      const own: ChannelContents = { entries, keys, documents };
      contents.set(name, own);
      channels.set(name, { kind, epoch, from, to, written, counts, contents: () => own });
    }
    const unit: Unit = {
      ...{ log: this.#log, at: scanner.at, channels },
      ...{ documents: this.#documents, truncated: this.#truncated },
      ...{ parked: this.#parked, hiding: this.#hiding, block: scanner.bytes },
    };
    const [schemas, positions] = [this.#schemas, this.#positions];
    return { unit, contents, schemas, positions, parts: this.#parts };
  }

  #item(tag: number): void {
    const scanner = this.#scanner;
    switch (tag) {
      case ItemTag.change:
        this.#change();
        return;
      case ItemTag.truncation:
        this.#truncation(docPrefix(scanner.rule, scanner.relation));
        return;
      case ItemTag.gap:
        this.#entries(nothingShown);
        return;
      case ItemTag.counts: {
        const channel = this.#opened(scanner.channel());
        channel.written = scanner.number();
        channel.counts = scanner.feeds();
        return;
      }
      case ItemTag.hiding:
        this.#hiding.set(scanner.name(), scanner.number());
        return;
      case ItemTag.schema:
        this.#schemas.push(JSON.parse(scanner.text()) as TableSchema);
        return;
      case ItemTag.position: {
        const source = scanner.text();
        const generation = scanner.number();
        this.#positions.set(source, { generation, position: scanner.text() });
        return;
      }
      case ItemTag.parked:
        this.#parked = scanner.number();
        return;
      case ItemTag.unit:
        this.#parts = { id: scanner.text(), count: scanner.number() };
        return;
      case ItemTag.unitChannel:
        this.#unitChannel();
        return;
      default:
        throw new DamagedBytes(`an item of kind ${tag}`);
    }
  }

  #change(): void {
    const scanner = this.#scanner;
    const { hasDocument, documentFrom, documentTo } = scanner;
    const id = hasDocument
      ? docPrefix(scanner.rule, scanner.relation) + scanner.identity
      : undefined;
    const document =
      documentTo === 0
        ? undefined
        : new PackedDocument(scanner.bytes.subarray(documentFrom, documentTo));
    const shown = { id, document, body: document?.body, key: document?.key ?? "" };
    this.#entries(shown);
    // Of a block nobody asks for documents: who wants them has the unit.
    if (hasDocument && this.#resolve !== undefined) {
      rowKey.set(scanner);
      this.#documents.set(rowKey, document === undefined ? NO_DOCUMENT : documentFrom);
    }
  }

  #truncation(prefix: string): void {
    this.#documents.forget(Buffer.from(prefix, "utf8"));
    this.#truncated.add(prefix);
    this.#entries(nothingShown);
  }

  #entries(shown: Shown): void {
    const scanner = this.#scanner;
    while (scanner.left > 0) {
      const scanned = scanner.entry();
      const channel = this.#opened(scanned);
      const { op, table, schema, index, isShared, bodyFrom, bodyTo } = scanner;
      const body = isShared ? (shown.body ?? empty) : scanner.bytes.subarray(bodyFrom, bodyTo);
      channel.to += 1;
      const log = this.#log;
      channel.entries.push({ serial: channel.to, log, index, op, table, schema, body });
      channel.keys.push(
        scanned.kind === "events" ? "" : showsRow(op) ? shown.key : body.toString("utf8"),
      );
      channel.documents.push(shown.id);
    }
  }

  #opened(scanned: ScannedChannel): OpenChannel {
    const known = this.#open[scanned.place];
    if (known !== undefined) return known;
    const base = this.#resolve?.base(scanned.name) ?? { epoch: scanned.epoch, from: 0 };
    const from = base.from + scanned.begin;
    const channel: OpenChannel = {
      ...{ epoch: base.epoch, from, to: from, written: 0, counts: new Map() },
      ...{ entries: [], keys: [], documents: [] },
    };
    this.#open[scanned.place] = channel;
    return channel;
  }

  #unitChannel(): void {
    const scanner = this.#scanner;
    const name = scanner.text();
    this.#unitChannels.set(name, {
      kind: scanner.kind(),
      epoch: scanner.number(),
      from: scanner.number(),
      to: scanner.number(),
      written: scanner.number(),
      counts: scanner.feeds(),
      contents: () => NO_CONTENTS,
    });
  }
}

/** The targets of a document of a huge unit, with the serials that its ordinals became. */
export function resolveTargets(
  targets: readonly Target[],
  base: (channel: string) => UnitBase,
): readonly Target[] {
  return targets.map(({ channel, serial }) => ({
    channel,
    serial: serial < 0 ? base(channel).from - serial : serial,
  }));
}

/** A document of a huge unit, at the serials that it has once the unit is committed. */
export function resolved(
  document: PackedDocument,
  base: (channel: string) => UnitBase,
): KeptDocument {
  const isOpen = document.targets.some(({ serial }) => serial < 0);
  return isOpen ? document.withTargets(resolveTargets(document.targets, base)) : document;
}
