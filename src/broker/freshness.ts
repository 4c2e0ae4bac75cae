/**
 * Which sources are stale: not proven to be read to their head for longer than they may. Measured from the
 * last proof, never from the last change: a quiet database is fresh.
 */
import type { Notice } from "../journal/journal.js";
import type { FreshFrame, StaleFrame } from "../protocol/frames.js";

export class Freshness {
  readonly #sources: ReadonlySet<string>;
  readonly #staleAfterMs: number;
  readonly #startedAt: number;
  readonly #stale = new Map<string, StaleFrame>();

  /** `startedAt`: a source has `staleAfterMs` from there to prove itself. */
  constructor(sources: readonly string[], staleAfterMs: number, startedAt: number) {
    this.#sources = new Set(sources);
    this.#staleAfterMs = staleAfterMs;
    this.#startedAt = startedAt;
  }

  /** What a new session must be told. */
  get stale(): Iterable<StaleFrame> {
    return this.#stale.values();
  }

  /** The frames that say what changed since the last look. */
  look(notice: Notice, now: number): (StaleFrame | FreshFrame)[] {
    const told: (StaleFrame | FreshFrame)[] = [];
    for (const source of new Set([...this.#sources, ...notice.sources.keys()])) {
      const since = notice.sources.get(source)?.provenAt ?? 0;
      const isStale = now - Math.max(since, this.#startedAt) > this.#staleAfterMs;
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
