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
import type { SpilledDocuments } from "../spilled-documents.js";
import type { HeadState } from "../head-state.js";
import type { ScannedDocument, ScanRequest } from "../journal.js";
import { JournalDesk } from "../journal-desk.js";
import type { Carried, JournalKeep } from "../journal-desk.js";
import { defaultJournalSettings } from "../journal-settings.js";
import type { JournalSettings } from "../journal-settings.js";
import { ReleasedState } from "../released-state.js";
import { newRun } from "../run-id.js";
import type { Unit } from "../unit.js";
import { WriterFacts } from "../writer-facts.js";
import { MemoryDisk } from "./memory-disk.js";
import { MemoryReader } from "./memory-reader.js";

export interface MemoryJournalOptions {
  readonly disk?: MemoryDisk;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly settings?: Partial<JournalSettings>;
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
  const { runs, log, parked, positions, schemas, hiding, copying } = disk;
  const start = { run, runs, log, parked, positions, schemas, hiding, copying };
  const released = new ReleasedState(start, clock, settings.liveBytesMax);
  const keep = new MemoryKeep(disk, released, clock);
  const desk = new JournalDesk(keep, { run, log, parked, facts, clock });
  return Object.assign(desk, {
    retain: async () => {
      keep.retain(settings);
    },
  });
}

class MemoryKeep implements JournalKeep {
  readonly reader: MemoryReader;
  readonly #disk: MemoryDisk;
  readonly #released: ReleasedState;
  readonly #clock: Clock;
  readonly #parts = new Map<string, Buffer[]>();
  readonly #spilled = new Map<string, Map<DocId, KeptDocument | null>>();

  constructor(disk: MemoryDisk, released: ReleasedState, clock: Clock) {
    this.reader = new MemoryReader(disk, released, clock);
    this.#disk = disk;
    this.#released = released;
    this.#clock = clock;
  }

  head(channel: string): HeadState | undefined {
    return this.#disk.heads.get(channel);
  }

  document(id: DocId): KeptDocument | undefined {
    return this.#disk.document(id, Infinity);
  }

  async fedChannels(rule: string, relation: string | undefined): Promise<readonly string[]> {
    const prefix = docPrefix(rule, relation);
    return [...this.#disk.heads]
      .filter(([, { feeds }]) => [...feeds.keys()].some((feed) => feed.startsWith(prefix)))
      .map(([channel]) => channel);
  }

  async parkedUnder(prefix: string): Promise<readonly DocId[]> {
    return [...this.#disk.documents.keys()].filter(
      (id) => prefixOfDoc(id) === prefix && this.document(id)?.parked !== undefined,
    );
  }

  longIdentity(): string {
    return "";
  }

  install({ finished, parts, after, schemas }: Carried): void {
    const disk = this.#disk;
    const first = finished?.unit.log ?? disk.log + 1;
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
    if (finished === undefined) return;
    const { unit, heads } = finished;
    disk.apply(unit, heads, parts === undefined ? [] : this.#partsOf(unit, parts.id));
  }

  async persist(): Promise<void> {
    // In memory what is installed is as durable as it gets.
  }

  async release({ finished, parts, after, schemas }: Carried): Promise<void> {
    const isHuge = parts !== undefined;
    this.#released.release({ unit: finished?.unit, schemas }, after, isHuge);
  }

  spilled(unit: string): SpilledDocuments {
    const documents = new Map<DocId, KeptDocument | null>();
    this.#spilled.set(unit, documents);
    this.#parts.set(unit, []);
    return {
      get: (id) => documents.get(id),
      forget: async (prefix) => {
        for (const id of documents.keys()) if (prefixOfDoc(id) === prefix) documents.delete(id);
      },
    };
  }

  async writePart(unit: string, part: number, { block, documents }: TakenBlock): Promise<void> {
    const parts = must(this.#parts.get(unit), `parts of unit ${unit}`);
    assert(parts.length === part, () => `part ${part} of unit ${unit} after ${parts.length}`);
    parts.push(block);
    for (const [id, from] of documents) {
      const document = from === NO_DOCUMENT ? null : new PackedDocument(documentAt(block, from));
      this.#spilled.get(unit)?.set(id, document);
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
        const document = this.document(id);
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
      for (const time of this.#disk.times) if (time.at <= now - ageMs) log = time.log;
      return log;
    };
    const events = logAt(settings.eventsAgeMs);
    const tombstones = logAt(settings.tombstonesAgeMs);
    for (const [name, channel] of this.#disk.channels) {
      if (this.#disk.heads.get(name)?.kind === "state") {
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
    const entries = this.#disk.channels.get(name)?.entries ?? [];
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
}
