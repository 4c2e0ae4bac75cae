/**
 * A kept document as bytes: the same bytes stand in a block and in the derived row, so that a write-back
 * copies and never encodes. The identity is in them only where the row's key had to shorten it.
 *
 *     flags u8 · schema v · copy v · rule version v · identity s · table s · key s · hidden s · pending s
 *     · leaf s · count v · (channel s · [unresolved u8] · serial v)… · [code s · message s · position s · at v]
 *     · body to the end
 *
 * Inside a huge unit the serials of targets are not known yet: they stand as negative ordinals of the unit.
 */
import { bufferOf } from "../base/bytes.js";
import type { KeptDocument, Parked, Target } from "../model/document.js";
import { ByteReader, ByteWriter } from "./byte-io.js";
import type { DocumentState } from "./journal.js";

const PARKED = 1;
const UNRESOLVED = 2;

/** `state` under these targets; returns nothing, and keeps nothing. */
export function writeDocument(
  writer: ByteWriter,
  state: Omit<DocumentState, "channels">,
  targets: readonly Target[],
  identity: string,
): void {
  const { parked } = state;
  const unresolved = targets.some(({ serial }) => serial < 0);
  writer.u8((parked === undefined ? 0 : PARKED) | (unresolved ? UNRESOLVED : 0));
  writer.varint(state.schema);
  writer.varint(state.copy);
  writer.varint(state.ruleVersion);
  writer.text(identity);
  writer.text(state.table);
  writer.text(state.key);
  writer.text(state.hidden);
  writer.text(state.pending);
  writer.text(state.leaf);
  writer.varint(targets.length);
  for (const { channel, serial } of targets) {
    writer.text(channel);
    if (unresolved) writer.u8(serial < 0 ? 1 : 0);
    writer.varint(Math.abs(serial));
  }
  if (parked !== undefined) writeParked(writer, parked);
  writer.raw(state.body);
}

export function encodeDocument(document: KeptDocument, identity: string): Buffer {
  const writer = new ByteWriter(Buffer.allocUnsafe(document.body.length + 512));
  writeDocument(writer, document, document.targets, identity);
  return writer.copy();
}

/** Throws DamagedBytes. What it returns reads from `bytes` when it is asked. */
export function readDocument(bytes: Uint8Array): PackedDocument {
  return new PackedDocument(bytes);
}

/** Order of the texts of a document. */
const TextAt = { identity: 0, table: 1, key: 2, hidden: 3, pending: 4, leaf: 5 } as const;
const TEXTS = 6;

/**
 * A kept document that stays bytes until one of its fields is asked for: most are only looked at for one or
 * two of them. All places are found at once, so that damage shows here.
 */
export class PackedDocument implements KeptDocument {
  readonly schema: number;
  readonly copy: number;
  readonly ruleVersion: number;
  readonly parked: Parked | undefined;
  readonly #bytes: Buffer;
  readonly #textsAt: number;
  readonly #targetsAt: number;
  readonly #bodyAt: number;
  // Asked for several times of a document that is changed.
  #table: string | undefined;
  #key: string | undefined;

  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes);
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : reader.slice(0, bytes.length);
    const flags = reader.u8();
    this.schema = reader.varint();
    this.copy = reader.varint();
    this.ruleVersion = reader.varint();
    this.#textsAt = reader.at;
    for (let left = TEXTS; left > 0; left -= 1) reader.skip();
    this.#targetsAt = reader.at;
    passTargets(reader, isUnresolved(flags));
    this.parked = (flags & PARKED) === 0 ? undefined : readParked(reader);
    this.#bodyAt = reader.at;
  }

  get targets(): readonly Target[] {
    const unresolved = isUnresolved(this.#bytes[0] ?? 0);
    return readTargets(new ByteReader(this.#bytes, this.#targetsAt), unresolved);
  }

  /** "" where the row's key holds it whole. */
  get identity(): string {
    return this.#text(TextAt.identity);
  }

  get table(): string {
    return (this.#table ??= this.#text(TextAt.table));
  }

  get key(): string {
    return (this.#key ??= this.#text(TextAt.key));
  }

  get hidden(): string {
    return this.#text(TextAt.hidden);
  }

  get pending(): string {
    return this.#text(TextAt.pending);
  }

  get leaf(): string {
    return this.#text(TextAt.leaf);
  }

  /** A view. */
  get body(): Buffer {
    return this.#bytes.subarray(this.#bodyAt);
  }

  get bodyText(): string {
    return this.#bytes.toString("utf8", this.#bodyAt);
  }

  /** The same with other targets: those of a huge unit, once its serials are known. */
  withTargets(targets: readonly Target[]): KeptDocument {
    const { body, key, table, schema, hidden, pending, leaf, copy, ruleVersion, parked } = this;
    return {
      ...{ body, key, table, schema, hidden, pending, targets },
      ...{ leaf, copy, ruleVersion, parked },
    };
  }

  #text(at: number): string {
    return textIn(new ByteReader(this.#bytes, this.#textsAt), at);
  }
}

/**
 * What a reader sends of a document, read into the same object for one document after the other: a lap passes them
 * by the ten thousand. Nothing of it needs the bytes afterwards.
 */
export class ShownDocument {
  schema = 0;
  ruleVersion = 0;
  table = "";
  key = "";
  body: Buffer = Buffer.alloc(0);
  /** Of the table's name, as it stood in the document before. */
  #tableBytes: Buffer = Buffer.alloc(0);

  /**
   * Throws DamagedBytes. `bytes` may be memory that is longer than its `length` says, and is written again.
   * `key` is "" unless it is wanted.
   */
  read(bytes: Buffer, wantsKey: boolean): void {
    const { length } = bytes;
    const reader = new ByteReader(bytes);
    const flags = reader.u8();
    this.schema = reader.varint();
    reader.varint();
    this.ruleVersion = reader.varint();
    reader.skip();
    this.#readTable(bytes, reader);
    if (wantsKey) this.key = reader.text();
    else {
      this.key = "";
      reader.skip();
    }
    for (let left = TEXTS - 3; left > 0; left -= 1) reader.skip();
    passTargets(reader, isUnresolved(flags));
    if (isParkedDocument(flags)) readParked(reader);
    // From Node's pool, where it fits: a block of memory for each would cost as much as the rest.
    this.body = Buffer.allocUnsafe(length - reader.at);
    bytes.copy(this.body, 0, reader.at, length);
  }

  /** Nearly always the same. */
  #readTable(bytes: Buffer, reader: ByteReader): void {
    const size = reader.varint();
    const from = reader.at;
    reader.pass(size);
    const known = this.#tableBytes;
    let at = 0;
    if (known.length === size) while (at < size && known[at] === bytes[from + at]) at += 1;
    if (at === size && known.length === size) return;
    this.table = bytes.toString("utf8", from, from + size);
    this.#tableBytes = Buffer.from(this.table, "utf8");
  }
}

/** Whether serials of targets are ordinals still; `flags` is the document's first byte. */
export function isUnresolved(flags: number): boolean {
  return (flags & UNRESOLVED) !== 0;
}

export function isParkedDocument(flags: number): boolean {
  return (flags & PARKED) !== 0;
}

/** One field, without the others. */
export function documentKeyIn(bytes: Buffer): string {
  const reader = new ByteReader(bytes, 1);
  for (let left = 3; left > 0; left -= 1) reader.varint();
  return textIn(reader, TextAt.key);
}

export function documentBodyIn(bytes: Buffer): Buffer {
  return new PackedDocument(bytes).body;
}

/** Of a document, wherever it is kept. */
export function bodyTextOf(document: Pick<KeptDocument, "body">): string {
  if (document instanceof PackedDocument) return document.bodyText;
  return bufferOf(document.body).toString("utf8");
}

function textIn(reader: ByteReader, at: number): string {
  for (let left = at; left > 0; left -= 1) reader.skip();
  return reader.text();
}

function passTargets(reader: ByteReader, unresolved: boolean): void {
  for (let left = reader.varint(); left > 0; left -= 1) {
    reader.skip();
    if (unresolved) reader.u8();
    reader.varint();
  }
}

function readTargets(reader: ByteReader, unresolved: boolean): readonly Target[] {
  const count = reader.varint();
  const targets: Target[] = [];
  for (let at = 0; at < count; at++) {
    const channel = reader.text();
    const sign = unresolved && reader.u8() === 1 ? -1 : 1;
    targets.push({ channel, serial: sign * reader.varint() });
  }
  return targets;
}

function writeParked(writer: ByteWriter, { code, message, position, at }: Parked): void {
  writer.text(code);
  writer.text(message);
  writer.text(position);
  writer.varint(at);
}

function readParked(reader: ByteReader): Parked {
  return {
    code: reader.text(),
    message: reader.text(),
    position: reader.text(),
    at: reader.varint(),
  };
}
