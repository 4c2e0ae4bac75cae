/**
 * The writer, whatever the journal is kept in: takes drafts, gives log numbers, and carries appends one
 * after the other to their keep: durable first, then released (I3). After a failure nothing is appended
 * any more, so a log number can never be missing in between; reads go on.
 */
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import type { SourcePosition } from "../model/position.js";
import type { TableSchema } from "../model/table.js";
import { Draft } from "./draft.js";
import type { DraftBase } from "./draft-base.js";
import type { SpilledDocuments } from "./spilled-documents.js";
import { finishBlock, finishParts } from "./finish-unit.js";
import type { FinishedUnit, UnitFacts } from "./finish-unit.js";
import type {
  AppendFacts,
  BlockDraft,
  JournalReader,
  JournalWriter,
  LogNumber,
  PartsDraft,
  ScannedDocument,
  ScanRequest,
  TableShape,
} from "./journal.js";
import { SpillingDraft } from "./parts-draft.js";
import type { PartsHome } from "./parts-draft.js";
import type { WriterFacts } from "./writer-facts.js";

/** What one append carries. */
export interface Carried {
  /** Undefined: positions and facts only. */
  readonly finished: FinishedUnit | undefined;
  readonly parts: { readonly id: string; readonly count: number } | undefined;
  readonly after: AppendFacts;
  readonly schemas: readonly TableSchema[];
}

/** What keeps the journal. */
export interface JournalKeep extends Pick<
  DraftBase,
  "head" | "document" | "fedChannels" | "parkedUnder"
> {
  readonly reader: JournalReader;
  /** Drafts see it from now on; not durable, not released. */
  install(carried: Carried): void;
  /** Durable when it resolves. */
  persist(carried: Carried): Promise<void>;
  /** Shown to readers when it resolves. */
  release(carried: Carried): Promise<void>;
  spilled(unit: string): SpilledDocuments;
  writePart(unit: string, ...written: Parameters<PartsHome["write"]>): Promise<void>;
  discardParts(unit: string): Promise<void>;
  scan(request: ScanRequest): Promise<readonly ScannedDocument[]>;
  ready(): Promise<void>;
  close(): Promise<void>;
}

export interface DeskStart {
  readonly run: string;
  readonly log: LogNumber;
  readonly parked: number;
  readonly facts: WriterFacts;
  readonly clock: Clock;
}

export class JournalDesk implements JournalWriter {
  readonly run: string;
  readonly #keep: JournalKeep;
  readonly #facts: WriterFacts;
  readonly #clock: Clock;
  readonly #base: DraftBase;
  readonly #huge = new Map<string, SpillingDraft>();
  #block: Draft | undefined;
  #log: LogNumber;
  #parked: number;
  #units = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #failed: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  constructor(keep: JournalKeep, start: DeskStart) {
    this.run = start.run;
    this.#keep = keep;
    this.#facts = start.facts;
    this.#clock = start.clock;
    this.#log = start.log;
    this.#parked = start.parked;
    const { facts } = start;
    this.#base = {
      head: (channel) => keep.head(channel),
      document: (key) => keep.document(key),
      hidingBelow: (rule) => facts.hiding.below(rule),
      fedChannels: (rule, relation) => keep.fedChannels(rule, relation),
      parkedUnder: (prefix) => keep.parkedUnder(prefix),
      schemaOf: (table) => facts.schemas.newest(table),
    };
  }

  get reader(): JournalReader {
    return this.#keep.reader;
  }

  position(source: string): SourcePosition | undefined {
    return this.#facts.position(source);
  }

  fact(name: string): string | undefined {
    return this.#facts.fact(name);
  }

  factNames(prefix: string): readonly string[] {
    return this.#facts.factNames(prefix);
  }

  schemaVersion(table: string, shape: TableShape): number {
    return this.#facts.schemas.version(table, shape);
  }

  block(): BlockDraft {
    assert(this.#block?.isEmpty !== false, "a block is begun and not appended yet");
    this.#block = new Draft(this.#base, () => this.#log + 1);
    return this.#block;
  }

  async append(draft: BlockDraft, after: AppendFacts): Promise<LogNumber> {
    this.#mayAppend();
    const block = this.#block;
    assert(block !== undefined && draft === block, "this block is not the one that was begun");
    this.#block = undefined;
    const facts = this.#begin(after, !block.isEmpty);
    const finished = block.isEmpty ? undefined : finishBlock(block, facts);
    return this.#carry({ finished, parts: undefined, after, schemas: facts.schemas });
  }

  parts(source: string): PartsDraft {
    const before = this.#huge.get(source);
    if (before !== undefined) {
      // Its failure is kept by the chain, for the next append.
      this.#behind(() => before.discard()).catch(() => undefined);
    }
    this.#units += 1;
    const id = `${this.run}-${this.#units}`;
    const keep = this.#keep;
    const home: PartsHome = {
      id,
      spilled: keep.spilled(id),
      write: (...written) => keep.writePart(id, ...written),
      commit: (huge, count, after) => {
        this.#forget(source, id);
        return this.#commitParts(huge, { id, count }, after);
      },
      discard: () => {
        this.#forget(source, id);
        return keep.discardParts(id);
      },
    };
    const made = new SpillingDraft(this.#base, home);
    this.#huge.set(source, made);
    return made;
  }

  async scan(request: ScanRequest): Promise<readonly ScannedDocument[]> {
    if (request.after === undefined) await this.#tail;
    return this.#keep.scan(request);
  }

  /** All tables that it feeds are looked at; what is collected and not appended yet counts too. */
  async isSoleFeeder(rule: string, relation: string): Promise<boolean> {
    const drafts = [this.#block ?? new Draft(this.#base, () => this.#log + 1)];
    for (const huge of this.#huge.values()) drafts.push(huge.draft);
    for (const draft of drafts) {
      if (!(await draft.isSoleFeeder(rule, relation))) return false;
    }
    return true;
  }

  async ready(): Promise<void> {
    this.#mayAppend();
    await this.#keep.ready();
    this.#mayAppend();
  }

  close(): Promise<void> {
    this.#closing ??= this.#tail.then(() => this.#keep.close());
    return this.#closing;
  }

  async #commitParts(
    huge: Draft,
    parts: { readonly id: string; readonly count: number },
    after: AppendFacts,
  ): Promise<LogNumber> {
    this.#mayAppend();
    assert(this.#block?.isEmpty !== false, "a block was begun before and is not appended");
    const facts = this.#begin(after, parts.count > 0);
    const { schemas } = facts;
    if (parts.count === 0) {
      return this.#carry({ finished: undefined, parts: undefined, after, schemas });
    }
    const finished = finishParts(huge, this.#base, facts, parts);
    return this.#carry({ finished, parts, after, schemas });
  }

  #begin(after: AppendFacts, hasUnit: boolean): UnitFacts {
    this.#facts.begin(after, this.#log + 1);
    if (hasUnit) this.#log += 1;
    return {
      log: this.#log,
      at: this.#clock.now(),
      parkedBefore: this.#parked,
      hiding: after.hiding ?? new Map(),
      schemas: this.#facts.schemas.takeFresh(),
      positions: after.positions,
    };
  }

  #carry(carried: Carried): Promise<LogNumber> {
    const log = this.#log;
    if (carried.finished !== undefined) this.#parked = carried.finished.unit.parked;
    this.#keep.install(carried);
    return this.#behind(async () => {
      await this.#keep.persist(carried);
      this.#facts.end(carried.after);
      await this.#keep.release(carried);
      return log;
    });
  }

  /** Runs after everything that was begun before; nothing more once something failed. */
  #behind<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => {
      if (this.#failed !== undefined) throw this.#failed.error;
      return work();
    });
    this.#tail = done.catch((error: unknown) => {
      this.#failed ??= { error };
    });
    return done;
  }

  /** Another unit of the source may have been begun already. */
  #forget(source: string, unit: string): void {
    if (this.#huge.get(source)?.id === unit) this.#huge.delete(source);
  }

  #mayAppend(): void {
    if (this.#failed !== undefined) throw this.#failed.error;
    assert(this.#closing === undefined, "the journal is closed");
  }
}
