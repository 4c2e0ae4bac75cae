/** What health and metrics are told of the running parts; before a part is there, what is true without it. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.js";
import { StampAges } from "../base/stamp-ages.js";
import type { Broker } from "../broker/broker.js";
import type { JournalReader } from "../journal/journal.js";
import type { HealthFacts, SourceFacts } from "../ops/health.js";
import type { MetricFacts } from "../ops/metrics.js";
import type { Pipeline } from "../pipeline/pipeline.js";

/** `starting` → `serving` → `stopping`; never back. */
export type ServicePhase = "starting" | "serving" | "stopping";

export interface ServiceStateOptions {
  readonly version: string;
  readonly clock: Clock;
  readonly sources: readonly string[];
  /** Folder of the journal; undefined where it has none. */
  readonly journalPath: string | undefined;
}

export class ServiceState implements HealthFacts, MetricFacts {
  readonly version: string;
  phase: ServicePhase = "starting";
  reader: JournalReader | undefined;
  broker: Broker | undefined;
  pipeline: Pipeline | undefined;
  /** Why nothing is read from sources any more, while clients are still served. */
  pipelineFailure: string | undefined;
  readonly #options: ServiceStateOptions;
  readonly #ages: StampAges;

  constructor(options: ServiceStateOptions) {
    this.version = options.version;
    this.#options = options;
    this.#ages = new StampAges(options.clock);
  }

  notReady(): readonly string[] {
    return this.phase === "serving" ? [] : [this.phase];
  }

  sources(): readonly (SourceFacts & { readonly ageMs: number | undefined })[] {
    const status = new Map(this.pipeline?.status.map((each) => [each.source, each]));
    return this.#options.sources.map((source) => {
      const provenAt = this.reader?.notice.sources.get(source)?.provenAt ?? 0;
      const ageMs = provenAt === 0 ? undefined : this.#ages.of(source, provenAt);
      const told = status.get(source);
      const failed = this.pipelineFailure ?? told?.lastError?.message;
      return { source, provenAt, ageMs, state: told?.state ?? "stopped", why: failed };
    });
  }

  logNumber(): number {
    return this.reader?.notice.log ?? 0;
  }

  parkedCount(): number {
    return this.reader?.parkedCount ?? 0;
  }

  sessionsBehind(): number {
    return this.broker?.statistics().behind ?? 0;
  }

  journalBytes(): number | undefined {
    const { journalPath } = this.#options;
    if (journalPath === undefined || !existsSync(journalPath)) return undefined;
    let bytes = 0;
    for (const name of readdirSync(journalPath)) {
      // A file that goes between both calls is no failure of whoever reads the numbers.
      bytes += statSync(join(journalPath, name), { throwIfNoEntry: false })?.size ?? 0;
    }
    return bytes;
  }
}
