/** Of each document that the blocks of a batch change, its newest bytes: where they stand, or that it is gone. */
import { grown, KeyTable } from "../key-table.js";
import type { RowKey } from "../row-key.js";

const IS_THERE = 1;
const IS_PARKED = 2;
/** Some version since the derived state was parked. */
const WAS_PARKED = 4;
/** A truncation behind its change. */
const FORGOTTEN = 8;

export interface FoldedBytes {
  readonly block: Buffer;
  readonly from: number;
  readonly to: number;
  readonly isParked: boolean;
}

export class FoldedDocuments {
  readonly #keys = new KeyTable();
  readonly #blocks: Buffer[] = [];
  #blockOf = new Int32Array(16);
  #from = new Int32Array(16);
  #to = new Int32Array(16);
  #flags = new Int32Array(16);

  /** Returns the document's number. Without `bytes` it is gone. */
  set(key: RowKey, bytes: FoldedBytes | undefined, wasParked: boolean): number {
    const at = this.#keys.add(key);
    if (at >= this.#flags.length) this.#grow();
    const known = this.#flags[at] ?? 0;
    const parked = wasParked || (known & (IS_PARKED | WAS_PARKED)) !== 0 ? WAS_PARKED : 0;
    if (bytes === undefined) {
      this.#flags[at] = parked;
      return at;
    }
    const { block, from, to, isParked } = bytes;
    if (this.#blocks.at(-1) !== block) this.#blocks.push(block);
    this.#blockOf[at] = this.#blocks.length - 1;
    this.#from[at] = from;
    this.#to[at] = to;
    this.#flags[at] = IS_THERE | parked | (isParked ? IS_PARKED : 0);
    return at;
  }

  /** Documents whose row keys begin so count as never changed. */
  forget(prefix: Buffer): void {
    for (let at = 0; at < this.#keys.size; at += 1) {
      if (this.#keys.startsWith(at, prefix)) this.#flags[at] = FORGOTTEN;
    }
  }

  /** Numbers of the documents that were changed, in the order of their rows. */
  sorted(): readonly number[] {
    const numbers: number[] = [];
    for (let at = 0; at < this.#keys.size; at += 1) {
      if (this.#flags[at] !== FORGOTTEN) numbers.push(at);
    }
    return numbers.sort((one, other) => this.#keys.compare(one, other));
  }

  startsWith(at: number, prefix: Buffer): boolean {
    return this.#keys.startsWith(at, prefix);
  }

  /** The key of its row, in place. */
  key(at: number): Buffer {
    return this.#keys.key(at);
  }

  /** Its id as UTF-8. */
  id(at: number): Buffer {
    return this.#keys.idBytes(at);
  }

  /** Undefined: gone. */
  bytes(at: number): Buffer | undefined {
    if (((this.#flags[at] ?? 0) & IS_THERE) === 0) return undefined;
    return this.#blocks[this.#blockOf[at] ?? 0]?.subarray(this.#from[at], this.#to[at]);
  }

  isParked(at: number): boolean {
    return ((this.#flags[at] ?? 0) & IS_PARKED) !== 0;
  }

  wasParked(at: number): boolean {
    return ((this.#flags[at] ?? 0) & WAS_PARKED) !== 0;
  }

  #grow(): void {
    const length = 2 * this.#flags.length;
    this.#blockOf = grown(this.#blockOf, length);
    this.#from = grown(this.#from, length);
    this.#to = grown(this.#to, length);
    this.#flags = grown(this.#flags, length);
  }
}
