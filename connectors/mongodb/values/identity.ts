/**
 * The `_id` as text that is equal exactly where MongoDB takes two `_id`s for the same one (without collations):
 * numbers of equal value are equal whatever their types, and so are strings and symbols, also inside
 * documents and arrays. What a document holds as its `_id` keeps its type in its form; only this text does not.
 */
import { bufferOf } from "../../../src/base/bytes.js";
import { bsonType, documentEnd, int32At, malformed } from "./bson-layout.js";
import { DEPTH_MAX, isNamed, nameEnd, valueEnd } from "./bson-layout.js";
import { decimalAt } from "./decimal128.js";
import { formOf, textForm } from "./value-form.js";

/** A decimal128 has at most so many digits: a double with more equals none. */
const DECIMAL_DIGITS_MAX = 34;
const DOUBLE_FRACTION_BITS = 52n;
const DOUBLE_BIAS = 1075;

const ID = Buffer.from("_id");

/** `[…]`: JSON text of the one identity column. The document at `at` has an `_id`, or is a `documentKey`. */
export function identityOf(raw: Uint8Array, at = 0): string {
  return idOf(raw, at).identity;
}

export interface DocumentId {
  readonly identity: string;
  /** Of the `_id`, as it is stored. */
  readonly form: string;
}

export function idOf(raw: Uint8Array, start = 0): DocumentId {
  const { bytes, type, at } = elementOfId(raw, start);
  return idAt(bytes, type, at);
}

/** Where the value of the `_id` lies. */
export function elementOfId(
  raw: Uint8Array,
  start = 0,
): { readonly bytes: Buffer; readonly type: number; readonly at: number; readonly end: number } {
  const bytes = bufferOf(raw);
  const limit = documentEnd(bytes, start) - 1;
  for (let at = start + 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const end = nameEnd(bytes, at + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    if (isNamed(ID, bytes, at + 1, end)) return { bytes, type, at: end + 1, end: next };
    at = next;
  }
  throw malformed("a document without an _id");
}

function idAt(bytes: Buffer, type: number, at: number): DocumentId {
  const form = formOf(bytes, type, at);
  const isCanonical =
    type === bsonType.objectId || type === bsonType.int32 || type === bsonType.string;
  return { form, identity: `[${isCanonical ? form : canonicalForm(bytes, type, at, 0)}]` };
}

function canonicalForm(bytes: Buffer, type: number, at: number, depth: number): string {
  switch (type) {
    case bsonType.objectId:
    case bsonType.string:
      return formOf(bytes, type, at);
    case bsonType.int32:
      return String(int32At(bytes, at));
    case bsonType.int64:
      return integerForm(bytes.readBigInt64LE(at));
    case bsonType.double:
      return doubleForm(bytes, at);
    case bsonType.decimal128:
      return decimalForm(bytes, at);
    case bsonType.symbol:
      return textForm(bytes, at);
    case bsonType.document:
      return membersForm(bytes, at, { depth: depth + 1, open: '{"$doc":[', close: "]}" });
    case bsonType.array:
      return membersForm(bytes, at, { depth: depth + 1, open: "[", close: "]" });
    default:
      return formOf(bytes, type, at);
  }
}

/** Names count in a document, and so does their order: `["a",1,"b",2]`. */
function membersForm(
  bytes: Buffer,
  at: number,
  how: { readonly depth: number; readonly open: string; readonly close: string },
): string {
  if (how.depth > DEPTH_MAX) throw malformed(`an _id nested more than ${String(DEPTH_MAX)} deep`);
  const limit = documentEnd(bytes, at) - 1;
  const parts: string[] = [];
  for (let from = at + 4; from < limit;) {
    const type = bytes[from] ?? 0;
    const end = nameEnd(bytes, from + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    if (how.open !== "[") parts.push(JSON.stringify(bytes.toString("utf8", from + 1, end)));
    parts.push(canonicalForm(bytes, type, end + 1, how.depth));
    from = next;
  }
  return how.open + parts.join(",") + how.close;
}

function integerForm(value: bigint): string {
  const isSafe = value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
  return isSafe ? value.toString() : exactForm(value, 0);
}

function doubleForm(bytes: Buffer, at: number): string {
  const value = bytes.readDoubleLE(at);
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  if (!Number.isFinite(value)) return `{"$number":"${String(value)}"}`;
  if (Number.isInteger(value)) return exactForm(BigInt(value), 0);
  const bits = bytes.readBigUInt64LE(at);
  const biased = Number((bits >> DOUBLE_FRACTION_BITS) & 0x7ffn);
  const fraction = bits & ((1n << DOUBLE_FRACTION_BITS) - 1n);
  const significand = biased === 0 ? fraction : fraction | (1n << DOUBLE_FRACTION_BITS);
  // A fraction, so the power of two is negative: m / 2^k = m × 5^k / 10^k.
  const power = DOUBLE_BIAS - Math.max(biased, 1);
  const digits = significand * 5n ** BigInt(power);
  if (digits.toString().replace(/0+$/, "").length > DECIMAL_DIGITS_MAX) {
    return `{"$double":"${String(value)}"}`;
  }
  return exactForm(value < 0 ? -digits : digits, -power);
}

function decimalForm(bytes: Buffer, at: number): string {
  const { kind, isNegative, significand, exponent } = decimalAt(bytes, at);
  if (kind === "nan") return '{"$number":"NaN"}';
  if (kind === "infinite") return `{"$number":"${isNegative ? "-" : ""}Infinity"}`;
  return exactForm(isNegative ? -significand : significand, exponent);
}

/** significand × 10^exponent, without zeros at its end; plain where an integer of 2^53 could be it. */
function exactForm(significand: bigint, exponent: number): string {
  if (significand === 0n) return "0";
  const text = significand.toString();
  const digits = text.replace(/0+$/, "");
  const power = exponent + text.length - digits.length;
  if (power >= 0 && digits.length + power <= 17) {
    const integer = digits + "0".repeat(power);
    if (Number.isSafeInteger(Number(integer))) return integer;
  }
  return `{"$number":"${digits}e${String(power)}"}`;
}
