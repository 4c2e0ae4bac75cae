/**
 * From one BSON value's bytes to its form (src/model/any-form.ts), straight as text: no tree of objects is made,
 * so no type, order, name or digit gets lost in one (I10). VALUES.md lists the forms.
 */
import { isUtf8 } from "node:buffer";
import { bsonType, DEPTH_MAX, documentEnd, int32At, malformed } from "./bson-layout.js";
import { nameEnd, valueEnd } from "./bson-layout.js";
import { decimalText } from "./decimal128.js";
import { isoText } from "./iso-date.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DOLLAR = 0x24;
const INT32_RANGE = 2 ** 32;

/** Years 0 to 9999, which print with four digits: what lies outside goes as milliseconds. */
const DATE_MS_MIN = -62_167_219_200_000;
const DATE_MS_MAX = 253_402_300_799_999;

/** Far below 15 digits: up to there a number of two decimals is the shortest text of its double. */
const HUNDREDTHS_MAX = 2 ** 31;
/** By hundredths, without a zero at the end. */
const FRACTIONS = Array.from({ length: 100 }, (_, each) => {
  return each === 0 ? "" : `.${String(each).padStart(2, "0").replace(/0$/, "")}`;
});

const CANONICAL_NAN = "000000000000f87f";

/** The form of the value of `type` that begins at `at`; its bytes are known to lie inside the document. */
export function formOf(bytes: Buffer, type: number, at: number, depth = 0): string {
  switch (type) {
    case bsonType.int32:
      return String(int32At(bytes, at));
    case bsonType.string:
      return textForm(bytes, at);
    case bsonType.double:
      return doubleForm(bytes, at);
    case bsonType.bool:
      return boolForm(bytes[at]);
    case bsonType.null:
      return "null";
    case bsonType.objectId:
      return `{"$oid":"${bytes.toString("hex", at, at + 12)}"}`;
    case bsonType.date:
      return dateForm(bytes, at);
    case bsonType.int64:
      return int64Form(bytes, at);
    case bsonType.document:
      return documentForm(bytes, at, depth + 1);
    case bsonType.array:
      return arrayForm(bytes, at, depth + 1);
    default:
      return rareForm(bytes, type, at, depth);
  }
}

function rareForm(bytes: Buffer, type: number, at: number, depth: number): string {
  switch (type) {
    case bsonType.decimal128: {
      const text = decimalText(bytes, at) ?? `0x${hexOfBits(bytes, at, 16)}`;
      return `{"$numberDecimal":"${text}"}`;
    }
    case bsonType.binary:
      return binaryForm(bytes, at);
    case bsonType.timestamp: {
      const [increment, seconds] = [int32At(bytes, at) >>> 0, int32At(bytes, at + 4) >>> 0];
      return `{"$timestamp":{"t":${String(seconds)},"i":${String(increment)}}}`;
    }
    case bsonType.regex: {
      const end = nameEnd(bytes, at);
      const pattern = charsForm(bytes, at, end);
      const options = charsForm(bytes, end + 1, nameEnd(bytes, end + 1));
      return `{"$regularExpression":{"pattern":${pattern},"options":${options}}}`;
    }
    case bsonType.minKey:
      return '{"$minKey":1}';
    case bsonType.maxKey:
      return '{"$maxKey":1}';
    case bsonType.undefined:
      return '{"$undefined":true}';
    case bsonType.symbol:
      return `{"$symbol":${textForm(bytes, at)}}`;
    case bsonType.code:
      return `{"$code":${textForm(bytes, at)}}`;
    case bsonType.codeWithScope: {
      const scopeAt = at + 8 + int32At(bytes, at + 4);
      valueEnd(bytes, bsonType.string, at + 4, at + int32At(bytes, at));
      const scope = documentForm(bytes, scopeAt, depth + 1);
      return `{"$code":{"code":${textForm(bytes, at + 4)},"scope":${scope}}}`;
    }
    case bsonType.dbPointer: {
      const idAt = at + 4 + int32At(bytes, at);
      const id = bytes.toString("hex", idAt, idAt + 12);
      return `{"$dbPointer":{"$ref":${textForm(bytes, at)},"$id":{"$oid":"${id}"}}}`;
    }
    default:
      throw malformed(`a value of type 0x${type.toString(16)}`);
  }
}

function documentForm(bytes: Buffer, at: number, depth: number): string {
  if (depth > DEPTH_MAX) throw malformed(`a document nested more than ${String(DEPTH_MAX)} deep`);
  const limit = documentEnd(bytes, at) - 1;
  let text = "{";
  let members = 0;
  let isEscapable = false;
  for (let from = at + 4; from < limit; members += 1) {
    const type = bytes[from] ?? 0;
    const end = nameEnd(bytes, from + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    const name = nameForm(bytes, from + 1, end);
    if (name === undefined) return bytesForm(bytes, at, limit + 1);
    if (members === 0) isEscapable = bytes[from + 1] === DOLLAR;
    else text += ",";
    text += `${name}:${formOf(bytes, type, end + 1, depth)}`;
    from = next;
  }
  // A document that could be taken for a tagged value.
  if (isEscapable && members === 1) return `{"$${text.slice(2)}}`;
  return `${text}}`;
}

/** Names of an array's items mean nothing: the server ignores them. */
function arrayForm(bytes: Buffer, at: number, depth: number): string {
  if (depth > DEPTH_MAX) throw malformed(`an array nested more than ${String(DEPTH_MAX)} deep`);
  const limit = documentEnd(bytes, at) - 1;
  let text = "";
  for (let from = at + 4; from < limit;) {
    const type = bytes[from] ?? 0;
    const end = nameEnd(bytes, from + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    text += `${text === "" ? "[" : ","}${formOf(bytes, type, end + 1, depth)}`;
    from = next;
  }
  return text === "" ? "[]" : `${text}]`;
}

/** A document with a name that is no UTF-8, which JSON cannot hold. */
function bytesForm(bytes: Buffer, at: number, end: number): string {
  return `{"$bson":"${bytes.toString("base64", at, end)}"}`;
}

function nameForm(bytes: Buffer, at: number, end: number): string | undefined {
  const form = charsForm(bytes, at, end);
  return form.startsWith('"') ? form : undefined;
}

/** A text with its length before it and a zero behind it. */
export function textForm(bytes: Buffer, at: number): string {
  return charsForm(bytes, at + 4, at + 4 + int32At(bytes, at) - 1);
}

function charsForm(bytes: Buffer, at: number, end: number): string {
  for (let next = at; next < end; next += 1) {
    const byte = bytes[next] ?? 0;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH || byte >= 0x7f) {
      return anyCharsForm(bytes, at, end);
    }
  }
  return `"${bytes.toString("latin1", at, end)}"`;
}

function anyCharsForm(bytes: Buffer, at: number, end: number): string {
  const text = bytes.toString("utf8", at, end);
  // Only bytes that are no UTF-8, and the character itself, become U+FFFD.
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(at, end))) {
    return `{"$utf8":"${bytes.toString("base64", at, end)}"}`;
  }
  return JSON.stringify(text);
}

function boolForm(byte: number | undefined): string {
  if (byte === 1) return "true";
  if (byte === 0) return "false";
  throw malformed(`a boolean of value ${String(byte)}`);
}

/** Always with a point or an exponent's sign, which integers never have. */
function doubleForm(bytes: Buffer, at: number): string {
  const value = bytes.readDoubleLE(at);
  if (Number.isInteger(value)) {
    const text = Object.is(value, -0) ? "-0" : String(value);
    return text.includes("e") ? text : `${text}.0`;
  }
  if (Number.isFinite(value)) return fractionForm(value);
  const isPlain = !Number.isNaN(value) || bytes.toString("hex", at, at + 8) === CANONICAL_NAN;
  return `{"$numberDouble":"${isPlain ? String(value) : `0x${hexOfBits(bytes, at, 8)}`}"}`;
}

/** As `String` writes it, whose search for the shortest digits costs most of a small document: amounts of money have two. */
function fractionForm(value: number): string {
  const hundredths = Math.round(value * 100);
  const isMoney = hundredths / 100 === value && Math.abs(hundredths) <= HUNDREDTHS_MAX;
  if (!isMoney) return String(value);
  const sign = value < 0 ? "-" : "";
  const size = Math.abs(hundredths);
  return `${sign}${String(Math.floor(size / 100))}${FRACTIONS[size % 100] ?? ""}`;
}

function int64Form(bytes: Buffer, at: number): string {
  const low = int32At(bytes, at);
  const high = int32At(bytes, at + 4);
  if (high === low >> 31) return `${String(low)}e0`;
  const value = high * INT32_RANGE + (low >>> 0);
  if (Number.isSafeInteger(value)) return String(value);
  return `{"$numberLong":"${bytes.readBigInt64LE(at).toString()}"}`;
}

function dateForm(bytes: Buffer, at: number): string {
  const ms = int32At(bytes, at + 4) * INT32_RANGE + (int32At(bytes, at) >>> 0);
  if (ms >= DATE_MS_MIN && ms <= DATE_MS_MAX) return `{"$date":"${isoText(ms)}"}`;
  return `{"$date":{"$numberLong":"${bytes.readBigInt64LE(at).toString()}"}}`;
}

function binaryForm(bytes: Buffer, at: number): string {
  const length = int32At(bytes, at);
  const subType = bytes[at + 4] ?? 0;
  const from = at + 5;
  if (subType === 4 && length === 16) {
    const hex = bytes.toString("hex", from, from + 16);
    return `{"$uuid":"${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}"}`;
  }
  const base64 = bytes.toString("base64", from, from + length);
  const type = subType.toString(16).padStart(2, "0");
  return `{"$binary":{"base64":"${base64}","subType":"${type}"}}`;
}

/** As one number in hexadecimal, its highest digit first. */
function hexOfBits(bytes: Buffer, at: number, size: number): string {
  return Buffer.from(bytes.subarray(at, at + size))
    .reverse()
    .toString("hex");
}
