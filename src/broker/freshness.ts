/**
 * Which sources are stale: not proven to be read to their head for longer than they may. Measured from the
 * last proof, never from the last change: a quiet database is fresh.
 */
import type { Clock } from "../base/clock.js";
import { StampAges } from "../base/stamp-ages.js";
import type { Notice } from "../journal/journal.js";
import type { FreshFrame, StaleFrame } from "../protocol/frames.js";

export class Freshness {
  readonly #sources: ReadonlySet<string>;
  readonly #staleAfterMs: number;
  readonly #clock: Clock;
  readonly #ages: StampAges;
  readonly #startedAt: number;
  readonly #stale = new Map<string, StaleFrame>();

  /** From here a source has `staleAfterMs` to prove itself. */
  constructor(sources: readonly string[], staleAfterMs: number, clock: Clock) {
    this.#sources = new Set(sources);
    this.#staleAfterMs = staleAfterMs;
    this.#clock = clock;
    this.#ages = new StampAges(clock);
    this.#startedAt = clock.monotonic();
  }

  /** What a new session must be told. */
  get stale(): Iterable<StaleFrame> {
    return this.#stale.values();
  }

  /** The frames that say what changed since the last look. */
  look(notice: Notice): (StaleFrame | FreshFrame)[] {
    const upMs = this.#clock.monotonic() - this.#startedAt;
    const told: (StaleFrame | FreshFrame)[] = [];
    for (const source of new Set([...this.#sources, ...notice.sources.keys()])) {
      const since = notice.sources.get(source)?.provenAt ?? 0;
      const isStale = Math.min(upMs, this.#ages.of(source, since)) > this.#staleAfterMs;
      if (isStale === this.#stale.has(source)) continue;
      if (isStale) {
        const frame: StaleFrame = { t: "stale", source, since };
        this.#stale.set(source, frame);
        told.push(frame);
      } else {
        this.#stale.delete(source);
        told.push({ t: "fresh", source });
      }
    }
    return told;
  }
}
