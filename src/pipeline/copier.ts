/**
 * Existing rows reach the channels beside the stream, one relation at a time (architecture §5). A chunk is
 * held until the stream has passed the place of its rows; then what the stream touched meanwhile wins.
 * After the last chunk the documents that neither a chunk nor the stream has seen are gone.
 */
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import { SignalPoint } from "../base/signal-point.js";
import type { CopyChunk, CopyPower } from "../connector/connector.js";
import type { CopyStatus, JournalWriter } from "../journal/journal.js";
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { Committer } from "./committer.js";
import type { FairLock } from "../base/fair-lock.js";
import type { Pair } from "./pair.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import { Removal, scanPages } from "./removal.js";
import { isWaiting } from "./route.js";
import type { RowWriter } from "./row-writer.js";
import type { SourceIntake } from "./source-intake.js";
import type { Binding, SourceRules } from "./source-rules.js";
import type { Touched } from "./touched.js";

/** A long copy says where it is this often. */
const PROGRESS_MS = 10_000;

export interface CopierOptions {
  readonly source: string;
  /** Undefined: the source has no existing rows. */
  readonly power: CopyPower | undefined;
  readonly journal: JournalWriter;
  readonly rules: SourceRules;
  readonly writer: RowWriter;
  readonly intake: SourceIntake;
  readonly committer: Committer;
  readonly lock: FairLock;
  readonly touched: Touched;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: PipelineSettings;
}

/** One walk over a relation. */
interface Walk {
  readonly binding: Binding;
  readonly pairs: readonly Pair[];
  /** Names the pairs and their copy numbers: another text is another walk. */
  readonly aim: string;
  readonly power: CopyPower;
  after: string | undefined;
  rowsMax: number;
}

/** The documents of a pair after the last chunk, as they were while the stream went on. */
interface Look {
  readonly pair: Pair;
  /** Of documents that neither a chunk nor the stream has seen; undefined: too many to be remembered. */
  readonly gone: readonly DocumentKey[] | undefined;
  readonly hasWaiting: boolean;
}

/** `again`: the same chunk. `over`: the walk has to begin anew. */
type Outcome = "applied" | "again" | "over";

export class Copier {
  readonly #options: CopierOptions;
  readonly #due = new SignalPoint();
  #now: { readonly relation: string; rowsDone: number; rowsTotal: number | undefined } | undefined;
  #toldAt = 0;

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#now !== undefined;
  }

  /** A pair may be due. */
  wake(): void {
    this.#due.raise();
  }

  /** Rules whose content is not complete, with the rows of the relation at hand. */
  get status(): readonly CopyStatus[] {
    const told = new Map<string, CopyStatus>();
    for (const pair of this.#options.rules.pairs) {
      if (!pair.isDue) continue;
      const { name, channelPatterns } = pair.rule;
      const now = this.#now?.relation === pair.relation ? this.#now : undefined;
      if (told.has(name) && now === undefined) continue;
      told.set(name, {
        ...{ rule: name, state: pair.why, channels: channelPatterns },
        ...{ rowsDone: now?.rowsDone ?? 0, rowsTotal: now?.rowsTotal },
      });
    }
    return [...told.values()];
  }

  /** Copies what is due until the signal, whose reason it throws. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const relation = this.#options.rules.pairs.find(({ isDue }) => isDue)?.relation;
      const binding = relation === undefined ? undefined : this.#options.rules.find(relation);
      if (binding === undefined) await this.#due.wait(signal);
      else await this.#copy(binding, signal);
    }
  }

  async #copy(binding: Binding, signal: AbortSignal): Promise<void> {
    const { clock, log, power, settings } = this.#options;
    const pairs = duePairs(binding);
    const { name } = binding.relation;
    if (power === undefined) {
      const looks = pairs.map((pair) => ({ pair, gone: [], hasWaiting: false }));
      await this.#options.lock.with(() => this.#finish(looks, "nothing to read"));
      return;
    }
    const rowsTotal = await power.estimate(binding.relation);
    this.#now = { relation: name, rowsDone: 0, rowsTotal };
    this.#toldAt = clock.monotonic();
    log.info("copy.started", {
      relation: name,
      rules: pairs.map(({ rule }) => rule.name),
      rowsTotal,
    });
    const { chunkRowsMax: rowsMax } = settings;
    const walk: Walk = { binding, pairs, aim: aimOf(pairs), power, after: undefined, rowsMax };
    try {
      await this.#walk(walk, signal);
    } finally {
      this.#now = undefined;
    }
  }

  async #walk(walk: Walk, signal: AbortSignal): Promise<void> {
    const { clock, intake, lock, log, settings, touched } = this.#options;
    const { name } = walk.binding.relation;
    for (;;) {
      // Within the lock: a huge transaction is either seen by the rows or recorded.
      await lock.with(async () => {
        touched.start(name);
      });
      const request = {
        relation: walk.binding.relation,
        ...{ after: walk.after, rowsMax: walk.rowsMax, bytesMax: settings.chunkBytesMax },
      };
      const startedAt = clock.monotonic();
      const chunk = await walk.power.chunk(request, signal);
      const readAt = clock.monotonic();
      await intake.passed(chunk.hi, signal);
      const [readMs, heldMs] = [readAt - startedAt, clock.monotonic() - readAt];
      log.debug("copy.chunk.read", { relation: name, rows: chunk.rows.length, readMs, heldMs });
      const outcome = await lock.with(() => this.#apply(walk, chunk));
      if (outcome === "over") {
        log.info("copy.restarted", { relation: name });
        return;
      }
      if (outcome === "again") continue;
      this.#progress(chunk.rows.length);
      walk.after = chunk.next;
      if (chunk.next === undefined) {
        const looks = await this.#look(walk.pairs, signal);
        await lock.with(async () => {
          if (this.#stands(walk)) await this.#finish(looks, "copied");
        });
        return;
      }
    }
  }

  async #apply(walk: Walk, chunk: CopyChunk): Promise<Outcome> {
    const { committer, intake, rules, touched, writer } = this.#options;
    const seen = touched.stop();
    if (!this.#stands(walk)) return "over";
    if (seen.isOverflown) walk.rowsMax = Math.max(1, Math.floor(walk.rowsMax / 2));
    if (seen.isAll || seen.isOverflown) return "again";
    const other = chunk.rows.find(({ relation }) => rules.known(relation) === undefined);
    if (other !== undefined) {
      await this.#rebind(other.relation);
      return "over";
    }
    const { pairs } = walk;
    const position = intake.applied;
    await committer.collect(intake, (unit) =>
      writer.copied(unit, { pairs, chunk, touched: seen, position }),
    );
    return "applied";
  }

  /** The rows are of a shape that the stream has not shown yet. */
  async #rebind(relation: CopyChunk["rows"][number]["relation"]): Promise<void> {
    const { committer, intake, writer } = this.#options;
    const unit = await committer.begin(intake);
    try {
      await writer.bind(unit, relation);
      await committer.commit(intake, unit);
    } catch (error) {
      await unit.draft.discard();
      throw error;
    }
  }

  #stands(walk: Walk): boolean {
    const { name, fingerprint } = walk.binding.relation;
    const now = this.#options.rules.find(name);
    return now?.relation.fingerprint === fingerprint && aimOf(duePairs(now)) === walk.aim;
  }

  /** Beside the stream, which need not wait for it: only documents that it has not seen can be gone. */
  async #look(pairs: readonly Pair[], signal: AbortSignal): Promise<Look[]> {
    const { committer, intake, lock } = this.#options;
    // Who waits from now on is told by the writer; all others are found below.
    await lock.with(async () => {
      for (const pair of pairs) pair.forgetWaiting();
      await committer.settled(intake);
    });
    const looks: Look[] = [];
    for (const pair of pairs) looks.push(await this.#lookAt(pair, signal));
    return looks;
  }

  async #lookAt(pair: Pair, signal: AbortSignal): Promise<Look> {
    const { journal, settings } = this.#options;
    const { rule, relation, copy } = pair;
    let gone: DocumentKey[] | undefined = [];
    let hasWaiting = false;
    for await (const page of scanPages(journal, { rule: rule.name, relation })) {
      signal.throwIfAborted();
      for (const { key, document } of page) {
        if (document.copy < copy) gone?.push(key);
        else if (isWaiting(document)) hasWaiting = true;
      }
      if (gone !== undefined && gone.length > settings.sweepMax) gone = undefined;
    }
    return { pair, gone, hasWaiting };
  }

  /** Everything was seen: what was not is gone. Rows that still wait for a value need one more walk. */
  async #finish(looks: readonly Look[], how: string): Promise<void> {
    const { committer, intake, journal, log, settings } = this.#options;
    const { blockBytesMax } = settings;
    const removal = new Removal({ journal, committer, member: intake, blockBytesMax });
    try {
      for (const { pair, gone, hasWaiting } of looks) {
        const { rule, relation, copy } = pair;
        const isGone = (document: KeptDocument): boolean => document.copy < copy;
        if (gone === undefined) await removal.sweep({ rule, relation, isGone });
        else await removal.sweepKeys({ rule, isGone }, gone);
        const isRepeated = hasWaiting || pair.hasWaiting;
        if (isRepeated) pair.restart(false);
        else pair.done();
        const rows = this.#now?.rowsDone ?? 0;
        const fields = { rule: rule.name, relation, rows, how };
        log.info(isRepeated ? "copy.repeated" : "copy.finished", fields);
      }
      await removal.end(looks.map(({ pair }) => pair.fact));
    } finally {
      await removal.discard();
    }
  }

  #progress(rows: number): void {
    const { clock, log } = this.#options;
    if (this.#now === undefined) return;
    this.#now.rowsDone += rows;
    if (clock.monotonic() - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = clock.monotonic();
    log.info("copy.progressed", { ...this.#now });
  }
}

function duePairs({ pairs }: Binding): readonly Pair[] {
  return pairs.filter(({ isDue }) => isDue);
}

function aimOf(pairs: readonly Pair[]): string {
  return JSON.stringify(pairs.map(({ rule, copy }) => [rule.name, copy]));
}
