/**
 * One document of a change stream, taken apart without decoding it: each part is a slice of the bytes that
 * came. Unknown fields and kinds of changes are allowed (M-14): both lists grow with the server.
 */
import { AppError } from "../../src/base/errors.js";
import {
  bsonType,
  bufferOf,
  documentEnd,
  int32At,
  nameEnd,
  valueEnd,
} from "./values/bson-layout.js";
import { secondsOf, timeOfToken, type ClusterTime } from "./stream-position.js";

export interface RawChange {
  readonly bytes: number;
  /** `operationType`. */
  readonly kind: string;
  /** `_data` of the resume token. */
  readonly token: string;
  readonly time: ClusterTime;
  /** Milliseconds since 1970; of servers before 6.0 the seconds of the cluster time. */
  readonly committedAt: number;
  /** `lsid` and `txnNumber`, where the change belongs to a transaction. */
  readonly transaction: string | undefined;
  readonly namespace: Namespace | undefined;
  /** The new name of a renamed collection. */
  readonly target: Namespace | undefined;
  readonly key: Uint8Array | undefined;
  /** The whole document after the change; undefined where it is not told, or is null. */
  readonly document: Uint8Array | undefined;
  readonly update: Uint8Array | undefined;
  /** A part of a change that the server cut because of its size. */
  readonly fragment: { readonly fragment: number; readonly of: number } | undefined;
}

export interface Namespace {
  readonly db: string;
  /** Undefined for a whole database. */
  readonly collection: string | undefined;
}

type Mutable = { -readonly [Name in keyof RawChange]: RawChange[Name] };

const UNSET = "";

export function readRawChange(raw: Uint8Array): RawChange {
  const bytes = bufferOf(raw);
  const change = blank(bytes.length);
  const session: SessionParts = { lsid: undefined, number: undefined };
  const limit = documentEnd(bytes, 0) - 1;
  for (let at = 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const from = at + 1;
    const end = nameEnd(bytes, from);
    const next = valueEnd(bytes, type, end + 1, limit);
    readField(change, session, { bytes, type, from, end, next });
    at = next;
  }
  if (session.lsid !== undefined && session.number !== undefined) {
    change.transaction = `${session.lsid.toString("base64url")}/${session.number}`;
  }
  return finished(change);
}

function blank(bytes: number): Mutable {
  return {
    bytes,
    kind: UNSET,
    token: UNSET,
    time: UNSET,
    committedAt: NaN,
    transaction: undefined,
    namespace: undefined,
    target: undefined,
    key: undefined,
    document: undefined,
    update: undefined,
    fragment: undefined,
  };
}

interface SessionParts {
  /** `lsid.id`. */
  lsid: Buffer | undefined;
  number: string | undefined;
}

interface Field {
  readonly bytes: Buffer;
  readonly type: number;
  /** Where the name begins and ends, and where the next field begins. */
  readonly from: number;
  readonly end: number;
  readonly next: number;
}

/** Names are told apart by length first: this runs ten times for every change. */
function readField(change: Mutable, session: SessionParts, field: Field): void {
  const { bytes, type, from, end, next } = field;
  const at = end + 1;
  switch (end - from) {
    case 2:
      if (type !== bsonType.document) return;
      if (isNamed(field, "ns")) change.namespace = readNamespace(bytes, at);
      else if (isNamed(field, "to")) change.target = readNamespace(bytes, at);
      return;
    case 3:
      if (type === bsonType.document && isNamed(field, "_id")) change.token = tokenIn(bytes, at);
      return;
    case 4:
      if (isNamed(field, "lsid")) session.lsid = binaryIn(bytes, at, "id");
      return;
    case 8:
      if (isNamed(field, "wallTime")) change.committedAt = Number(bytes.readBigInt64LE(at));
      return;
    case 9:
      if (isNamed(field, "txnNumber")) session.number = bytes.readBigInt64LE(at).toString();
      return;
    case 10:
      if (isNamed(field, "splitEvent")) change.fragment = readFragment(bytes, at);
      return;
    case 11:
      if (isNamed(field, "documentKey")) change.key = bytes.subarray(at, next);
      return;
    case 12:
      if (type === bsonType.document && isNamed(field, "fullDocument")) {
        change.document = bytes.subarray(at, next);
      }
      return;
    case 13:
      if (isNamed(field, "operationType")) change.kind = textAt(bytes, at);
      return;
    case 17:
      if (type === bsonType.document && isNamed(field, "updateDescription")) {
        change.update = bytes.subarray(at, next);
      }
      return;
    default:
  }
}

/** Each fragment holds some of the fields; the last one's token stands for all of them. */
export function mergeFragments(parts: readonly RawChange[]): RawChange {
  const merged: Mutable = { ...(parts[0] ?? blank(0)) };
  for (const part of parts.slice(1)) {
    merged.bytes += part.bytes;
    merged.token = part.token;
    merged.kind = merged.kind === UNSET ? part.kind : merged.kind;
    merged.transaction ??= part.transaction;
    merged.namespace ??= part.namespace;
    merged.target ??= part.target;
    merged.key ??= part.key;
    merged.document ??= part.document;
    merged.update ??= part.update;
  }
  merged.fragment = undefined;
  return finished(merged);
}

function finished(change: Mutable): RawChange {
  const { token, kind, fragment } = change;
  if (token === UNSET) throw unreadableChange("_id");
  if (kind === UNSET && fragment === undefined) throw unreadableChange("operationType");
  change.time = timeOfToken(token);
  if (Number.isNaN(change.committedAt)) change.committedAt = secondsOf(change.time) * 1000;
  return change;
}

export function unreadableChange(lacking: string): AppError {
  const cure =
    "Leave _id, operationType, ns, documentKey, fullDocument and updateDescription in your pipeline.";
  const message = `reading a change: it has no ${lacking}`;
  return new AppError("MONGODB_CHANGE_UNREADABLE", message, { cure });
}

/** `{_data: "82…"}`: the only field, so its place is known. */
function tokenIn(bytes: Buffer, at: number): string {
  const isUsual = bytes[at + 4] === bsonType.string && bytes[at + 10] === 0;
  if (!isUsual) return textIn(bytes, at, "_data") ?? UNSET;
  return bytes.toString("latin1", at + 15, at + 11 + 4 + int32At(bytes, at + 11) - 1);
}

function isNamed({ bytes, from, end }: Field, name: string): boolean {
  for (let index = 0; index < end - from; index += 1) {
    if (bytes[from + index] !== name.charCodeAt(index)) return false;
  }
  return true;
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString("utf8", at + 4, at + 4 + int32At(bytes, at) - 1);
}

function readNamespace(bytes: Buffer, at: number): Namespace {
  const db = textIn(bytes, at, "db") ?? "";
  return { db, collection: textIn(bytes, at, "coll") };
}

function readFragment(bytes: Buffer, at: number): RawChange["fragment"] {
  const numbers = { fragment: 0, of: 0 };
  eachField(bytes, at, (name, type, value) => {
    if (type !== bsonType.int32) return;
    if (name === "fragment" || name === "of") numbers[name] = int32At(bytes, value);
  });
  return numbers;
}

function textIn(bytes: Buffer, at: number, wanted: string): string | undefined {
  let found: string | undefined;
  eachField(bytes, at, (name, type, value) => {
    if (name === wanted && type === bsonType.string) found = textAt(bytes, value);
  });
  return found;
}

function binaryIn(bytes: Buffer, at: number, wanted: string): Buffer | undefined {
  let found: Buffer | undefined;
  eachField(bytes, at, (name, type, value) => {
    if (name !== wanted || type !== bsonType.binary) return;
    found = bytes.subarray(value + 5, value + 5 + int32At(bytes, value));
  });
  return found;
}

export function eachField(
  bytes: Buffer,
  from: number,
  look: (name: string, type: number, value: number, next: number) => void,
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
