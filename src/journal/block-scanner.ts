/**
 * Goes through a block item by item without making objects of what it finds: the fields below tell of the
 * item, or the entry, that was read last. Refuses bytes that are not what was written: their sum first, then
 * every field (DamagedBytes).
 */
import { crc32 } from "node:zlib";
import type { Op } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";
import {
  BLOCK_FORMAT,
  BlockKind,
  ChangeFlag,
  HeaderAt,
  ItemTag,
  kinds,
  ops,
  SHARED_BODY,
} from "./block-format.js";
import { ByteReader, DamagedBytes } from "./byte-io.js";
import { feedIdOf } from "./document-key.js";
import type { FeedId } from "./document-key.js";

/** A channel as the block defines it. */
export interface ScannedChannel {
  /** 0, 1, 2 … in the order of their first entries. */
  readonly place: number;
  readonly name: string;
  readonly kind: ChannelKind;
  /** 0 in a part of a huge unit. */
  readonly epoch: number;
  /** Serial, or ordinal of the unit, before the block. */
  readonly begin: number;
  /** Of the entry that was read last. */
  serial: number;
}

export class BlockScanner {
  readonly bytes: Buffer;
  readonly isPart: boolean;
  readonly log: number;
  readonly at: number;
  readonly channels: ScannedChannel[] = [];
  /** Of the entry that was read last, in its unit. */
  index: number;

  /** Of a change, a truncation and others. */
  rule = "";
  relation = "";
  identity = "";
  hasDocument = false;
  wasParked = false;
  /** Where the document of the change stands; both 0 where there is none. */
  documentFrom = 0;
  documentTo = 0;
  /** Places that the document of the change had and has no more: channels, and serials beside them; negative for ordinals. */
  readonly leftChannels: ScannedChannel[] = [];
  readonly leftSerials: number[] = [];

  /** Of an entry. */
  op: Op = "i";
  table = "";
  schema = 0;
  isShared = false;
  bodyFrom = 0;
  bodyTo = 0;

  readonly #reader: ByteReader;
  readonly #names: string[] = [];
  #left = 0;
  #isBare = false;

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes, HeaderAt.format);
    this.bytes = this.#reader.slice(0, bytes.length);
    checkSum(this.bytes);
    const reader = this.#reader;
    const format = reader.u8();
    if (format !== BLOCK_FORMAT) throw new DamagedBytes(`block format ${format}`);
    this.isPart = reader.u8() === BlockKind.part;
    this.log = reader.f64();
    this.at = reader.f64();
    this.index = reader.varint() - 1;
  }

  /** Entries of the item that were not read yet. */
  get left(): number {
    return this.#left;
  }

  /** The tag of the next item; undefined at the end. A change, a truncation and a gap are followed by their entries. */
  next(): number | undefined {
    const reader = this.#reader;
    if (reader.isDone) return undefined;
    const tag = reader.u8();
    if (tag === ItemTag.change) this.#change();
    else if (tag === ItemTag.truncation) {
      this.rule = this.name();
      this.relation = this.name();
      this.#bare("t");
    } else if (tag === ItemTag.gap) this.#bare("g");
    return tag;
  }

  /** The next entry's channel. */
  entry(): ScannedChannel {
    const reader = this.#reader;
    this.#left -= 1;
    this.index += 1;
    const channel = this.channel();
    channel.serial += 1;
    if (this.#isBare) {
      this.table = this.name();
      this.schema = reader.varint();
      return channel;
    }
    const code = reader.u8();
    this.op = found(ops, code & ~SHARED_BODY);
    this.table = this.name();
    this.schema = reader.varint();
    this.isShared = (code & SHARED_BODY) !== 0;
    if (this.isShared) {
      if (this.documentTo === 0) throw new DamagedBytes(`a shared body at byte ${reader.at}`);
      return channel;
    }
    const size = reader.varint();
    this.bodyFrom = reader.at;
    reader.pass(size);
    this.bodyTo = reader.at;
    return channel;
  }

  // What items besides hold, field by field.

  number(): number {
    return this.#reader.varint();
  }

  text(): string {
    return this.#reader.text();
  }

  kind(): ChannelKind {
    return found(kinds, this.#reader.u8());
  }

  feeds(): Map<FeedId, number> {
    const counts = new Map<FeedId, number>();
    for (let left = this.#reader.varint(); left > 0; left -= 1) {
      const feed = feedIdOf(this.name(), this.name(), this.name());
      counts.set(feed, this.#reader.varint());
    }
    return counts;
  }

  name(): string {
    const id = this.#reader.varint();
    const known = this.#names[id];
    if (known !== undefined) return known;
    if (id !== this.#names.length) throw new DamagedBytes(`name ${id} is not defined`);
    const name = this.#reader.text();
    this.#names.push(name);
    return name;
  }

  channel(): ScannedChannel {
    const reader = this.#reader;
    const place = reader.varint();
    const known = this.channels[place];
    if (known !== undefined) return known;
    if (place !== this.channels.length) throw new DamagedBytes(`channel ${place} is not defined`);
    const name = reader.text();
    const kind = this.kind();
    const epoch = reader.varint();
    const begin = reader.varint();
    const channel = { place, name, kind, epoch, begin, serial: begin };
    this.channels.push(channel);
    return channel;
  }

  #change(): void {
    const reader = this.#reader;
    const flags = reader.u8();
    this.#isBare = false;
    this.hasDocument = (flags & ChangeFlag.document) !== 0;
    this.wasParked = (flags & ChangeFlag.wasParked) !== 0;
    if (this.hasDocument) {
      this.rule = this.name();
      this.relation = this.name();
      this.identity = reader.text();
    }
    this.documentFrom = 0;
    this.documentTo = 0;
    if ((flags & ChangeFlag.state) !== 0) {
      const size = reader.u32();
      this.documentFrom = reader.at;
      reader.pass(size);
      this.documentTo = reader.at;
    }
    this.leftChannels.length = 0;
    this.leftSerials.length = 0;
    if ((flags & ChangeFlag.left) !== 0) this.#leftPlaces();
    this.#left = reader.varint();
  }

  #leftPlaces(): void {
    const reader = this.#reader;
    for (let left = reader.varint(); left > 0; left -= 1) {
      this.leftChannels.push(this.channel());
      const sign = reader.u8() === 1 ? -1 : 1;
      this.leftSerials.push(sign * reader.varint());
    }
  }

  #bare(op: Op): void {
    this.#isBare = true;
    this.op = op;
    this.isShared = false;
    this.bodyFrom = 0;
    this.bodyTo = 0;
    this.#left = this.#reader.varint();
  }
}

function checkSum(bytes: Buffer): void {
  if (bytes.length <= HeaderAt.at) throw new DamagedBytes("shorter than a header");
  const told = bytes.readUInt32LE(HeaderAt.crc);
  const sum = crc32(bytes.subarray(HeaderAt.format));
  if (told !== sum) throw new DamagedBytes(`sum ${sum} instead of ${told}`);
}

function found<T>(values: readonly T[], at: number): T {
  const value = values[at];
  if (value === undefined) throw new DamagedBytes(`number ${at} of ${values.length} choices`);
  return value;
}
