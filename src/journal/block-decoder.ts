/**
 * Reads a block back into a unit, refusing bytes that are not what was written: their sum first, then
 * every field. Parts of a huge unit are read once the unit's serials are known.
 */
import { crc32 } from "node:zlib";
import { must } from "../base/assert.js";
import type { KeptDocument } from "../model/document.js";
import type { ChannelEntry, Op } from "../model/entry.js";
import type { ChannelKind, TableSchema } from "../model/table.js";
import {
  BLOCK_FORMAT,
  BlockKind,
  ChangeFlag,
  HeaderAt,
  ItemTag,
  kinds,
  ops,
  SHARED_BODY,
  showsRow,
} from "./block-format.js";
import { ByteReader, DamagedBytes } from "./byte-io.js";
import { readDocument } from "./document-codec.js";
import { docIdOf, docPrefix, feedIdOf } from "./document-key.js";
import type { DocId, FeedId } from "./document-key.js";
import type { LogNumber } from "./journal.js";
import type { Unit, UnitChannel, UnitStep } from "./unit.js";

/** Where a channel stood before a huge unit, and its epoch. */
export interface UnitBase {
  readonly epoch: number;
  readonly from: number;
}

export interface DecodedBlock {
  readonly unit: Unit;
  readonly schemas: readonly TableSchema[];
  readonly positions: ReadonlyMap<string, { generation: number; position: string }>;
  /** The block is the commit of a huge unit: its entries are in the parts, its channels without any here. */
  readonly parts: { readonly id: string; readonly count: number } | undefined;
}

const empty = new Uint8Array(0);

/** The block; throws DamagedBytes. */
export function decodeBlock(bytes: Uint8Array): DecodedBlock {
  return new BlockDecoder(bytes, undefined).decode();
}

/** A part of the huge unit `log`. `base` knows every channel of the unit. */
export function decodePart(
  bytes: Uint8Array,
  log: LogNumber,
  base: (channel: string) => UnitBase,
): Unit {
  return new BlockDecoder(bytes, { log, base }).decode().unit;
}

interface OpenChannel {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly epoch: number;
  readonly from: number;
  to: number;
  written: number;
  counts: ReadonlyMap<FeedId, number>;
  readonly entries: ChannelEntry[];
  readonly keys: string[];
  readonly documents: (DocId | undefined)[];
}

class BlockDecoder {
  readonly #bytes: Uint8Array;
  readonly #reader: ByteReader;
  readonly #resolve: { log: LogNumber; base: (channel: string) => UnitBase } | undefined;
  readonly #names: string[] = [];
  readonly #channels: OpenChannel[] = [];
  readonly #unitChannels = new Map<string, UnitChannel>();
  readonly #steps: UnitStep[] = [];
  readonly #schemas: TableSchema[] = [];
  readonly #positions = new Map<string, { generation: number; position: string }>();
  readonly #hiding = new Map<string, number>();
  #log = 0;
  #index = 0;
  #parked = 0;
  #parts: { id: string; count: number } | undefined;

  constructor(
    bytes: Uint8Array,
    resolve: { log: LogNumber; base: (channel: string) => UnitBase } | undefined,
  ) {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes, HeaderAt.format);
    this.#resolve = resolve;
  }

  decode(): DecodedBlock {
    const reader = this.#reader;
    this.#checkSum();
    const format = reader.u8();
    if (format !== BLOCK_FORMAT) throw new DamagedBytes(`block format ${format}`);
    const kind = reader.u8();
    if ((kind === BlockKind.part) !== (this.#resolve !== undefined)) {
      throw new DamagedBytes(`a block of kind ${kind} where another belongs`);
    }
    const log = reader.f64();
    this.#log = this.#resolve?.log ?? log;
    const at = reader.f64();
    this.#index = reader.varint();
    while (!reader.isDone) this.#item(reader.u8());
    const channels = this.#unitChannels;
    for (const channel of this.#channels) channels.set(channel.name, channel);
    const unit: Unit = {
      log: this.#log,
      at,
      channels,
      steps: this.#steps,
      parked: this.#parked,
      hiding: this.#hiding,
      bytes: this.#bytes.length,
    };
    return { unit, schemas: this.#schemas, positions: this.#positions, parts: this.#parts };
  }

  #checkSum(): void {
    if (this.#bytes.length <= HeaderAt.at) throw new DamagedBytes("shorter than a header");
    const told = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, 4).readUInt32LE();
    const found = crc32(this.#bytes.subarray(HeaderAt.format));
    if (told !== found) throw new DamagedBytes(`sum ${found} instead of ${told}`);
  }

  #item(tag: number): void {
    const reader = this.#reader;
    switch (tag) {
      case ItemTag.change:
        this.#change();
        return;
      case ItemTag.truncation: {
        const prefix = docPrefix(this.#name(), this.#name());
        this.#steps.push({ kind: "truncation", prefix });
        this.#bare("t");
        return;
      }
      case ItemTag.gap:
        this.#bare("g");
        return;
      case ItemTag.counts: {
        const channel = this.#channel();
        channel.written = reader.varint();
        channel.counts = this.#feeds();
        return;
      }
      case ItemTag.hiding:
        this.#hiding.set(this.#name(), reader.varint());
        return;
      case ItemTag.schema:
        this.#schemas.push(JSON.parse(reader.text()) as TableSchema);
        return;
      case ItemTag.position: {
        const source = reader.text();
        this.#positions.set(source, { generation: reader.varint(), position: reader.text() });
        return;
      }
      case ItemTag.parked:
        this.#parked = reader.varint();
        return;
      case ItemTag.unit:
        this.#parts = { id: reader.text(), count: reader.varint() };
        return;
      case ItemTag.unitChannel:
        this.#unitChannel();
        return;
      default:
        throw new DamagedBytes(`item ${tag} at byte ${reader.at}`);
    }
  }

  #change(): void {
    const reader = this.#reader;
    const flags = reader.u8();
    let id: DocId | undefined;
    if ((flags & ChangeFlag.document) !== 0) {
      const rule = this.#name();
      const relation = this.#name();
      id = docIdOf({ rule, relation, identity: reader.text() });
    }
    let state: KeptDocument | null = null;
    let encoded: Uint8Array | undefined;
    if ((flags & ChangeFlag.state) !== 0) {
      encoded = reader.bytes();
      state = readDocument(encoded).document;
    }
    const count = reader.varint();
    for (let at = 0; at < count; at++) this.#entry(id, state);
    if (id === undefined) return;
    if (state !== null && state.targets.some(({ serial }) => serial < 0)) {
      state = resolveTargets(state, (channel) => this.#base(channel));
      encoded = undefined;
    }
    const wasParked = (flags & ChangeFlag.wasParked) !== 0;
    this.#steps.push({ kind: "document", id, state, encoded, wasParked });
  }

  #entry(id: DocId | undefined, state: KeptDocument | null): void {
    const reader = this.#reader;
    const channel = this.#channel();
    const code = reader.u8();
    const op = found(ops, code & ~SHARED_BODY);
    const table = this.#name();
    const schema = reader.varint();
    const isShared = (code & SHARED_BODY) !== 0;
    if (isShared && state === null) throw new DamagedBytes(`a shared body at byte ${reader.at}`);
    const body = isShared ? must(state, "state of a shared body").body : reader.bytes();
    this.#place(channel, { op, table, schema, body });
    const isRow = showsRow(op);
    channel.keys.push(channel.kind === "events" ? "" : isRow ? (state?.key ?? "") : textOf(body));
    channel.documents.push(id);
  }

  #bare(op: Op): void {
    const count = this.#reader.varint();
    for (let at = 0; at < count; at++) {
      const channel = this.#channel();
      this.#place(channel, {
        op,
        table: this.#name(),
        schema: this.#reader.varint(),
        body: empty,
      });
      channel.keys.push("");
      channel.documents.push(undefined);
    }
  }

  #place(channel: OpenChannel, entry: Omit<ChannelEntry, "serial" | "log" | "index">): void {
    channel.to += 1;
    const { op, table, schema, body } = entry;
    const index = this.#index++;
    channel.entries.push({ serial: channel.to, log: this.#log, index, op, table, schema, body });
  }

  #base(channel: string): UnitBase {
    return must(this.#resolve, "a unit for unresolved serials").base(channel);
  }

  #channel(): OpenChannel {
    const id = this.#reader.varint();
    const known = this.#channels[id];
    if (known !== undefined) return known;
    if (id !== this.#channels.length) throw new DamagedBytes(`channel ${id} is not defined`);
    const name = this.#reader.text();
    const kind = found(kinds, this.#reader.u8());
    const told = { epoch: this.#reader.varint(), from: this.#reader.varint() };
    const base = this.#resolve === undefined ? { epoch: told.epoch, from: 0 } : this.#base(name);
    const from = base.from + told.from;
    const channel: OpenChannel = {
      ...{ name, kind, epoch: base.epoch, from, to: from, written: 0 },
      ...{ counts: new Map(), entries: [], keys: [], documents: [] },
    };
    this.#channels.push(channel);
    return channel;
  }

  #unitChannel(): void {
    const reader = this.#reader;
    const name = reader.text();
    const kind = found(kinds, reader.u8());
    this.#unitChannels.set(name, {
      kind,
      epoch: reader.varint(),
      from: reader.varint(),
      to: reader.varint(),
      written: reader.varint(),
      counts: this.#feeds(),
      ...{ entries: [], keys: [], documents: [] },
    });
  }

  #feeds(): Map<FeedId, number> {
    const counts = new Map<FeedId, number>();
    const count = this.#reader.varint();
    for (let at = 0; at < count; at++) {
      const feed = feedIdOf(this.#name(), this.#name(), this.#name());
      counts.set(feed, this.#reader.varint());
    }
    return counts;
  }

  #name(): string {
    const id = this.#reader.varint();
    const known = this.#names[id];
    if (known !== undefined) return known;
    if (id !== this.#names.length) throw new DamagedBytes(`name ${id} is not defined`);
    const name = this.#reader.text();
    this.#names.push(name);
    return name;
  }
}

/** A document of a huge unit with the serials that its ordinals became. */
export function resolveTargets(
  state: KeptDocument,
  base: (channel: string) => UnitBase,
): KeptDocument {
  const targets = state.targets.map(({ channel, serial }) => ({
    channel,
    serial: serial < 0 ? base(channel).from - serial : serial,
  }));
  return { ...state, targets };
}

function found<T>(values: readonly T[], at: number): T {
  const value = values[at];
  if (value === undefined) throw new DamagedBytes(`number ${at} of ${values.length} choices`);
  return value;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
