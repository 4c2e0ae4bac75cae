/**
 * Group commit: while one append flushes, the next block collects whatever arrives, from all sources in
 * turn; one commit unit each (architecture §4.1). A block that has its bytes takes no more: whoever comes
 * then waits, which stops the reading of its source (I9). Only when an append is durable are its
 * positions told to the sources (I1).
 *
 * What fills a block may not fail half way: a failure ends the committer, and with it the pipeline.
 */
import type { Clock } from "../base/clock.js";
import { SignalPoint } from "../base/signal-point.js";
import type { SourcePosition } from "../model/position.js";
import type {
  AppendFacts,
  BlockDraft,
  CopyStatus,
  JournalWriter,
  PartsDraft,
} from "../journal/journal.js";
import { FairLock } from "../base/fair-lock.js";
import type { PipelineMetrics } from "./metrics.js";

/** Who fills blocks. Its place is asked for when a block is sealed, so it belongs to what the block holds. */
export interface Contributor {
  readonly name: string;
  place(): ContributorPlace | undefined;
  /** An append with this position is durable. */
  durable(place: SourcePosition): void;
}

export interface ContributorPlace {
  readonly position: SourcePosition;
  readonly provenAt: number | undefined;
}

/** What is being collected: changes go into `draft`, facts beside it. */
export interface OpenUnit<Draft extends BlockDraft = BlockDraft> {
  readonly draft: Draft;
  readonly facts: Map<string, string | null>;
  /** Entries put so far. */
  entries: number;
  /** Bytes of the parts that were written already. */
  spilled: number;
}

/** A huge unit writes what it collected as a part; a block keeps it. */
export async function spillIfFull(unit: OpenUnit, bytesMax: number): Promise<void> {
  const { draft } = unit;
  if (!isParts(draft) || draft.bytes <= bytesMax) return;
  unit.spilled += draft.bytes;
  await draft.flush();
}

export function isParts(draft: BlockDraft): draft is PartsDraft {
  return "flush" in draft;
}

export interface CommitterOptions {
  readonly journal: JournalWriter;
  readonly clock: Clock;
  readonly metrics: PipelineMetrics;
  readonly blockBytesMax: number;
  readonly idleMs: number;
  /** Rules whose content is not complete. */
  readonly copying: () => readonly CopyStatus[];
}

interface Collected extends OpenUnit {
  readonly number: number;
  readonly members: Set<Contributor>;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #lock = new FairLock();
  readonly #moved = new SignalPoint();
  readonly #life = new AbortController();
  #unit: Collected | undefined;
  #isDue = false;
  #isStopping = false;
  #inFlight = 0;
  /** Units are numbered as they are opened; appends become durable in this order. */
  #opened = 0;
  #durable = 0;
  #told = "[]";
  #idleSince = -Infinity;
  #cancelIdle: (() => void) | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Appends until `stop`, then what is left. Rejects with what made an append or a filling fail. */
  async run(): Promise<void> {
    try {
      for (;;) {
        this.#life.signal.throwIfAborted();
        if (this.#inFlight === 0 && (this.#isDue || this.#isStopping) && this.#unit !== undefined) {
          await this.#lock.with(async () => {
            this.#seal();
          });
        } else if (this.#isStopping && this.#inFlight === 0) return;
        else await this.#moved.wait(this.#life.signal);
      }
    } finally {
      this.#cancelIdle?.();
    }
  }

  /** Nobody collects any more. */
  stop(): void {
    this.#isStopping = true;
    this.#moved.raise();
  }

  /** Fills the open block, in turn, when it has room. `fill` does not wait for anything but the journal. */
  async collect(
    member: Contributor | undefined,
    fill: (unit: OpenUnit) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      const release = await this.#lock.take();
      try {
        this.#life.signal.throwIfAborted();
        const unit = await this.#open();
        if (unit.draft.bytes < this.#options.blockBytesMax) {
          await fill(unit);
          if (member !== undefined) unit.members.add(member);
          this.#schedule(unit);
          return;
        }
      } catch (error) {
        this.fail(error);
        throw error;
      } finally {
        release();
      }
      await this.#moved.wait(this.#life.signal);
    }
  }

  /** The parts of a huge transaction; everything that was collected before is appended first, so that they see it. */
  async begin(member: Contributor): Promise<OpenUnit<PartsDraft>> {
    return this.#lock.with(async () => {
      this.#life.signal.throwIfAborted();
      this.#seal();
      await this.#options.journal.ready();
      return {
        draft: this.#options.journal.parts(member.name),
        facts: new Map(),
        entries: 0,
        spilled: 0,
      };
    });
  }

  /** Makes the parts one commit unit. The others wait meanwhile. */
  async commit(member: Contributor, unit: OpenUnit<PartsDraft>): Promise<void> {
    if (unit.draft.isEmpty && unit.spilled === 0) {
      await unit.draft.discard();
      await this.collect(member, async (open) => {
        for (const [name, value] of unit.facts) open.facts.set(name, value);
      });
      return;
    }
    await this.#lock.with(async () => {
      try {
        this.#life.signal.throwIfAborted();
        await spillIfFull(unit, 0);
        this.#seal();
        const number = ++this.#opened;
        const { draft, entries, spilled } = unit;
        await this.#carry({ ...unit, number, members: new Set([member]) }, (after) => {
          return draft.commit(after);
        });
        this.#options.metrics.appended(entries, spilled);
      } catch (error) {
        this.fail(error);
        throw error;
      }
    });
  }

  /** Resolves when everything that `member` has collected is durable. */
  async settled(member: Contributor): Promise<void> {
    const isOpen = this.#unit?.members.has(member) === true;
    const wanted = isOpen
      ? (this.#unit?.number ?? 0)
      : this.#opened - (this.#unit === undefined ? 0 : 1);
    if (isOpen) this.#due();
    while (this.#durable < wanted) await this.#moved.wait(this.#life.signal);
  }

  /** Nothing is appended from now on; everybody who waits gets the error. */
  fail(error: unknown): void {
    this.#life.abort(error);
  }

  async #open(): Promise<Collected> {
    if (this.#unit !== undefined) return this.#unit;
    const { journal } = this.#options;
    await journal.ready();
    const draft = journal.block();
    const number = ++this.#opened;
    this.#unit = { draft, number, facts: new Map(), entries: 0, spilled: 0, members: new Set() };
    return this.#unit;
  }

  /** Content goes at once; a mere position waits its second. */
  #schedule(unit: Collected): void {
    const { clock, idleMs } = this.#options;
    const { draft, facts } = unit;
    const waitMs = this.#idleSince + idleMs - clock.monotonic();
    if (!draft.isEmpty || facts.size > 0 || waitMs <= 0) {
      this.#due();
      return;
    }
    this.#cancelIdle ??= clock.after(waitMs, () => {
      this.#cancelIdle = undefined;
      this.#due();
    });
  }

  #due(): void {
    this.#isDue = true;
    this.#moved.raise();
  }

  /** Begins the append of what is collected; the next block can be opened at once. */
  #seal(): void {
    const unit = this.#unit;
    this.#isDue = false;
    if (unit === undefined) return;
    this.#unit = undefined;
    const { journal, metrics } = this.#options;
    const { draft, entries } = unit;
    const { bytes, isEmpty } = draft;
    this.#carry(unit, (after) => journal.append(draft, after)).then(
      () => {
        if (!isEmpty) metrics.appended(entries, bytes);
      },
      (error: unknown) => {
        this.fail(error);
      },
    );
  }

  async #carry(unit: Collected, append: (after: AppendFacts) => Promise<unknown>): Promise<void> {
    const positions = new Map<string, SourcePosition>();
    const provenAt = new Map<string, number>();
    for (const member of unit.members) {
      const place = member.place();
      if (place === undefined) continue;
      positions.set(member.name, place.position);
      if (place.provenAt !== undefined) provenAt.set(member.name, place.provenAt);
    }
    const copying = this.#options.copying();
    const told = JSON.stringify(copying);
    const changed = told === this.#told ? {} : { copying };
    this.#told = told;
    this.#idleSince = this.#options.clock.monotonic();
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    this.#inFlight += 1;
    try {
      await append({ positions, facts: unit.facts, provenAt, ...changed });
    } finally {
      this.#inFlight -= 1;
      this.#moved.raise();
    }
    this.#durable = Math.max(this.#durable, unit.number);
    for (const member of unit.members) {
      const position = positions.get(member.name);
      if (position !== undefined) member.durable(position);
    }
    this.#moved.raise();
  }
}
