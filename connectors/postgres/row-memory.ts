/** Keeps the bytes of rows that wait, close together: what the socket brought besides them can go. */

/** Large beside a row, small beside what may wait. */
const SLAB_BYTES = 64 * 1024;

export class RowMemory {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** A copy of what stands between the two places: `slab` from `from` on. */
  keep(bytes: Buffer, from: number, to: number): { readonly slab: Buffer; readonly from: number } {
    const length = to - from;
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length));
      this.#used = 0;
    }
    const at = this.#used;
    bytes.copy(this.#slab, at, from, to);
    this.#used = at + length;
    return { slab: this.#slab, from: at };
  }
}
