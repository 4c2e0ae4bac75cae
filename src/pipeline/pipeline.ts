/**
 * The writing half of the service: reads every source, maps what it reads by the rules and journals the
 * result together with the positions. Compose hands the parts in; `run` is the one entry.
 */
import type { Clock, Random } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { Secret } from "../base/secret.js";
import type { Connector } from "../connector/connector.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Rule } from "../rules/rule.js";
import type { PipelineMetrics } from "./metrics.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import type { SourceStatus } from "./source-status.js";

/** What `Config.sources` holds fits. */
export interface PipelineSource {
  readonly name: string;
  /** As it is: the pipeline puts the guard around it. */
  readonly connector: Connector;
  readonly options: Secret<unknown>;
}

export interface PipelineOptions {
  /** Open; the pipeline is its only user, and does not close it. */
  readonly journal: JournalWriter;
  readonly sources: readonly PipelineSource[];
  /** Of all sources: `Rule.source` says whose. */
  readonly rules: readonly Rule[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
  readonly settings?: Partial<PipelineSettings>;
}

export class Pipeline {
  readonly #options: PipelineOptions;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** One per source, in their order. */
  get status(): readonly SourceStatus[] {
    return this.#options.sources.map(({ name }) => ({
      ...{ source: name, state: "stopped", generation: 0, position: "" },
      ...{ lag: undefined, lastError: undefined, connects: 0 },
    }));
  }

  /**
   * Resolves after the abort, when what was collected is durable and all sessions are closed. Rejects with
   * what cannot be mended by trying again: a fatal AppError (journal, first open of a source, broken
   * contract) or an InvariantError; then the process must end.
   */
  async run(_signal: AbortSignal): Promise<void> {
    throw new Error("being written");
  }
}
