/**
 * The stream of one session, transaction by transaction, into the journal. What it gathers is bounded: a
 * transaction that grows beyond goes through as parts while it is still being read (architecture §4.1).
 */
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import { SignalPoint } from "../base/signal-point.js";
import type { SourceSession } from "../connector/connector.js";
import type { Change, IdleBatch, TransactionBatch } from "../model/change.js";
import type { SourcePosition } from "../model/position.js";
import type { PartsDraft } from "../journal/journal.js";
import type { Committer, Contributor, ContributorPlace, OpenUnit } from "./committer.js";
import type { FairLock } from "../base/fair-lock.js";
import type { PipelineMetrics } from "./metrics.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import type { RowWriter } from "./row-writer.js";
import type { SourceRules } from "./source-rules.js";

export interface SourceIntakeOptions {
  readonly source: string;
  readonly session: SourceSession;
  /** As the session was opened. */
  readonly resume: SourcePosition | undefined;
  readonly rules: SourceRules;
  readonly writer: RowWriter;
  readonly committer: Committer;
  /** Held by whoever writes documents of this source. */
  readonly lock: FairLock;
  readonly clock: Clock;
  readonly metrics: PipelineMetrics;
  readonly log: Log;
  readonly settings: PipelineSettings;
  /** A batch was taken in. */
  readonly onProgress: () => void;
}

interface Huge {
  readonly unit: OpenUnit<PartsDraft>;
  readonly release: () => void;
}

export class SourceIntake implements Contributor {
  readonly name: string;
  readonly #options: SourceIntakeOptions;
  readonly #moved = new SignalPoint();
  #place: Omit<SourcePosition, "memo"> | undefined;
  #provenAt: number | undefined;
  /** What the session begins with was not collected yet. */
  #isFresh = true;
  #durable = "";
  #gathered: Change[] = [];
  #bytes = 0;
  #count = 0;
  #huge: Huge | undefined;

  constructor(options: SourceIntakeOptions) {
    this.#options = options;
    this.name = options.source;
    const { resume, session } = options;
    if (resume?.generation === session.generation) {
      this.#place = resume;
      this.#durable = resume.position;
    }
  }

  /** What documents and entries include of the source; "" before the first batch. */
  get applied(): string {
    return this.#place?.position ?? "";
  }

  get durablePosition(): string {
    return this.#durable;
  }

  place(): ContributorPlace | undefined {
    if (this.#place === undefined) return undefined;
    const { generation, position, mark } = this.#place;
    const memo = this.#options.session.memo();
    return { position: { generation, position, mark, memo }, provenAt: this.#provenAt };
  }

  durable({ generation, position }: SourcePosition): void {
    const { session } = this.#options;
    if (generation !== session.generation) return;
    this.#durable = position;
    session.acknowledge(position);
  }

  /** Resolves when everything up to `position` is in documents and entries. */
  async passed(position: string, signal: AbortSignal): Promise<void> {
    while (this.applied < position) await this.#moved.wait(signal);
  }

  /** Until the signal, whose reason it throws, or a failure. */
  async read(signal: AbortSignal): Promise<void> {
    const { session, onProgress } = this.#options;
    try {
      for await (const batch of session.read(signal)) {
        if (batch.kind === "idle") await this.#idle(batch);
        else await this.#slice(batch);
        onProgress();
      }
      signal.throwIfAborted();
    } finally {
      await this.#abandon();
    }
  }

  async #idle({ position, atHead }: IdleBatch): Promise<void> {
    const { committer, lock } = this.#options;
    await lock.with(() =>
      committer.collect(this, async (unit) => {
        await this.#begin(unit);
        this.#move(position, this.#place?.mark ?? "");
        if (atHead) this.#provenAt = this.#options.clock.now();
      }),
    );
    this.#moved.raise();
  }

  async #slice(batch: TransactionBatch): Promise<void> {
    const { settings, writer } = this.#options;
    this.#count += batch.changes.length;
    this.#bytes += batch.bytes;
    if (this.#huge === undefined) {
      for (const change of batch.changes) this.#gathered.push(change);
      const isHuge = this.#bytes > settings.transactionBytesMax || writer.isHeavy(batch.changes);
      if (isHuge) await this.#beginHuge(batch);
    } else await writer.apply(this.#huge.unit, batch.changes, batch.position);
    if (!batch.last) return;
    if (this.#huge === undefined) await this.#collect(batch);
    else await this.#commitHuge(batch, this.#huge);
    this.#options.metrics.transactions(this.name, batch.count ?? 1, this.#count);
    this.#count = 0;
    this.#bytes = 0;
    this.#moved.raise();
  }

  async #collect(batch: TransactionBatch): Promise<void> {
    const { committer, lock, writer } = this.#options;
    const changes = this.#gathered;
    this.#gathered = [];
    await lock.with(() =>
      committer.collect(this, async (unit) => {
        await this.#begin(unit);
        await writer.apply(unit, changes, batch.position);
        this.#done(batch);
      }),
    );
  }

  async #beginHuge({ position }: TransactionBatch): Promise<void> {
    const { committer, lock, metrics, writer } = this.#options;
    metrics.huge(this.name);
    const release = await lock.take();
    try {
      this.#huge = { unit: await committer.begin(this), release };
    } catch (error) {
      release();
      throw error;
    }
    const changes = this.#gathered;
    this.#gathered = [];
    await this.#begin(this.#huge.unit);
    await writer.apply(this.#huge.unit, changes, position);
  }

  async #commitHuge(batch: TransactionBatch, { unit, release }: Huge): Promise<void> {
    this.#done(batch);
    await this.#options.committer.commit(this, unit);
    this.#huge = undefined;
    release();
  }

  /** A transaction whose end will not come: the next session reads it again from its beginning. */
  async #abandon(): Promise<void> {
    const huge = this.#huge;
    this.#huge = undefined;
    this.#gathered = [];
    if (huge === undefined) return;
    try {
      await huge.unit.draft.discard();
    } finally {
      huge.release();
    }
  }

  /** What a session has to say before its first change: with it, or not at all. */
  async #begin(unit: OpenUnit): Promise<void> {
    if (!this.#isFresh) return;
    this.#isFresh = false;
    const { rules, session } = this.#options;
    for (const fact of rules.changedFacts) unit.facts.set(...fact);
    if (session.lost === undefined) return;
    const told = new Set<string>();
    for (const { rule, bound, schema } of rules.pairs) {
      if (rule.kind !== "events" || bound === undefined || told.has(rule.name)) continue;
      told.add(rule.name);
      await unit.draft.gap(rule.name, bound.table, schema);
    }
  }

  #done({ position, mark, committedAt }: TransactionBatch): void {
    this.#move(position, mark);
    // Whoever holds a transaction holds everything that was committed before it.
    const now = this.#options.clock.now();
    const known = this.#provenAt ?? 0;
    const proven = Math.min(committedAt, now);
    // A stamp from the future is one from before the clock was set back.
    this.#provenAt = known > now ? proven : Math.max(known, proven);
  }

  #move(position: string, mark: string): void {
    this.#place = { generation: this.#options.session.generation, position, mark };
  }
}
