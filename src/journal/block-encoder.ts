/** Writes one block, or one part of a huge unit, while its changes come in (see block-format.ts). */
import { crc32 } from "node:zlib";
import { must } from "../base/assert.js";
import type { DocumentKey, Target } from "../model/document.js";
import type { Op } from "../model/entry.js";
import type { SourcePosition } from "../model/position.js";
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
} from "./block-format.js";
import { ByteWriter } from "./byte-io.js";
import { writeDocument } from "./document-codec.js";
import type { FeedId } from "./document-key.js";
import type { DocumentState } from "./journal.js";

/** The channel of an entry. */
export interface EncodedChannel {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly epoch: number;
  /** Its serial before the block, or before the part. */
  readonly begin: number;
}

export interface EncodedEntry {
  readonly channel: EncodedChannel;
  readonly op: Op;
  readonly table: string;
  readonly schema: number;
  readonly body: Uint8Array | string;
}

export interface LeftPlace {
  readonly channel: EncodedChannel;
  /** Negative: an ordinal of the huge unit. */
  readonly serial: number;
}

export interface EncodedChange {
  readonly document: DocumentKey | null;
  readonly state: DocumentState | null;
  readonly targets: readonly Target[];
  /** Places in `state` channels that the document has no more. */
  readonly left: readonly LeftPlace[];
  /** Identity that the row's key shortens, or "". */
  readonly identity: string;
  readonly wasParked: boolean;
}

/** What `change` returns where no document is kept. */
export const NO_DOCUMENT = -1;

export interface EncodedUnitChannel extends Omit<EncodedChannel, "begin"> {
  readonly from: number;
  readonly to: number;
  readonly written: number;
  readonly counts: ReadonlyMap<FeedId, number>;
}

/** Of the block that was finished last: the next one begins in it, instead of growing from nothing. */
let spare: Buffer | undefined;

export class BlockEncoder {
  readonly #writer: ByteWriter;
  readonly #names = new Map<string, number>();
  readonly #channels = new Map<string, number>();

  /** `index` is that of the first entry. */
  constructor(kind: keyof typeof BlockKind, index = 0) {
    this.#writer = new ByteWriter(spare);
    spare = undefined;
    for (let at = 0; at < HeaderAt.format; at++) this.#writer.u8(0);
    this.#writer.u8(BLOCK_FORMAT);
    this.#writer.u8(BlockKind[kind]);
    this.#writer.f64(0);
    this.#writer.f64(0);
    this.#writer.varint(index);
  }

  get length(): number {
    return this.#writer.length;
  }

  /** Its `count` entries must follow, each by `entry`. Where the document's bytes begin in the block, or NO_DOCUMENT. */
  change(change: EncodedChange, count: number): number {
    const { document, state } = change;
    const writer = this.#writer;
    writer.u8(ItemTag.change);
    writer.u8(
      (document === null ? 0 : ChangeFlag.document) |
        (state === null ? 0 : ChangeFlag.state) |
        (change.wasParked ? ChangeFlag.wasParked : 0) |
        (change.left.length > 0 ? ChangeFlag.left : 0),
    );
    if (document !== null) {
      this.#name(document.rule);
      this.#name(document.relation);
      writer.text(document.identity);
    }
    let from = NO_DOCUMENT;
    if (state !== null) {
      const lengthAt = writer.gap32();
      from = writer.length;
      writeDocument(writer, state, change.targets, change.identity);
      writer.patchU32(lengthAt, writer.length - from);
    }
    if (change.left.length > 0) this.#left(change.left);
    writer.varint(count);
    return from;
  }

  entry(entry: EncodedEntry, shared: Uint8Array | string | undefined): void {
    const writer = this.#writer;
    const isShared = shared !== undefined && sameBody(shared, entry.body);
    this.#channel(entry.channel);
    writer.u8(ops.indexOf(entry.op) | (isShared ? SHARED_BODY : 0));
    this.#name(entry.table);
    writer.varint(entry.schema);
    if (!isShared) writer.bytes(entry.body);
  }

  /** The document that begins at `from`, as it was written. */
  document(from: number): Buffer {
    return documentAt(this.#writer.view(), from);
  }

  truncation(rule: string, relation: string, entries: readonly EncodedEntry[]): void {
    this.#writer.u8(ItemTag.truncation);
    this.#name(rule);
    this.#name(relation);
    this.#bare(entries);
  }

  gap(entries: readonly EncodedEntry[]): void {
    this.#writer.u8(ItemTag.gap);
    this.#bare(entries);
  }

  counts(channel: EncodedChannel, written: number, counts: ReadonlyMap<FeedId, number>): void {
    this.#writer.u8(ItemTag.counts);
    this.#channel(channel);
    this.#writer.varint(written);
    this.#feeds(counts);
  }

  hiding(rule: string, version: number): void {
    this.#writer.u8(ItemTag.hiding);
    this.#name(rule);
    this.#writer.varint(version);
  }

  schema(schema: TableSchema): void {
    this.#writer.u8(ItemTag.schema);
    this.#writer.text(JSON.stringify(schema));
  }

  position(source: string, position: SourcePosition): void {
    this.#writer.u8(ItemTag.position);
    this.#writer.text(source);
    this.#writer.varint(position.generation);
    this.#writer.text(position.position);
  }

  parked(documents: number): void {
    this.#writer.u8(ItemTag.parked);
    this.#writer.varint(documents);
  }

  unit(id: string, parts: number): void {
    this.#writer.u8(ItemTag.unit);
    this.#writer.text(id);
    this.#writer.varint(parts);
  }

  unitChannel(channel: EncodedUnitChannel): void {
    const writer = this.#writer;
    writer.u8(ItemTag.unitChannel);
    writer.text(channel.name);
    writer.u8(kinds.indexOf(channel.kind));
    writer.varint(channel.epoch);
    writer.varint(channel.from);
    writer.varint(channel.to);
    writer.varint(channel.written);
    this.#feeds(channel.counts);
  }

  /** The finished block, after which the encoder is of no use. `log` is 0 for a part. */
  finish(log: number, at: number): Buffer {
    this.#writer.patchF64(HeaderAt.log, log);
    this.#writer.patchF64(HeaderAt.at, at);
    const bytes = this.#writer.copy();
    bytes.writeUInt32LE(crc32(bytes.subarray(HeaderAt.format)), HeaderAt.crc);
    spare = this.#writer.memory();
    return bytes;
  }

  #left(left: readonly LeftPlace[]): void {
    this.#writer.varint(left.length);
    for (const { channel, serial } of left) {
      this.#channel(channel);
      this.#writer.u8(serial < 0 ? 1 : 0);
      this.#writer.varint(Math.abs(serial));
    }
  }

  #bare(entries: readonly EncodedEntry[]): void {
    this.#writer.varint(entries.length);
    for (const entry of entries) {
      this.#channel(entry.channel);
      this.#name(entry.table);
      this.#writer.varint(entry.schema);
    }
  }

  #feeds(counts: ReadonlyMap<FeedId, number>): void {
    this.#writer.varint(counts.size);
    for (const [feed, count] of counts) {
      const [rule, relation, table] = feed.split("\0");
      this.#name(must(rule, "the rule of a feeder"));
      this.#name(must(relation, "the relation of a feeder"));
      this.#name(must(table, "the table of a feeder"));
      this.#writer.varint(count);
    }
  }

  #name(text: string): void {
    const known = this.#names.get(text);
    if (known !== undefined) {
      this.#writer.varint(known);
      return;
    }
    this.#writer.varint(this.#names.size);
    this.#names.set(text, this.#names.size);
    this.#writer.text(text);
  }

  #channel(channel: EncodedChannel): void {
    const known = this.#channels.get(channel.name);
    if (known !== undefined) {
      this.#writer.varint(known);
      return;
    }
    this.#writer.varint(this.#channels.size);
    this.#channels.set(channel.name, this.#channels.size);
    this.#writer.text(channel.name);
    this.#writer.u8(kinds.indexOf(channel.kind));
    this.#writer.varint(channel.epoch);
    this.#writer.varint(channel.begin);
  }
}

/** The document of a block that begins at `from`. */
export function documentAt(block: Buffer, from: number): Buffer {
  return block.subarray(from, from + block.readUInt32LE(from - 4));
}

/** Each as text or as UTF-8 bytes. */
export function sameBody(one: Uint8Array | string, other: Uint8Array | string): boolean {
  if (one === other) return true;
  if (typeof one === "string" && typeof other === "string") return false;
  return Buffer.compare(bytesOf(one), bytesOf(other)) === 0;
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === "string" ? Buffer.from(body, "utf8") : body;
}
