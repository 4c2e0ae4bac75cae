/**
 * The order of documents and the form of their rows' keys. A long identity is cut and ends in its sum
 * instead, so that every key fits the store; the sum's first byte occurs in no UTF-8 text.
 */
import { createHash } from "node:crypto";
import { assert } from "../base/assert.js";
import { docPrefix, prefixOfDoc } from "./document-key.js";
import type { DocId } from "./document-key.js";

/** Longest text that stands whole in a key. */
export const KEY_TEXT_BYTES_MAX = 900;

/** Of a row of documents: rule and relation, and the identity. */
export const ROW_KEY_BYTES_MAX = 2 * KEY_TEXT_BYTES_MAX;

/** What is left of a longer one: keeps neighbours together. */
const CUT_BYTES = 200;

/** A text as the end of a key. */
export function keyText(text: string): Buffer {
  if (text.length * 3 <= KEY_TEXT_BYTES_MAX) return Buffer.from(text, "utf8");
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= KEY_TEXT_BYTES_MAX) return bytes;
  const sum = createHash("sha256").update(bytes).digest();
  return Buffer.concat([bytes.subarray(0, CUT_BYTES), Buffer.from([0xff]), sum]);
}

export function isCut(text: string): boolean {
  return text.length * 3 > KEY_TEXT_BYTES_MAX && Buffer.byteLength(text) > KEY_TEXT_BYTES_MAX;
}

/** Rule and relation whole, the identity as `keyText`. */
export function docRowKey(id: DocId): Buffer {
  // Nearly all: whatever its parts are, they are short enough.
  if (id.length * 3 <= KEY_TEXT_BYTES_MAX) return Buffer.from(id, "utf8");
  const prefix = prefixOfDoc(id);
  return Buffer.concat([prefixKey(prefix), keyText(id.slice(prefix.length))]);
}

/** What the row keys of all documents of a relation under a rule begin with. */
export function prefixRowKey(rule: string, relation: string): Buffer {
  return prefixKey(docPrefix(rule, relation));
}

function prefixKey(prefix: string): Buffer {
  const bytes = Buffer.from(prefix, "utf8");
  assert(bytes.length <= KEY_TEXT_BYTES_MAX, () => {
    return `rule and relation are too long for a key: ${prefix}`;
  });
  return bytes;
}

export function compareDocRows(one: DocId, other: DocId): number {
  return Buffer.compare(docRowKey(one), docRowKey(other));
}
