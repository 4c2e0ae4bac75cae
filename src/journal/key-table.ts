/**
 * A hash table of row keys in plain memory: keys get the numbers 0, 1, 2 … as they come. Hundreds of thousands
 * of documents pass here in a second, and as texts in a Map each would be work for the collector again and
 * again. Keys stay; whoever takes one out forgets its number.
 */
import type { DocId } from "./document-key.js";
import { idOfRowKey } from "./row-key.js";
import type { RowKey } from "./row-key.js";

/** Most units are small: their tables then need no memory of their own outside the heap. */
const FIRST_KEYS = 8;
const FIRST_BYTES = 256;

export class KeyTable {
  #size = 0;
  /** By place in the table: a key's number and 1, or 0. */
  #places = new Int32Array(2 * FIRST_KEYS);
  #hashes = new Int32Array(FIRST_KEYS);
  /** Where each key ends in `#bytes`; it begins where the one before ends. */
  #ends = new Int32Array(FIRST_KEYS);
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  /** Identities that keys cut, by number. */
  #long: Map<number, string> | undefined;

  get size(): number {
    return this.#size;
  }

  /** The number of a key; −1 where it is not there. */
  find(key: RowKey): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = key.hash & mask; ; place = (place + 1) & mask) {
      const at = (places[place] ?? 0) - 1;
      if (at < 0 || this.is(at, key)) return at;
    }
  }

  /** Its number: the next one for a new key. */
  add(key: RowKey): number {
    const known = this.find(key);
    if (known >= 0) return known;
    const at = this.#size;
    if (at === this.#ends.length) this.#grow();
    const from = this.#from(at);
    this.#ends[at] = this.#append(key, from);
    this.#hashes[at] = key.hash;
    if (key.longIdentity !== "") (this.#long ??= new Map()).set(at, key.longIdentity);
    this.#size += 1;
    this.#put(at);
    return at;
  }

  /** Whether `key` is that of the number. */
  is(at: number, key: RowKey): boolean {
    if (this.#hashes[at] !== key.hash) return false;
    const from = this.#from(at);
    const { bytes, length } = key;
    if (this.#ends[at] !== from + length) return false;
    const own = this.#bytes;
    // From the end: keys begin alike.
    for (let n = length - 1; n >= 0; n -= 1) if (own[from + n] !== bytes[n]) return false;
    return true;
  }

  /** Whether a key of another table is the same. */
  isSame(at: number, other: KeyTable, number: number): boolean {
    const [from, otherFrom] = [this.#from(at), other.#from(number)];
    const size = (this.#ends[at] ?? 0) - from;
    if (size !== (other.#ends[number] ?? 0) - otherFrom) return false;
    const [own, others] = [this.#bytes, other.#bytes];
    for (let n = size - 1; n >= 0; n -= 1) {
      if (own[from + n] !== others[otherFrom + n]) return false;
    }
    return true;
  }

  hash(at: number): number {
    return this.#hashes[at] ?? 0;
  }

  /** The bytes of a key, in place. */
  key(at: number): Buffer {
    return this.#bytes.subarray(this.#from(at), this.#ends[at]);
  }

  /** Of the document whose row it is. */
  id(at: number): DocId {
    return idOfRowKey(this.key(at), this.#long?.get(at) ?? "");
  }

  /** The same as UTF-8: most often the key's own bytes. */
  idBytes(at: number): Buffer {
    return this.#long?.has(at) === true ? Buffer.from(this.id(at), "utf8") : this.key(at);
  }

  startsWith(at: number, prefix: Buffer): boolean {
    const from = this.#from(at);
    if ((this.#ends[at] ?? 0) - from < prefix.length) return false;
    for (let n = 0; n < prefix.length; n += 1) {
      if (this.#bytes[from + n] !== prefix[n]) return false;
    }
    return true;
  }

  /** The order of the rows. */
  compare(one: number, other: number): number {
    const bytes = this.#bytes;
    const [a, b] = [this.#from(one), this.#from(other)];
    const [sizeA, sizeB] = [(this.#ends[one] ?? 0) - a, (this.#ends[other] ?? 0) - b];
    const size = Math.min(sizeA, sizeB);
    for (let n = 0; n < size; n += 1) {
      const difference = (bytes[a + n] ?? 0) - (bytes[b + n] ?? 0);
      if (difference !== 0) return difference;
    }
    return sizeA - sizeB;
  }

  #from(at: number): number {
    return at === 0 ? 0 : (this.#ends[at - 1] ?? 0);
  }

  #append({ bytes, length }: RowKey, from: number): number {
    const end = from + length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, from);
      this.#bytes = grown;
    }
    for (let n = 0; n < length; n += 1) this.#bytes[from + n] = bytes[n] ?? 0;
    return end;
  }

  #put(at: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let place = this.hash(at) & mask;
    while (places[place] !== 0) place = (place + 1) & mask;
    places[place] = at + 1;
  }

  #grow(): void {
    const keys = 2 * this.#ends.length;
    this.#hashes = grown(this.#hashes, keys);
    this.#ends = grown(this.#ends, keys);
    this.#places = new Int32Array(2 * keys);
    for (let at = 0; at < this.#size; at += 1) this.#put(at);
  }
}

/** The same numbers with room for more. */
export function grown(numbers: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const made = new Int32Array(length);
  made.set(numbers);
  return made;
}
