/**
 * A journal in memory, for tests: it takes drafts as the real one does, and keeps and reads them in the
 * plainest way there is. What it says is the measure for every other journal.
 */
import { assert, must } from "../../base/assert.js";
import type { Clock, Random } from "../../base/clock.js";
import { systemClock, systemRandom } from "../../base/clock.js";
import type { KeptDocument } from "../../model/document.js";
import { decodePart } from "../block-decoder.js";
import type { UnitBase } from "../block-decoder.js";
import { documentAt, NO_DOCUMENT } from "../block-encoder.js";
import { showsRow } from "../block-format.js";
import { docKeyOf, docPrefix, prefixOfDoc } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { compareDocRows } from "../document-order.js";
import { PackedDocument } from "../document-codec.js";
import type { TakenBlock } from "../draft.js";
import type { RowKey } from "../row-key.js";
import type { SpilledDocuments } from "../spilled-documents.js";
import type { HeadState } from "../head-state.js";
import type { AppendFacts, ScannedDocument, ScanRequest } from "../journal.js";
import { JournalDesk } from "../journal-desk.js";
import type { Carried, JournalKeep } from "../journal-desk.js";
import { defaultJournalSettings } from "../journal-settings.js";
import type { JournalSettings } from "../journal-settings.js";
import { ReleasedState } from "../released-state.js";
import type { ReleasedStart } from "../released-state.js";
import { newRun } from "../run-id.js";
import type { TableSchema } from "../../model/table.js";
import type { Unit } from "../unit.js";
import { WriterFacts } from "../writer-facts.js";
import { MemoryDisk } from "./memory-disk.js";
import { MemoryReader } from "./memory-reader.js";

export interface MemoryJournalOptions {
  readonly disk?: MemoryDisk;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly settings?: Partial<JournalSettings>;
  /** Stands between appends and `disk`, which a writer that dies leaves as it is; without it they are there at once. */
  readonly flush?: MemoryFlush;
}

/** One append on its way to the disk. */
export interface MemoryAppend {
  readonly unit: Unit | undefined;
  /** Its entries came in parts, which follow in their order. */
  readonly isHuge: boolean;
  readonly parts: readonly Unit[];
  readonly after: AppendFacts;
  readonly schemas: readonly TableSchema[];
}

export interface MemoryFlush {
  /** Calls `write` once, if ever; resolves when the append is durable, rejects when that is not known. */
  persist(append: MemoryAppend, write: () => void): Promise<void>;
  /** The append is shown to readers of the writer's own process. */
  released(append: MemoryAppend): void;
}

export interface MemoryJournal extends JournalDesk {
  /** Enforces the retention of `settings` now. */
  retain(): Promise<void>;
}

/** A new run on `disk`, or on an empty one. */
export function openMemoryJournal(options: MemoryJournalOptions = {}): MemoryJournal {
  const { disk = new MemoryDisk(), clock = systemClock, random = systemRandom } = options;
  const settings = { ...defaultJournalSettings, ...options.settings };
  const run = newRun(random);
  disk.runs.push({ run, first: disk.log + 1 });
  disk.writer = run;
  const facts = new WriterFacts(disk);
  const { log, parked } = disk;
  const released = new ReleasedState(startOf(disk, run), clock, settings.liveBytesMax);
  const keep = new MemoryKeep({ disk, released, clock, flush: options.flush });
  const desk = new JournalDesk(keep, { run, log, parked, facts, clock });
  return Object.assign(desk, {
    retain: async () => {
      keep.retain(settings);
    },
  });
}

/** What a reader begins with that is told of `run` as the one that writes. */
export function startOf(disk: MemoryDisk, run: string): ReleasedStart {
  const { runs, log, parked, positions, schemas, hiding, copying } = disk;
  return { run, runs, log, parked, positions, schemas, hiding, copying };
}

interface KeepOptions {
  readonly disk: MemoryDisk;
  readonly released: ReleasedState;
  readonly clock: Clock;
  readonly flush: MemoryFlush | undefined;
}

class MemoryKeep implements JournalKeep {
  readonly reader: MemoryReader;
  /** What is durable. */
  readonly #durable: MemoryDisk;
  /** What drafts see: appends that were begun too. The same one where nothing stands between. */
  readonly #disk: MemoryDisk;
  readonly #released: ReleasedState;
  readonly #clock: Clock;
  readonly #flush: MemoryFlush | undefined;
  readonly #appends = new Map<Carried, MemoryAppend>();
  readonly #parts = new Map<string, Buffer[]>();
  readonly #spilled = new Map<string, Map<DocId, KeptDocument | null>>();

  constructor({ disk, released, clock, flush }: KeepOptions) {
    this.reader = new MemoryReader(disk, released, clock);
    this.#durable = disk;
    this.#disk = flush === undefined ? disk : disk.copy();
    this.#released = released;
    this.#clock = clock;
    this.#flush = flush;
  }

  head(channel: string): HeadState | undefined {
    return this.#disk.heads.get(channel);
  }

  document(key: RowKey): KeptDocument | undefined {
    return this.#document(key.id());
  }

  async fedChannels(rule: string, relation: string | undefined): Promise<readonly string[]> {
    const prefix = docPrefix(rule, relation);
    return [...this.#disk.heads]
      .filter(([, { feeds }]) => [...feeds.keys()].some((feed) => feed.startsWith(prefix)))
      .map(([channel]) => channel);
  }

  async parkedUnder(prefix: string): Promise<number> {
    return [...this.#disk.documents.keys()].filter(
      (id) => prefixOfDoc(id) === prefix && this.#document(id)?.parked !== undefined,
    ).length;
  }

  install(carried: Carried): void {
    const { finished, parts, after, schemas } = carried;
    const unit = finished?.unit;
    const isHuge = parts !== undefined;
    const pieces = unit === undefined || parts === undefined ? [] : this.#partsOf(unit, parts.id);
    const append = { unit, isHuge, parts: pieces, after, schemas };
    this.#write(this.#disk, append, carried);
    if (this.#flush !== undefined) this.#appends.set(carried, append);
  }

  async persist(carried: Carried): Promise<void> {
    if (this.#flush === undefined) return;
    const append = must(this.#appends.get(carried), "an append that was installed");
    await this.#flush.persist(append, () => {
      this.#write(this.#durable, append, carried);
    });
  }

  async release(carried: Carried): Promise<void> {
    const { finished, parts, after, schemas } = carried;
    const isHuge = parts !== undefined;
    this.#released.release({ unit: finished?.unit, schemas }, after, isHuge);
    const append = this.#appends.get(carried);
    this.#appends.delete(carried);
    if (append !== undefined) this.#flush?.released(append);
  }

  #write(disk: MemoryDisk, append: MemoryAppend, { finished }: Carried): void {
    const { unit, parts, after, schemas } = append;
    const first = unit?.log ?? disk.log + 1;
    for (const [rule, version] of after.hiding ?? []) {
      disk.hiding.set(rule, { version, from: first });
    }
    disk.schemas.push(...schemas);
    if (after.copying !== undefined) disk.copying = after.copying;
    for (const [source, position] of after.positions) disk.positions.set(source, position);
    for (const [name, value] of after.facts) {
      if (value === null) disk.facts.delete(name);
      else disk.facts.set(name, value);
    }
    if (unit !== undefined && finished !== undefined) disk.apply(unit, finished.heads, parts);
  }

  spilled(unit: string): SpilledDocuments {
    const documents = new Map<DocId, KeptDocument | null>();
    this.#spilled.set(unit, documents);
    this.#parts.set(unit, []);
    return {
      get: (key) => documents.get(key.id()),
      forget: async (prefix) => {
        for (const id of documents.keys()) if (prefixOfDoc(id) === prefix) documents.delete(id);
      },
    };
  }

  async writePart(unit: string, part: number, { block, documents }: TakenBlock): Promise<void> {
    const parts = must(this.#parts.get(unit), `parts of unit ${unit}`);
    assert(parts.length === part, () => `part ${part} of unit ${unit} after ${parts.length}`);
    parts.push(block);
    for (const at of documents.numbers()) {
      const from = documents.place(at);
      const document = from === NO_DOCUMENT ? null : new PackedDocument(documentAt(block, from));
      this.#spilled.get(unit)?.set(documents.id(at), document);
    }
  }

  async discardParts(unit: string): Promise<void> {
    this.#parts.delete(unit);
    this.#spilled.delete(unit);
  }

  async scan(request: ScanRequest): Promise<readonly ScannedDocument[]> {
    const { rule, relation, after, limit } = request;
    const prefix = docPrefix(rule, relation);
    const from = after === undefined ? "" : `${after.rule}\0${after.relation}\0${after.identity}`;
    return [...this.#disk.documents.keys()]
      .filter((id) => id.startsWith(prefix))
      .filter((id) => from === "" || compareDocRows(id, from) > 0)
      .sort(compareDocRows)
      .flatMap((id) => {
        const document = this.#document(id);
        return document === undefined ? [] : [{ key: docKeyOf(id), document }];
      })
      .slice(0, limit);
  }

  async ready(): Promise<void> {
    // Nothing is written back, so nothing is behind.
  }

  async close(): Promise<void> {
    this.#parts.clear();
    this.#spilled.clear();
  }

  retain(settings: JournalSettings): void {
    const now = this.#clock.now();
    const logAt = (ageMs: number): number => {
      let log = 0;
      for (const time of this.#durable.times) if (time.at <= now - ageMs) log = time.log;
      return log;
    };
    const events = logAt(settings.eventsAgeMs);
    const tombstones = logAt(settings.tombstonesAgeMs);
    for (const [name, channel] of this.#durable.channels) {
      if (this.#durable.heads.get(name)?.kind === "state") {
        for (const { entry } of channel.entries) {
          if (entry.log > tombstones || showsRow(entry.op)) continue;
          if (this.#isNewest(name, entry.serial)) channel.floor = entry.serial;
        }
        continue;
      }
      let bytes = 0;
      let count = 0;
      for (let at = channel.entries.length - 1; at >= 0; at--) {
        const entry = must(channel.entries[at], "an entry").entry;
        bytes += entry.body.length;
        count += 1;
        const isKept = bytes <= settings.eventsBytesMax && count <= settings.eventsCountMax;
        if (isKept && entry.log > events) continue;
        channel.floor = Math.max(channel.floor, entry.serial);
        break;
      }
      channel.entries = channel.entries.filter(({ entry }) => entry.serial > channel.floor);
    }
  }

  /** Whether the tombstone is still the last word about its row, or its table. */
  #isNewest(name: string, serial: number): boolean {
    const entries = this.#durable.channels.get(name)?.entries ?? [];
    const own = entries.find(({ entry }) => entry.serial === serial);
    return !entries.some(({ entry, key }) => {
      if (own === undefined || entry.serial <= serial || entry.table !== own.entry.table) {
        return false;
      }
      return entry.op === "t" || (own.entry.op !== "t" && key === own.key);
    });
  }

  #partsOf(unit: Unit, id: string): Unit[] {
    const baseOf = (channel: string): UnitBase =>
      must(unit.channels.get(channel), `channel ${channel} of a unit`);
    const parts = this.#parts.get(id) ?? [];
    this.#parts.delete(id);
    this.#spilled.delete(id);
    return parts.map((bytes) => decodePart(bytes, unit.log, baseOf).unit);
  }

  #document(id: DocId): KeptDocument | undefined {
    return this.#disk.document(id, Infinity);
  }
}
