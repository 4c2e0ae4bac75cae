/**
 * Three questions, kept apart. /healthz: does this process live (restart it if not)? /readyz: can it serve
 * clients (route to it)? /freshz: how old is the data? A lost database makes data old, never the process
 * unhealthy: clients go on reading what is here. Age counts from when a source's stream last proved to be
 * at its head, never from the last change: a quiet database is fresh.
 */
import type { Clock } from "../base/clock.js";
import { StampAges } from "../base/stamp-ages.js";

export interface HealthFacts {
  readonly version: string;
  /** Why clients can't be served now; empty when they can. */
  notReady(): readonly string[];
  sources(): readonly SourceFacts[];
}

export interface SourceFacts {
  readonly source: string;
  /** Milliseconds since 1970; 0 for never in this run. */
  readonly provenAt: number;
  /** What the part that reads it does now, e.g. `streaming`, `connecting`. */
  readonly state: string;
  /** Why it does not stream, where something failed. */
  readonly why: string | undefined;
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Data older than this is called stale where the caller names no bound. */
export const FRESH_AGE_MS_MAX = 30_000;

export class Health {
  readonly #clock: Clock;
  readonly #facts: HealthFacts;
  readonly #ages: StampAges;
  readonly #startedAt: number;

  constructor(clock: Clock, facts: HealthFacts) {
    this.#clock = clock;
    this.#facts = facts;
    this.#ages = new StampAges(clock);
    this.#startedAt = clock.monotonic();
  }

  alive(): HealthAnswer {
    const uptimeMs = Math.round(this.#clock.monotonic() - this.#startedAt);
    return { status: 200, body: { status: "alive", version: this.#facts.version, uptimeMs } };
  }

  ready(): HealthAnswer {
    const reasons = this.#facts.notReady();
    if (reasons.length === 0) return { status: 200, body: { status: "ready" } };
    return { status: 503, body: { status: "not ready", reasons } };
  }

  /** `ageMsMax`: the bound of the caller, from the query. */
  fresh(ageMsMax: number = FRESH_AGE_MS_MAX): HealthAnswer {
    const sources = this.#facts.sources().map((facts) => {
      return sourceAge(facts, this.#ages.of(facts.source, facts.provenAt), ageMsMax);
    });
    const fresh = sources.every((source) => source.fresh);
    return {
      status: fresh ? 200 : 503,
      body: { status: fresh ? "fresh" : "stale", ageMsMax, sources },
    };
  }
}

interface SourceAge {
  readonly source: string;
  readonly fresh: boolean;
  readonly state: string;
  /** Null: the stream has not been at the source's head since this process started. */
  readonly ageMs: number | null;
  readonly provenAt: string | null;
  readonly why?: string;
}

function sourceAge(facts: SourceFacts, ageMs: number, ageMsMax: number): SourceAge {
  const { source, state, provenAt } = facts;
  const why = facts.why === undefined ? {} : { why: facts.why };
  if (provenAt === 0) return { source, fresh: false, state, ageMs: null, provenAt: null, ...why };
  const at = new Date(provenAt).toISOString();
  return { source, fresh: ageMs <= ageMsMax, state, ageMs, provenAt: at, ...why };
}
