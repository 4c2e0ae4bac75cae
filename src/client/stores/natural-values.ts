/**
 * Values as JavaScript's own, for stores and apps without SQL. Everything that JavaScript can hold exactly
 * becomes natural; the rest stays in its JSON form (decimals, times, json text), so nothing is lost (I10).
 *
 * | type | becomes |
 * |---|---|
 * | bool | boolean |
 * | int | number |
 * | int64 | number within ±(2^53 − 1), otherwise bigint |
 * | float | number, with NaN, the infinities and −0 |
 * | bytes | Uint8Array |
 * | array | array of the items' natural values; {lower, items} where a lower bound is not 1 |
 * | all others | string, as in the frame |
 */
import type { Column, ValueType } from "../../model/table.js";

export type NaturalValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly NaturalValue[]
  | { readonly lower: readonly number[]; readonly items: NaturalValue };

export function naturalValue(column: Column, value: unknown): NaturalValue {
  if (column.type !== "array") return naturalScalar(column.type, value);
  return naturalItems(column.of ?? "other", value);
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const sextets = new Uint8Array(128);
for (let at = 0; at < BASE64.length; at += 1) sextets[BASE64.charCodeAt(at)] = at;

/** Written out because neither Buffer nor atob is everywhere the client runs. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  let length = base64.length;
  while (length > 0 && base64.charCodeAt(length - 1) === 61) length -= 1;
  const bytes = new Uint8Array((length * 3) >> 2);
  let bits = 0;
  let held = 0;
  let to = 0;
  for (let at = 0; at < length; at += 1) {
    held = (held << 6) | (sextets[base64.charCodeAt(at) & 127] ?? 0);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to] = (held >> bits) & 255;
    to += 1;
  }
  return bytes;
}

function naturalScalar(type: ValueType, value: unknown): NaturalValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") {
    if (type === "bytes") return bytesOf(value);
    if (type === "float") return value === "-0" ? -0 : Number(value);
    if (type === "int64") return /^-?\d+$/.test(value) ? BigInt(value) : value;
    return value;
  }
  if (typeof value === "number" || typeof value === "boolean") return value;
  return JSON.stringify(value);
}

function naturalItems(type: ValueType, value: unknown): NaturalValue {
  if (Array.isArray(value)) return value.map((item) => naturalItems(type, item));
  if (typeof value === "object" && value !== null && "items" in value && "lower" in value) {
    const { lower, items } = value as { lower: readonly number[]; items: unknown };
    return { lower, items: naturalItems(type, items) };
  }
  return naturalScalar(type, value);
}
