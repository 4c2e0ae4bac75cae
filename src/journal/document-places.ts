/** Of each document that a block changes, where its newest bytes begin there; NO_DOCUMENT where it is gone. */
import type { DocId } from "./document-key.js";
import { grown, KeyTable } from "./key-table.js";
import type { RowKey } from "./row-key.js";

/** The block says nothing of it: a truncation behind its change. */
const FORGOTTEN = -2;

export class DocumentPlaces {
  readonly #keys = new KeyTable();
  #places = new Int32Array(8);

  /** Numbers go from 0 to below it; those of forgotten documents among them. */
  get size(): number {
    return this.#keys.size;
  }

  /** The document's number; −1 where the block says nothing of it. */
  find(key: RowKey): number {
    const at = this.#keys.find(key);
    return at >= 0 && this.#places[at] !== FORGOTTEN ? at : -1;
  }

  /** Undefined where the block says nothing of it. */
  get(key: RowKey): number | undefined {
    const at = this.find(key);
    return at < 0 ? undefined : this.#places[at];
  }

  set(key: RowKey, place: number): void {
    const at = this.#keys.add(key);
    if (at >= this.#places.length) this.#places = grown(this.#places, 2 * this.#places.length);
    this.#places[at] = place;
  }

  /** Nothing is said of documents whose row keys begin so. */
  forget(prefix: Buffer): void {
    for (let at = 0; at < this.size; at += 1) {
      if (this.#keys.startsWith(at, prefix)) this.#places[at] = FORGOTTEN;
    }
  }

  /** Of the documents of which the block says something. */
  *numbers(): Generator<number> {
    for (let at = 0; at < this.size; at += 1) if (this.isThere(at)) yield at;
  }

  isThere(at: number): boolean {
    return this.#places[at] !== FORGOTTEN;
  }

  place(at: number): number {
    return this.#places[at] ?? FORGOTTEN;
  }

  is(at: number, key: RowKey): boolean {
    return this.#keys.is(at, key);
  }

  /** Whether the document of the number is that of another block's number. */
  isSame(at: number, other: DocumentPlaces, number: number): boolean {
    return this.#keys.isSame(at, other.#keys, number);
  }

  hash(at: number): number {
    return this.#keys.hash(at);
  }

  /** The key of its row, in place. */
  key(at: number): Buffer {
    return this.#keys.key(at);
  }

  id(at: number): DocId {
    return this.#keys.id(at);
  }
}
