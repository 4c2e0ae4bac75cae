/**
 * The writing half of the service: reads every source, maps what it reads by the rules and journals the
 * result together with the positions. Compose hands the parts in; `run` is the one that works.
 */
import { following } from "../base/abort.js";
import { must } from "../base/assert.js";
import type { Clock, Random } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Rule } from "../rules/rule.js";
import { Committer } from "./committer.js";
import type { PipelineMetrics } from "./metrics.js";
import { defaultPipelineSettings } from "./pipeline-settings.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import type { PipelineSource } from "./pipeline-source.js";
import { Removal } from "./removal.js";
import { beginRules } from "./rule-versions.js";
import type { GoneRule } from "./rule-versions.js";
import { SourceRunner } from "./source-runner.js";
import type { SourceStatus } from "./source-status.js";

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
  readonly #settings: PipelineSettings;
  #runners: readonly SourceRunner[] = [];
  #committer: Committer | undefined;
  #gone: readonly GoneRule[] = [];

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#settings = { ...defaultPipelineSettings, ...options.settings };
  }

  /** One per source, in their order. */
  get status(): readonly SourceStatus[] {
    if (this.#runners.length > 0) return this.#runners.map(({ status }) => status);
    return this.#options.sources.map(({ name }) => ({
      ...{ source: name, state: "stopped", generation: 0, position: "" },
      ...{ lag: undefined, lastError: undefined, connects: 0 },
    }));
  }

  /**
   * Journals which rules there are now, and what is not complete: before clients are served, so that nobody
   * is shown what a changed rule hides.
   */
  async begin(): Promise<void> {
    const { journal, sources, rules, clock, metrics } = this.#options;
    const { versions, gone } = await beginRules(journal, rules);
    this.#gone = gone;
    const { blockBytesMax, idleMs } = this.#settings;
    const committer = new Committer({
      ...{ journal, clock, metrics, blockBytesMax, idleMs },
      copying: () => this.#runners.flatMap(({ copying }) => copying),
    });
    this.#committer = committer;
    this.#runners = sources.map((source) => this.#runner(source, versions, committer));
    const copying = this.#runners.flatMap((runner) => runner.copying);
    await journal.append(journal.block(), { positions: new Map(), facts: new Map(), copying });
  }

  /**
   * After `begin`. Resolves after the abort, when what was collected is durable and all sessions are closed.
   * Rejects with what cannot be mended by trying again: a fatal AppError (journal, first open of a source,
   * broken contract) or an InvariantError; then the process must end.
   */
  async run(signal: AbortSignal): Promise<void> {
    const committer = must(this.#committer, "a pipeline that was begun");
    const failed = new AbortController();
    const end = following(signal);
    const fail = (error: unknown): void => {
      failed.abort(error);
      end.controller.abort(error);
    };
    const committed = committer.run().catch(fail);
    try {
      await this.#removeRules(this.#gone, committer);
      await Promise.all(
        this.#runners.map((runner) => runner.run(end.controller.signal).catch(fail)),
      );
    } catch (error) {
      fail(error);
    }
    end.release();
    committer.stop();
    await committed;
    failed.signal.throwIfAborted();
  }

  #runner(
    source: PipelineSource,
    versions: ReadonlyMap<string, number>,
    committer: Committer,
  ): SourceRunner {
    const { journal, clock, random, log, metrics } = this.#options;
    const rules = this.#options.rules.filter((rule) => rule.source === source.name);
    return new SourceRunner({
      ...{ source, rules, versions, journal, committer, clock, random, log, metrics },
      settings: this.#settings,
    });
  }

  /** Rules that are no longer configured: clients see their documents go. */
  async #removeRules(gone: readonly GoneRule[], committer: Committer): Promise<void> {
    const { journal, log } = this.#options;
    const { blockBytesMax } = this.#settings;
    const member = { name: "rules", place: () => undefined, durable: () => undefined };
    for (const rule of gone) {
      log.info("rule.removed", { rule: rule.name });
      const removal = new Removal({ journal, committer, member, blockBytesMax });
      try {
        await removal.sweep({ rule, isGone: () => true });
        await removal.end(rule.facts.map((name) => [name, null] as const));
      } finally {
        await removal.discard();
      }
    }
    if (gone.length > 0) await committer.settled(member);
  }
}
