/** Latencies in buckets that grow by a percent, so that those of several processes can be put together. */
const LEAST_MS = 0.01;
const STEP = Math.log(1.01);

export class Spread {
  readonly #counts = new Map<number, number>();
  #count = 0;

  add(ms: number, times = 1): void {
    const bucket = ms <= LEAST_MS ? 0 : Math.ceil(Math.log(ms / LEAST_MS) / STEP);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
    this.#count += times;
  }

  get count(): number {
    return this.#count;
  }

  get counts(): ReadonlyMap<number, number> {
    return this.#counts;
  }

  addAll(counts: ReadonlyMap<number, number>): void {
    for (const [bucket, times] of counts) {
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
      this.#count += times;
    }
  }

  /** Milliseconds below which this part of all lies; 0 where there is none. */
  at(part: number): number {
    let left = Math.ceil(this.#count * part);
    for (const [bucket, times] of [...this.#counts].sort(([a], [b]) => a - b)) {
      left -= times;
      if (left <= 0) return Number((LEAST_MS * Math.exp(bucket * STEP)).toFixed(2));
    }
    return 0;
  }
}
