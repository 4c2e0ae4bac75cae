/**
 * A kept document as bytes: the same bytes stand in a block and in the derived row, so that a write-back
 * copies and never encodes. The identity is in them only where the row's key had to shorten it.
 *
 * Inside a huge unit the serials of targets are not known yet: they stand as negative ordinals of the unit.
 */
import type { KeptDocument, Parked, Target } from "../model/document.js";
import { ByteReader, ByteWriter, DamagedBytes } from "./byte-io.js";

const PARKED = 1;
const UNRESOLVED = 2;

export function writeDocument(writer: ByteWriter, document: KeptDocument, identity: string): void {
  const { parked, targets } = document;
  const unresolved = targets.some(({ serial }) => serial < 0);
  writer.u8((parked === undefined ? 0 : PARKED) | (unresolved ? UNRESOLVED : 0));
  writer.text(identity);
  writer.text(document.table);
  writer.varint(document.schema);
  writer.text(document.key);
  writer.text(document.hidden);
  writer.text(document.pending);
  writer.text(document.leaf);
  writer.varint(document.copy);
  writer.varint(document.ruleVersion);
  writer.varint(targets.length);
  for (const { channel, serial } of targets) {
    writer.text(channel);
    if (unresolved) writer.u8(serial < 0 ? 1 : 0);
    writer.varint(Math.abs(serial));
  }
  if (parked !== undefined) {
    writer.text(parked.code);
    writer.text(parked.message);
    writer.text(parked.position);
    writer.varint(parked.at);
  }
  writer.bytes(document.body);
}

export interface ReadDocument {
  readonly document: KeptDocument;
  /** "" where the row's key holds it whole. */
  readonly identity: string;
}

/** The body is a view into `bytes`. */
export function readDocument(bytes: Uint8Array): ReadDocument {
  const reader = new ByteReader(bytes);
  const flags = reader.u8();
  const identity = reader.text();
  const fields = {
    table: reader.text(),
    schema: reader.varint(),
    key: reader.text(),
    hidden: reader.text(),
    pending: reader.text(),
    leaf: reader.text(),
    copy: reader.varint(),
    ruleVersion: reader.varint(),
  };
  const targets = readTargets(reader, (flags & UNRESOLVED) !== 0);
  const parked = (flags & PARKED) === 0 ? undefined : readParked(reader);
  const body = reader.bytes();
  if (!reader.isDone) throw new DamagedBytes(`a document goes on at byte ${reader.at}`);
  return { document: { body, ...fields, targets, parked }, identity };
}

export function encodeDocument(document: KeptDocument, identity: string): Buffer {
  const writer = new ByteWriter(document.body.length + 512);
  writeDocument(writer, document, identity);
  return writer.copy();
}

function readTargets(reader: ByteReader, unresolved: boolean): Target[] {
  const targets: Target[] = [];
  const count = reader.varint();
  for (let at = 0; at < count; at++) {
    const channel = reader.text();
    const sign = unresolved && reader.u8() === 1 ? -1 : 1;
    targets.push({ channel, serial: sign * reader.varint() });
  }
  return targets;
}

function readParked(reader: ByteReader): Parked {
  return {
    code: reader.text(),
    message: reader.text(),
    position: reader.text(),
    at: reader.varint(),
  };
}
