/** Keeps the bytes of rows that wait, close together: what the socket brought besides them can go. */

/** Large beside a row, small beside what may wait. */
const SLAB_BYTES = 64 * 1024;

const LOOP_BYTES_MAX = 512;

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
    const slab = this.#slab;
    // For a row, a loop takes less than a call out of JavaScript.
    if (length > LOOP_BYTES_MAX) bytes.copy(slab, at, from, to);
    else for (let n = 0; n < length; n += 1) slab[at + n] = bytes[from + n] ?? 0;
    this.#used = at + length;
    return { slab, from: at };
  }
}
