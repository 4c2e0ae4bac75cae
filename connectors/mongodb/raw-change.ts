/**
 * One document of a change stream, taken apart without decoding it: of each part only the place in the bytes
 * that came is noted. Unknown fields and kinds of changes are allowed (M-14): both lists grow with the server.
 */
import { bufferOf } from "../../src/base/bytes.js";
import { AppError } from "../../src/base/errors.js";
import { bsonType, documentEnd, int32At, isNamed } from "./values/bson-layout.js";
import { nameEnd, textAt, valueEnd } from "./values/bson-layout.js";
import { tokenTime, type ClusterTime } from "./stream-position.js";

/** Of what a change may lack. */
export const NOWHERE = -1;

export interface RawChange {
  readonly bytes: Buffer;
  /** `operationType`. */
  readonly kind: string;
  /** Where `_data` of the resume token begins and ends. */
  readonly tokenAt: number;
  readonly tokenEnd: number;
  /** Of the cluster time in the token, and its ordinal within the second. */
  readonly seconds: number;
  readonly increment: number;
  /** Milliseconds since 1970; of servers before 6.0 the seconds of the cluster time. */
  readonly committedAt: number;
  /** `lsid` and `txnNumber`, where the change belongs to a transaction. */
  readonly transaction: string | undefined;
  /** `ns`, and `to` of a renamed collection. */
  readonly namespaceAt: number;
  readonly targetAt: number;
  /** `documentKey`. */
  readonly keyAt: number;
  /** The whole document after the change; NOWHERE if it is not told, or is null. */
  readonly documentAt: number;
  /** `updateDescription`. */
  readonly updateAt: number;
  /** A part of a change that the server cut because of its size. */
  readonly fragment: { readonly fragment: number; readonly of: number } | undefined;
}

export interface Namespace {
  readonly db: string;
  /** Undefined for a whole database. */
  readonly collection: string | undefined;
}

type Mutable = { -readonly [Name in keyof RawChange]: RawChange[Name] } & {
  lsidAt: number;
  numberAt: number;
};

export function readRawChange(raw: Uint8Array): RawChange {
  const bytes = bufferOf(raw);
  const change = blank(bytes);
  const limit = documentEnd(bytes, 0) - 1;
  for (let at = 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const from = at + 1;
    const end = nameEnd(bytes, from);
    noteField(change, type, from, end);
    at = valueEnd(bytes, type, end + 1, limit);
  }
  finish(change);
  return change;
}

function blank(bytes: Buffer): Mutable {
  return {
    bytes,
    kind: "",
    tokenAt: NOWHERE,
    tokenEnd: NOWHERE,
    seconds: 0,
    increment: 0,
    committedAt: NaN,
    transaction: undefined,
    namespaceAt: NOWHERE,
    targetAt: NOWHERE,
    keyAt: NOWHERE,
    documentAt: NOWHERE,
    updateAt: NOWHERE,
    fragment: undefined,
    lsidAt: NOWHERE,
    numberAt: NOWHERE,
  };
}

const name = {
  ns: Buffer.from("ns"),
  to: Buffer.from("to"),
  token: Buffer.from("_id"),
  lsid: Buffer.from("lsid"),
  wallTime: Buffer.from("wallTime"),
  txnNumber: Buffer.from("txnNumber"),
  splitEvent: Buffer.from("splitEvent"),
  documentKey: Buffer.from("documentKey"),
  fullDocument: Buffer.from("fullDocument"),
  operationType: Buffer.from("operationType"),
  updateDescription: Buffer.from("updateDescription"),
} as const;

/** Names are told apart by length first: this runs ten times for every change. */
function noteField(change: Mutable, type: number, from: number, end: number): void {
  const { bytes } = change;
  const isDocument = type === bsonType.document;
  switch (end - from) {
    case 2:
      if (!isDocument) return;
      if (isNamed(name.ns, bytes, from, end)) change.namespaceAt = end + 1;
      else if (isNamed(name.to, bytes, from, end)) change.targetAt = end + 1;
      return;
    case 3:
      if (isDocument && isNamed(name.token, bytes, from, end)) noteToken(change, end + 1);
      return;
    case 11:
      if (isDocument && isNamed(name.documentKey, bytes, from, end)) change.keyAt = end + 1;
      return;
    case 12:
      if (isDocument && isNamed(name.fullDocument, bytes, from, end)) change.documentAt = end + 1;
      return;
    case 13:
      if (type !== bsonType.string || !isNamed(name.operationType, bytes, from, end)) return;
      change.kind = kindAt(bytes, end + 1);
      return;
    case 17:
      if (!isDocument || !isNamed(name.updateDescription, bytes, from, end)) return;
      change.updateAt = end + 1;
      return;
    default:
      noteRare(change, type, from, end);
  }
}

function noteRare(change: Mutable, type: number, from: number, end: number): void {
  const { bytes } = change;
  const at = end + 1;
  if (type === bsonType.date) {
    const isWallTime = isNamed(name.wallTime, bytes, from, end);
    if (isWallTime) change.committedAt = int32At(bytes, at + 4) * 2 ** 32 + unsignedAt(bytes, at);
  } else if (type === bsonType.int64) {
    if (isNamed(name.txnNumber, bytes, from, end)) change.numberAt = at;
  } else if (type === bsonType.document) {
    if (isNamed(name.lsid, bytes, from, end)) change.lsidAt = at;
    else if (isNamed(name.splitEvent, bytes, from, end)) change.fragment = readFragment(bytes, at);
  }
}

function finish(change: Mutable): void {
  const { bytes, tokenAt, tokenEnd, lsidAt, numberAt, kind, fragment } = change;
  if (tokenAt === NOWHERE) throw unreadableChange("_id");
  if (kind === "" && fragment === undefined) throw unreadableChange("operationType");
  const { seconds, increment } = tokenTime(bytes, tokenAt, tokenEnd);
  change.seconds = seconds;
  change.increment = increment;
  if (Number.isNaN(change.committedAt)) change.committedAt = seconds * 1000;
  if (lsidAt === NOWHERE || numberAt === NOWHERE) return;
  const lsid = binaryIn(bytes, lsidAt, "id");
  const number = bytes.readBigInt64LE(numberAt).toString();
  if (lsid !== undefined) change.transaction = `${lsid.toString("base64url")}/${number}`;
}

export function tokenOf({ bytes, tokenAt, tokenEnd }: RawChange): string {
  return bytes.toString("latin1", tokenAt, tokenEnd);
}

export function timeOfChange({ bytes, tokenAt }: RawChange): ClusterTime {
  return bytes.toString("latin1", tokenAt + 2, tokenAt + 18);
}

const EMPTY_BYTES = 5;

/** Each fragment holds some of the fields; the last one's token stands for all of them. */
export function mergeFragments(parts: readonly RawChange[]): RawChange {
  const fields: Buffer[] = [];
  for (const [index, { bytes }] of parts.entries()) {
    const isLast = index === parts.length - 1;
    eachField(bytes, 0, (field, _type, value, next) => {
      if (field === "splitEvent" || (field === "_id" && !isLast)) return;
      // Its type and its name stand before the value.
      fields.push(bytes.subarray(value - field.length - 2, next));
    });
  }
  const length = Buffer.alloc(4);
  length.writeInt32LE(fields.reduce((sum, field) => sum + field.length, EMPTY_BYTES));
  return readRawChange(Buffer.concat([length, ...fields, Buffer.alloc(1)]));
}

export function unreadableChange(lacking: string): AppError {
  const cure =
    "Leave _id, operationType, ns, documentKey, fullDocument and updateDescription in your pipeline.";
  const message = `reading a change: it has no ${lacking}`;
  return new AppError("MONGODB_CHANGE_UNREADABLE", message, { cure });
}

/** `{_data: "82…"}`: the first field of the token. */
function noteToken(change: Mutable, at: number): void {
  const { bytes } = change;
  if (bytes[at + 4] !== bsonType.string || bytes[at + 10] !== 0) return;
  change.tokenAt = at + 15;
  change.tokenEnd = at + 11 + 4 + int32At(bytes, at + 11) - 1;
}

/** Those of documents, which nearly all changes are. */
const KINDS = ["insert", "update", "replace", "delete"].map((text) => ({
  text,
  bytes: Buffer.from(text),
}));

function kindAt(bytes: Buffer, at: number): string {
  const end = at + 4 + int32At(bytes, at) - 1;
  for (const kind of KINDS) if (isNamed(kind.bytes, bytes, at + 4, end)) return kind.text;
  return bytes.toString("utf8", at + 4, end);
}

function unsignedAt(bytes: Buffer, at: number): number {
  return int32At(bytes, at) >>> 0;
}

export function readNamespace(bytes: Buffer, at: number): Namespace {
  let db = "";
  let collection: string | undefined;
  eachField(bytes, at, (field, type, value) => {
    if (type !== bsonType.string) return;
    if (field === "db") db = textAt(bytes, value);
    else if (field === "coll") collection = textAt(bytes, value);
  });
  return { db, collection };
}

function readFragment(bytes: Buffer, at: number): RawChange["fragment"] {
  const numbers = { fragment: 0, of: 0 };
  eachField(bytes, at, (field, type, value) => {
    if (type !== bsonType.int32) return;
    if (field === "fragment" || field === "of") numbers[field] = int32At(bytes, value);
  });
  return numbers;
}

function binaryIn(bytes: Buffer, at: number, wanted: string): Buffer | undefined {
  let found: Buffer | undefined;
  eachField(bytes, at, (field, type, value) => {
    if (field !== wanted || type !== bsonType.binary) return;
    found = bytes.subarray(value + 5, value + 5 + int32At(bytes, value));
  });
  return found;
}

export function eachField(
  bytes: Buffer,
  from: number,
  look: (field: string, type: number, value: number, next: number) => void,
): void {
  const limit = documentEnd(bytes, from) - 1;
  for (let at = from + 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const end = nameEnd(bytes, at + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    look(bytes.toString("latin1", at + 1, end), type, end + 1, next);
    at = next;
  }
}
