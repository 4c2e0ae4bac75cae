/**
 * Keeps one source read: opens a session, takes its stream and its existing rows in, and opens the next
 * one when it fails. Clients notice nothing of that but the lag.
 */
import type { Clock, Random } from "../base/clock.js";
import { following, sleep } from "../base/abort.js";
import { dispositionOf } from "../base/error-catalogue.js";
import { AppError, errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { supervise } from "../base/supervise.js";
import type { SourceLag, SourceSession } from "../connector/connector.js";
import { guardConnector } from "../connector/guard.js";
import type { CopyStatus, JournalWriter } from "../journal/journal.js";
import type { KeptDocument } from "../model/document.js";
import type { SourcePosition } from "../model/position.js";
import type { Rule } from "../rules/rule.js";
import { wantedFields } from "../rules/wanted-fields.js";
import type { Committer } from "./committer.js";
import { Copier } from "./copier.js";
import { FairLock } from "../base/fair-lock.js";
import type { PipelineMetrics } from "./metrics.js";
import { pairFact, pairFacts, parsePair, relationOfPair } from "./pair.js";
import { compareOrigins, originFact, originText } from "./origin-record.js";
import type { PipelineSource } from "./pipeline-source.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import { Removal } from "./removal.js";
import { RowWriter } from "./row-writer.js";
import { SourceIntake } from "./source-intake.js";
import { SourceRules } from "./source-rules.js";
import type { Bound } from "./source-rules.js";
import type { SourceFailure, SourceState, SourceStatus } from "./source-status.js";
import { Touched } from "./touched.js";

export interface SourceRunnerOptions {
  readonly source: PipelineSource;
  /** Of this source. */
  readonly rules: readonly Rule[];
  readonly versions: ReadonlyMap<string, number>;
  readonly journal: JournalWriter;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
  readonly settings: PipelineSettings;
}

/** What reads one session. */
interface Running {
  readonly session: SourceSession;
  readonly rules: SourceRules;
  readonly intake: SourceIntake;
  readonly copier: Copier;
}

export class SourceRunner {
  readonly #options: SourceRunnerOptions;
  readonly #log: Log;
  #state: SourceState = "stopped";
  #running: Running | undefined;
  #lag: SourceLag | undefined;
  #lastError: SourceFailure | undefined;
  #connects = 0;

  constructor(options: SourceRunnerOptions) {
    this.#options = options;
    this.#log = options.log.child({ source: options.source.name });
  }

  get status(): SourceStatus {
    const { source, journal } = this.#options;
    const place = journal.position(source.name);
    const isCopying = this.#state === "streaming" && this.#running?.copier.isBusy === true;
    return {
      source: source.name,
      state: isCopying ? "copying" : this.#state,
      generation: this.#running?.session.generation ?? place?.generation ?? 0,
      position: place?.position ?? "",
      ...{ lag: this.#lag, lastError: this.#lastError, connects: this.#connects },
    };
  }

  /** Before the first session: as the journal knows it. */
  get copying(): readonly CopyStatus[] {
    if (this.#running !== undefined) return this.#running.copier.status;
    const { journal, rules } = this.#options;
    return rules.flatMap((rule) => {
      const pairs = journal
        .factNames(pairFacts(rule.name))
        .map((name) => parsePair(journal.fact(pairFact(rule.name, relationOfPair(name))) ?? ""));
      const due = pairs.find(({ isDue, isUnbound }) => isDue && !isUnbound);
      if (pairs.length > 0 && due === undefined) return [];
      const { name, channelPatterns: channels } = rule;
      const state = due?.why ?? "copying";
      return [{ rule: name, state, channels, rowsDone: 0, rowsTotal: undefined }];
    });
  }

  /** Resolves after the abort, when the session is closed. Rejects with what trying again cannot mend. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, metrics, settings, source } = this.#options;
    const onRetry = (error: unknown): void => {
      const code = error instanceof AppError ? error.code : "";
      this.#state = "waiting";
      this.#lag = undefined;
      this.#lastError = { code, message: errorText(error), at: clock.now() };
      metrics.failed(source.name, code);
    };
    const { backoff } = settings;
    const options = { name: source.name, clock, random, log: this.#log, backoff, onRetry };
    try {
      await supervise(options, (progress) => this.#hold(progress, signal), signal);
    } finally {
      this.#state = "stopped";
    }
  }

  /** One session, from its opening to its end. */
  async #hold(progress: () => void, signal: AbortSignal): Promise<void> {
    const { journal, source } = this.#options;
    this.#state = "connecting";
    const resume = journal.position(source.name);
    const session = await this.#open(resume, signal);
    const { committer } = this.#options;
    const { clock, settings } = this.#options;
    const openedAt = clock.monotonic();
    const parts = this.#parts(session, resume, () => {
      // A session that soon fails again was no progress.
      if (clock.monotonic() - openedAt < settings.steadyMs) return;
      progress();
      this.#lastError = undefined;
    });
    this.#running = parts;
    try {
      await this.#prepare(parts);
      this.#state = "streaming";
      await together(
        [
          (end) => parts.intake.read(end),
          (end) => parts.copier.run(end),
          (end) => this.#pollLag(session, parts.intake, end),
        ],
        signal,
      );
    } catch (error) {
      throw isOurs(error) ? error : asRefusal(error, source.name);
    } finally {
      // What was collected belongs to this session: its memo is asked for until it is durable.
      await committer.settled(parts.intake).catch(() => undefined);
      await session.close();
    }
  }

  async #open(resume: SourcePosition | undefined, signal: AbortSignal): Promise<SourceSession> {
    const { source, rules, clock, random, metrics } = this.#options;
    const relations = [...new Set(rules.flatMap(({ from }) => from))];
    let session: SourceSession;
    try {
      session = await guardConnector(source.connector).open({
        ...{ source: source.name, options: source.options.reveal(), relations, resume },
        fields: (relation) => wantedFields(rules, relation),
        ...{ clock, random, log: this.#log, signal },
      });
    } catch (error) {
      throw this.#connects === 0 ? error : asRefusal(error, source.name);
    }
    this.#connects += 1;
    metrics.connected(source.name);
    const { generation, lost } = session;
    this.#log.info("source.opened", { generation, position: resume?.position ?? "" });
    if (lost !== undefined) {
      const { code, message, cure } = lost;
      this.#log.warn("source.history.lost", { code, message, cure, generation });
    }
    return session;
  }

  #parts(
    session: SourceSession,
    resume: SourcePosition | undefined,
    onProgress: () => void,
  ): Running {
    const { source, journal, committer, versions, clock, metrics, settings } = this.#options;
    const log = this.#log;
    const lock = new FairLock();
    const touched = new Touched(settings.touchedMax);
    const isLost = session.lost !== undefined;
    const rules = new SourceRules({ journal, rules: this.#options.rules, versions, isLost, log });
    const shared = { source: source.name, journal, rules, clock, metrics, settings };
    const writer: RowWriter = new RowWriter({
      ...{ ...shared, touched, canCopy: session.copy !== undefined },
      onDue: () => copier.wake(),
    });
    const mine = { ...shared, writer, committer, lock, log };
    const intake = new SourceIntake({ ...mine, session, resume, onProgress });
    const copier: Copier = new Copier({ ...mine, power: session.copy, intake, touched });
    return { session, rules, intake, copier };
  }

  /** Binds what the session found, and removes what cannot stay, before the first change. */
  async #prepare({ session, rules, intake }: Running): Promise<void> {
    const { journal, committer, settings } = this.#options;
    const { blockBytesMax } = settings;
    const clears = session.relations.flatMap(
      (relation): Bound["clears"] => rules.bind(relation).clears,
    );
    const removal = new Removal({ journal, committer, member: intake, blockBytesMax });
    try {
      for (const { rule, relation } of clears) {
        await removal.sweep({ rule, relation, isGone: () => true });
      }
      const facts = await this.#compareOrigins(session, rules, removal);
      for (const { rule, relation } of rules.vanished(session.relations)) {
        this.#log.warn("relation.vanished", { rule: rule.name, relation });
        await removal.sweep({ rule, relation, isGone: () => true });
        facts.set(pairFact(rule.name, relation), null);
      }
      await removal.end(facts);
    } finally {
      await removal.discard();
    }
  }

  /** Rows that went with a partition go; where rows may have come unseen, the relation is copied again. */
  async #compareOrigins(
    { origins }: SourceSession,
    rules: SourceRules,
    removal: Removal,
  ): Promise<Map<string, string | null>> {
    const { journal, source } = this.#options;
    const facts = new Map<string, string | null>();
    for (const [relation, origin] of origins ?? []) {
      const name = originFact(source.name, relation);
      const known = journal.fact(name);
      const now = originText(origin);
      if (known === now) continue;
      facts.set(name, now);
      const { remaining, isUnknown } = await compareOrigins(known, origin);
      if (known !== undefined) {
        this.#log.info("relation.origin.changed", { relation, isCopied: isUnknown });
      }
      const isGone = ({ leaf }: KeptDocument): boolean =>
        leaf !== "" && remaining?.has(leaf) === false;
      for (const pair of rules.find(relation)?.pairs ?? []) {
        const { rule } = pair;
        if (remaining !== undefined) await removal.sweep({ rule, relation, isGone });
        if (!isUnknown) continue;
        pair.restart(false);
        facts.set(...pair.fact);
      }
    }
    return facts;
  }

  async #pollLag(session: SourceSession, intake: SourceIntake, signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    for (;;) {
      await sleep(clock, settings.lagMs, signal);
      if (session.lag === undefined || intake.applied === "") continue;
      this.#lag = await session.lag(intake.durablePosition);
    }
  }
}

/** All of them until the signal; the first failure ends the others and is thrown. */
async function together(
  tasks: readonly ((end: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  const { controller, release } = following(signal);
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task(controller.signal);
      } catch (error) {
        controller.abort(error);
      }
    }),
  );
  release();
  controller.signal.throwIfAborted();
}

/** The journal's failures are not the source's: trying again cannot mend them. */
function isOurs(error: unknown): boolean {
  return error instanceof AppError && error.code.startsWith("JOURNAL_");
}

/** What would be a mistake at the first start is a state of the source later: it may be mended while we run. */
function asRefusal(error: unknown, source: string): unknown {
  if (!(error instanceof AppError) || dispositionOf(error.code) === "retry") return error;
  if (error.code === "CONNECTOR_CONTRACT_BROKEN") return error;
  const message = `reading source ${source}: ${error.message}`;
  const { cure } = error;
  return new AppError("PIPELINE_SOURCE_REFUSED", message, {
    ...(cure === undefined ? {} : { cure }),
    context: { source, reason: error.code },
    cause: error,
  });
}
