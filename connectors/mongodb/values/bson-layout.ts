/**
 * How BSON lies in bytes (bsonspec.org, version 1.1): types, and where a name or a value ends. Everything that
 * is read here lies inside the document: a length that leads out of it is an error, never a wrong value.
 */
import { AppError } from "../../../src/base/errors.js";

export const bsonType = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  bool: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  minKey: 0xff,
  maxKey: 0x7f,
} as const;

/** The server's own limit is 100 levels, with room: a recursion without a bound would end the process. */
export const DEPTH_MAX = 200;

const EMPTY_DOCUMENT_BYTES = 5;

/** By type; −1 where the value tells its own length, −2 where there is no such type. */
const fixedSizes = new Int8Array(256).fill(-2);
for (const [size, types] of [
  [0, [bsonType.undefined, bsonType.null, bsonType.minKey, bsonType.maxKey]],
  [1, [bsonType.bool]],
  [4, [bsonType.int32]],
  [8, [bsonType.double, bsonType.date, bsonType.timestamp, bsonType.int64]],
  [12, [bsonType.objectId]],
  [16, [bsonType.decimal128]],
  [-1, [bsonType.string, bsonType.document, bsonType.array, bsonType.binary, bsonType.regex]],
  [-1, [bsonType.dbPointer, bsonType.code, bsonType.symbol, bsonType.codeWithScope]],
] as const) {
  for (const type of types) fixedSizes[type] = size;
}

export function malformed(found: string): AppError {
  return new AppError("MONGODB_BSON_MALFORMED", `reading a document: found ${found}`);
}

export function int32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** The string that begins at `at`. */
export function textAt(bytes: Buffer, at: number): string {
  return bytes.toString("utf8", at + 4, at + 4 + int32At(bytes, at) - 1);
}

/** Where the document that begins at `at` ends: just after its closing zero. */
export function documentEnd(bytes: Uint8Array, at: number): number {
  const length = int32At(bytes, at);
  const end = at + length;
  if (length < EMPTY_DOCUMENT_BYTES || end > bytes.length || bytes[end - 1] !== 0) {
    throw malformed(`a length of ${String(length)} for a document that does not end there`);
  }
  return end;
}

/** Place of the zero that ends the name which begins at `at`. */
export function nameEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] !== 0) {
    if (end >= bytes.length) throw malformed("a name without an end");
    end += 1;
  }
  return end;
}

/** Whether the name between `from` and `end` is this one. */
export function isNamed(name: Uint8Array, bytes: Uint8Array, from: number, end: number): boolean {
  if (end - from !== name.length) return false;
  for (let index = 0; index < name.length; index += 1) {
    if (bytes[from + index] !== name[index]) return false;
  }
  return true;
}

/** Where the value of `type` that begins at `at` ends; `limit` is the document's closing zero. */
export function valueEnd(bytes: Uint8Array, type: number, at: number, limit: number): number {
  const size = fixedSizes[type] ?? -2;
  const end = size >= 0 ? at + size : at + varyingSize(bytes, type, at);
  if (end > limit || end < at) throw malformed("a value that goes beyond its document");
  return end;
}

function varyingSize(bytes: Uint8Array, type: number, at: number): number {
  switch (type) {
    case bsonType.string:
    case bsonType.code:
    case bsonType.symbol:
      return 4 + textLength(bytes, at);
    case bsonType.document:
    case bsonType.array:
      return documentEnd(bytes, at) - at;
    case bsonType.binary:
      return 5 + positive(int32At(bytes, at), 0);
    case bsonType.regex:
      return nameEnd(bytes, nameEnd(bytes, at) + 1) + 1 - at;
    case bsonType.dbPointer:
      return 4 + textLength(bytes, at) + 12;
    case bsonType.codeWithScope:
      // Its own length, a text and a document.
      return positive(int32At(bytes, at), 14);
    default:
      throw malformed(`a value of type 0x${type.toString(16)}`);
  }
}

/** Bytes of a text with its closing zero, from the length before it. */
function textLength(bytes: Uint8Array, at: number): number {
  const length = positive(int32At(bytes, at), 1);
  if (bytes[at + 4 + length - 1] !== 0) throw malformed("a text that does not end with a zero");
  return length;
}

function positive(length: number, least: number): number {
  if (length < least) throw malformed(`a length of ${String(length)}`);
  return length;
}
