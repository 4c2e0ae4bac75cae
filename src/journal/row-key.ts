/**
 * The key of a document's row as bytes, in memory that is written again for the next one: a look-up leaves
 * nothing to be collected. Who keeps a key copies it (key-table.ts).
 */
import type { DocumentKey } from "../model/document.js";
import { docIdOf, docKeyOf, docPrefix } from "./document-key.js";
import type { DocId } from "./document-key.js";
import {
  isCut,
  KEY_TEXT_BYTES_MAX,
  keyText,
  prefixRowKey,
  ROW_KEY_BYTES_MAX,
} from "./document-order.js";

/** FNV-1a. */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/** Nearly all keys fit. */
const FIRST_BYTES = 128;

/** Below it a loop over ASCII is faster than a call out of JavaScript. */
const LOOP_TEXT_MAX = 48;

export class RowKey {
  bytes = Buffer.allocUnsafe(FIRST_BYTES);
  length = 0;
  hash = 0;
  /** The identity where the key had to cut it; else "". */
  longIdentity = "";
  #rule: string | undefined;
  #relation = "";
  #prefixLength = 0;
  #prefixHash = 0;
  /** By length: the bytes as a buffer of their own. */
  #views: Buffer[] = [];

  set(key: DocumentKey): void {
    const { rule, relation, identity } = key;
    if (rule !== this.#rule || relation !== this.#relation) this.#prefix(rule, relation);
    const at = this.#prefixLength;
    const size = this.#ascii(identity, at);
    if (size >= 0) {
      this.length = at + size;
      this.longIdentity = "";
      return;
    }
    this.longIdentity = isCut(identity) ? identity : "";
    this.#reserve(ROW_KEY_BYTES_MAX);
    const text = keyText(identity);
    this.bytes.set(text, at);
    this.length = at + text.length;
    this.hash = hashed(this.bytes, at, this.length, this.#prefixHash);
  }

  setId(id: DocId): void {
    this.set(docKeyOf(id));
  }

  /** The id as UTF-8 bytes in [from, to). */
  setIdBytes(bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length * 3 > KEY_TEXT_BYTES_MAX || !this.#startsAlike(bytes, from, to)) {
      this.setId(bytes.toString("utf8", from, to));
      return;
    }
    // Of the rule and relation set before, and short enough that the key is the id (document-order.ts).
    this.#reserve(length);
    let hash = this.#prefixHash;
    for (let at = this.#prefixLength; at < length; at += 1) {
      const byte = bytes[from + at] ?? 0;
      this.bytes[at] = byte;
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    this.length = length;
    this.hash = hash;
    this.longIdentity = "";
  }

  /** What the ids of all documents of its rule and relation begin with. */
  get prefix(): string {
    return docPrefix(this.#rule ?? "", this.#relation);
  }

  id(): DocId {
    return idOfRowKey(this.view(), this.longIdentity);
  }

  /** For the store: valid until the next `set`. */
  view(): Buffer {
    const { length } = this;
    return (this.#views[length] ??= this.bytes.subarray(0, length));
  }

  /** Whether the bytes begin with the prefix that is set. */
  #startsAlike(bytes: Buffer, from: number, to: number): boolean {
    const length = this.#prefixLength;
    if (length === 0 || to - from < length) return false;
    let at = 0;
    while (at < length && this.bytes[at] === bytes[from + at]) at += 1;
    return at === length;
  }

  #prefix(rule: string, relation: string): void {
    const prefix = prefixRowKey(rule, relation);
    this.#reserve(prefix.length + LOOP_TEXT_MAX);
    this.bytes.set(prefix);
    this.#rule = rule;
    this.#relation = relation;
    this.#prefixLength = prefix.length;
    this.#prefixHash = hashed(prefix, 0, prefix.length, HASH_START);
  }

  #reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(ROW_KEY_BYTES_MAX);
    this.bytes.copy(grown);
    this.bytes = grown;
    this.#views = [];
  }

  /** Writes and hashes a short plain text; −1 where it is another. */
  #ascii(text: string, at: number): number {
    const { length } = text;
    if (length > LOOP_TEXT_MAX) return -1;
    const { bytes } = this;
    let hash = this.#prefixHash;
    for (let n = 0; n < length; n += 1) {
      const code = text.charCodeAt(n);
      if (code > 0x7f) return -1;
      bytes[at + n] = code;
      hash = Math.imul(hash ^ code, HASH_PRIME);
    }
    this.hash = hash;
    return length;
  }
}

/** The id of the document whose row has this key. `longIdentity`: its identity where the key cuts it, else "". */
export function idOfRowKey(key: Buffer, longIdentity: string): DocId {
  const text = key.toString("utf8");
  if (longIdentity === "") return text;
  // Only rule and relation count.
  const { rule, relation } = docKeyOf(text);
  return docIdOf({ rule, relation, identity: longIdentity });
}

function hashed(bytes: Uint8Array, from: number, to: number, start: number): number {
  let hash = start;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), HASH_PRIME);
  return hash;
}
