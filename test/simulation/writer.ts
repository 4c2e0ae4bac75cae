/**
 * The writing process: pipeline and journal over the simulated database. Its disk outlives it; a flush takes
 * two waits, one before the disk has it and one before the process knows, and may fail at either.
 */
import { createScriptedConnector } from "../../connectors/scripted/connector.js";
import { AppError } from "../../src/base/errors.js";
import { silentLog } from "../../src/base/log.js";
import { Secret } from "../../src/base/secret.js";
import type { Connector, SourceSession } from "../../src/connector/connector.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import type { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import type {
  MemoryAppend,
  MemoryFlush,
  MemoryJournal,
} from "../../src/journal/memory/memory-journal.js";
import type { SourceBatch } from "../../src/model/change.js";
import type { SourcePosition } from "../../src/model/position.js";
import { silentPipelineMetrics } from "../../src/pipeline/metrics.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { Checkers } from "./checkers.js";
import type { Life } from "./life.js";
import { SOURCE } from "./shop.js";
import type { RuleSet, Shop } from "./shop.js";

export const pipelineSettings = {
  ...{ transactionBytesMax: 900, blockBytesMax: 2_000, chunkRowsMax: 3, touchedMax: 4 },
  ...{ idleMs: 50, lagMs: 60_000, sweepMax: 20, steadyMs: 100 },
  backoff: { baseMs: 2, maxMs: 40 },
};

export const journalSettings = { tombstonesAgeMs: 40, eventsAgeMs: 1e12, liveBytesMax: 3_000 };

export interface WriterParts {
  readonly life: Life;
  readonly random: SeededRandom;
  readonly shop: Shop;
  readonly disk: MemoryDisk;
  readonly set: RuleSet;
  readonly checkers: Checkers;
  /** How the process is made wrong on purpose. */
  readonly mutate: WriterMutation;
  /** Shows an append to gateways. */
  readonly released: (append: MemoryAppend) => void;
  /** The process has ended by itself. */
  readonly ended: (error: unknown) => void;
}

export interface WriterMutation {
  readonly connector?: (connector: Connector, shop: Shop) => Connector;
  /** Right after an append reached the disk; `before` is the position that stood there. */
  readonly wrote?: (disk: MemoryDisk, before: SourcePosition | undefined) => void;
  /** Shows appends before they are durable. */
  readonly showsEarly?: boolean;
}

export class Writer implements MemoryFlush {
  readonly journal: MemoryJournal;
  readonly set: RuleSet;
  /** The next flushes fail, before or after the disk has them. */
  failsFlush: "before" | "after" | undefined;
  /** Each flush takes so much longer. */
  flushDelayMs = 0;
  /** It has opened its source once: what rules left that are gone was removed before. */
  hasOpened = false;
  /** The next step of a source session fails. */
  failsSource = false;
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.set = parts.set;
    const { disk, life, random } = parts;
    const settings = journalSettings;
    this.journal = openMemoryJournal({ disk, clock: life, random, settings, flush: this });
  }

  get isOver(): boolean {
    return this.#parts.life.isOver;
  }

  kill(): void {
    this.#parts.life.kill();
  }

  /** Runs until it is killed or fails. */
  start(): void {
    this.#run().catch((error: unknown) => {
      if (this.isOver) return;
      this.kill();
      this.#parts.ended(error);
    });
  }

  async #run(): Promise<void> {
    const { life, random, set } = this.#parts;
    const journal: JournalWriter = this.journal;
    const options = new Secret<unknown>({ tables: [], rows: {}, script: [] });
    const pipeline = new Pipeline({
      ...{ journal, rules: set.rules, log: silentLog, clock: life, random },
      sources: [{ name: SOURCE, connector: this.#connector(), options }],
      ...{ metrics: silentPipelineMetrics, settings: pipelineSettings },
    });
    await pipeline.begin();
    await pipeline.run(new AbortController().signal);
  }

  // ------------------------------------------------------------ its disk

  async persist(append: MemoryAppend, write: () => void): Promise<void> {
    const { life, checkers, mutate, disk } = this.#parts;
    if (mutate.showsEarly === true) this.#parts.released(append);
    await this.#flushes();
    this.#mayFail("before");
    const before = disk.positions.get(SOURCE);
    write();
    mutate.wrote?.(disk, before);
    checkers.durable(append, this.set);
    await life.passes();
    this.#mayFail("after");
  }

  released(append: MemoryAppend): void {
    if (this.#parts.mutate.showsEarly !== true) this.#parts.released(append);
  }

  async #flushes(): Promise<void> {
    const { life } = this.#parts;
    await life.passes();
    if (this.flushDelayMs === 0) return;
    await new Promise<void>((resolve) => {
      life.after(this.flushDelayMs, resolve);
    });
  }

  #mayFail(when: "before" | "after"): void {
    if (this.failsFlush !== when) return;
    throw new AppError("JOURNAL_WRITE_FAILED", `the flush failed, ${when} the disk had it`);
  }

  // ------------------------------------------------------------ its source

  #connector(): Connector {
    const { shop, life, checkers, mutate } = this.#parts;
    const plain = createScriptedConnector(new Map([[SOURCE, shop.source]])) as Connector;
    const inner = mutate.connector?.(plain, shop) ?? plain;
    return {
      ...inner,
      open: async (context) => {
        await life.passes();
        this.#mayLose();
        const session = await life.reaches(inner.open(context));
        this.hasOpened = true;
        const { resume } = context;
        checkers.opened(session.generation, {
          history: shop.source.history,
          after:
            session.lost === undefined && resume !== undefined ? resume.position : shop.source.slot,
        });
        return this.#session(session);
      },
    };
  }

  #session(inner: SourceSession): SourceSession {
    const { life } = this.#parts;
    const { copy } = inner;
    return {
      ...{ generation: inner.generation, lost: inner.lost, relations: inner.relations },
      read: (signal) => this.#read(inner, signal),
      acknowledge: (position) => {
        if (!life.isOver) inner.acknowledge(position);
      },
      memo: () => inner.memo(),
      close: () => inner.close(),
      ...(copy === undefined
        ? {}
        : {
            copy: {
              estimate: (relation) => copy.estimate(relation),
              chunk: async (request, signal) => {
                await life.passes();
                this.#mayLose();
                const chunk = await life.reaches(copy.chunk(request, signal));
                await life.passes();
                this.#mayLose();
                return chunk;
              },
            },
          }),
    };
  }

  async *#read(inner: SourceSession, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const { life, checkers } = this.#parts;
    const batches = inner.read(signal)[Symbol.asyncIterator]();
    for (;;) {
      const next = await life.reaches(batches.next());
      if (next.done === true) return;
      await life.passes();
      this.#mayLose();
      if (next.value.kind === "transaction") checkers.yielded(next.value);
      yield next.value;
    }
  }

  #mayLose(): void {
    if (!this.failsSource) return;
    this.failsSource = false;
    throw new AppError("CONNECTOR_CONNECTION_LOST", "reading shop: it failed");
  }
}
