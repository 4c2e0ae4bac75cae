/** The newest measured times, and what half and 99 of 100 of them stay below. */
export class Latencies {
  readonly #countMax: number;
  readonly #values: number[] = [];
  #at = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** All of them as one. */
  static merged(parts: readonly Latencies[]): Latencies {
    const whole = new Latencies(parts.reduce((sum, { count }) => sum + count, 1));
    for (const part of parts) whole.add(part.#values);
    return whole;
  }

  add(values: readonly number[]): void {
    for (const value of values) {
      this.#values[this.#at] = value;
      this.#at = (this.#at + 1) % this.#countMax;
    }
  }

  get count(): number {
    return this.#values.length;
  }

  /** `share` in (0, 1]; undefined of none. */
  percentile(share: number): number | undefined {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }

  /** For people: "3 / 12 ms". */
  get text(): string {
    const half = this.percentile(0.5);
    const most = this.percentile(0.99);
    if (half === undefined || most === undefined) return "–";
    return `${half.toFixed(0)} / ${most.toFixed(0)} ms`;
  }
}
