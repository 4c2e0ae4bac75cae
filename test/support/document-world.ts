/**
 * A small world of documents written through a real journal in memory, as a pipeline would: documents that
 * are in some of a few channels, change, move and go; a truncation; huge units in parts; an `events` channel.
 * Remembers what every channel must show at every log number, which is what clients are compared with.
 *
 * Every unit keeps one law: the rows LEFT (channel `a`) and RIGHT (channel `b`) add up to TOTAL.
 */
import type {
  BlockDraft,
  DocumentChange,
  DraftEntry,
  JournalReader,
  PartsDraft,
} from "../../src/journal/journal.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import type { MemoryJournal } from "../../src/journal/memory/memory-journal.js";
import type { Op } from "../../src/model/entry.js";
import type { SeededRandom } from "./seeded-random.js";

export const stateChannels = ["a", "b", "c"] as const;
export const EVENTS = "happened";
export const LEFT = 1_000;
export const RIGHT = 1_001;
export const TOTAL = 100;

const KEYS = 12;
const rule = "documents";
const relation = "public.documents";
const table = "rows";
const encoder = new TextEncoder();

interface Document {
  readonly value: string;
  readonly channels: readonly string[];
}

type Documents = ReadonlyMap<number, Document>;

export class DocumentWorld {
  readonly #disk = new MemoryDisk();
  readonly #random: SeededRandom;
  #journal: MemoryJournal;
  readonly #documents = new Map<number, Document>();
  readonly #history = new Map<number, Documents>();
  #happened = 0;
  #count = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#journal = this.#open();
    this.#history.set(0, new Map());
  }

  get reader(): JournalReader {
    return this.#journal.reader;
  }

  get happened(): number {
    return this.#happened;
  }

  /** What `channels` show together at a log number: key → value. */
  content(log: number, channels: Iterable<string>): Record<number, string> {
    const wanted = new Set(channels);
    const rows: Record<number, string> = {};
    const keys = [...(this.#history.get(log) ?? new Map<number, Document>())];
    for (const [key, { value, channels: held }] of keys.sort(([a], [b]) => a - b)) {
      if (held.some((channel) => wanted.has(channel))) rows[key] = value;
    }
    return rows;
  }

  /** The writer dies and another one starts on what it left. */
  restart(): void {
    this.#journal = this.#open();
  }

  /** Old deletions are forgotten, so that places from before them count no more. */
  async retain(): Promise<void> {
    await this.#journal.retain();
  }

  /** One commit unit of some changes. */
  async change(): Promise<number> {
    if (this.#random.below(40) === 0) return this.#truncate();
    const isHuge = this.#random.below(15) === 0;
    const draft = isHuge ? this.#journal.parts("shop") : this.#journal.block();
    const changes = 1 + this.#random.below(isHuge ? 40 : 5);
    const schema = this.#schema();
    for (let count = 0; count < changes; count++) {
      const key = this.#random.below(KEYS);
      const isGone = this.#random.below(5) === 0;
      const channels = isGone ? [] : stateChannels.filter(() => this.#random.below(2) === 0);
      await this.#put(draft, schema, key, { value: this.#value(), channels });
      if (isParts(draft) && this.#random.below(10) === 0) await draft.flush();
    }
    const left = this.#random.below(TOTAL);
    await this.#put(draft, schema, LEFT, { value: `${left}`, channels: ["a"] });
    await this.#put(draft, schema, RIGHT, { value: `${TOTAL - left}`, channels: ["b"] });
    await this.#tellEvent(draft);
    const facts = { positions: new Map(), facts: new Map() };
    const log = isParts(draft)
      ? await draft.commit(facts)
      : await this.#journal.append(draft, facts);
    this.#history.set(log, new Map(this.#documents));
    return log;
  }

  #open(): MemoryJournal {
    const settings = { tombstonesAgeMs: 0, eventsAgeMs: 1e9, liveBytesMax: 20_000 };
    return openMemoryJournal({ disk: this.#disk, settings, random: this.#random });
  }

  #value(): string {
    this.#count += 1;
    return this.#random.below(6) === 0
      ? `${this.#count} ${"x".repeat(1_500)}`
      : `value ${this.#count}`;
  }

  #schema(): number {
    const columns = [
      { name: "id", type: "int" },
      { name: "value", type: "text" },
    ] as const;
    return this.#journal.schemaVersion(table, { kind: "state", columns, key: ["id"] });
  }

  /** Every row of the table goes, in all channels; the two that add up come back in the same unit. */
  async #truncate(): Promise<number> {
    const draft = this.#journal.block();
    const schema = this.#schema();
    await draft.truncate(rule, relation, table, schema);
    this.#documents.clear();
    await this.#put(draft, schema, LEFT, { value: "1", channels: ["a"] });
    await this.#put(draft, schema, RIGHT, { value: `${TOTAL - 1}`, channels: ["b"] });
    const log = await this.#journal.append(draft, { positions: new Map(), facts: new Map() });
    this.#history.set(log, new Map(this.#documents));
    return log;
  }

  async #put(
    draft: { prepare: MemoryBlock["prepare"]; put: MemoryBlock["put"] },
    schema: number,
    key: number,
    next: Document,
  ): Promise<void> {
    const before = this.#documents.get(key)?.channels ?? [];
    if (before.length === 0 && next.channels.length === 0) return;
    const document = { rule, relation, identity: String(key) };
    const body = encoder.encode(`${key},${JSON.stringify(next.value)}`);
    const entry = (channel: string, op: Op): DraftEntry => ({
      channel,
      kind: "state",
      op,
      table,
      schema,
      body: op === "d" || op === "m" ? encoder.encode(String(key)) : body,
    });
    const isGone = next.channels.length === 0;
    const entries = [
      ...before
        .filter((channel) => !next.channels.includes(channel))
        .map((channel) => entry(channel, isGone ? "d" : "m")),
      ...next.channels.map((channel) => entry(channel, before.includes(channel) ? "u" : "i")),
    ];
    await draft.prepare([document]);
    draft.put({ document, state: isGone ? null : stateOf(key, body, schema, next), entries });
    if (isGone) this.#documents.delete(key);
    else this.#documents.set(key, next);
  }

  async #tellEvent(draft: { put: MemoryBlock["put"] }): Promise<void> {
    this.#happened += 1;
    const schema = this.#journal.schemaVersion("feed", {
      kind: "events",
      columns: [{ name: "what", type: "int" }],
      key: ["what"],
    });
    const body = encoder.encode(String(this.#happened));
    const told = { channel: EVENTS, kind: "events", op: "i", table: "feed", schema, body } as const;
    const feeder = { rule: "feed", relation };
    draft.put({ document: null, state: null, entries: [told], feeder });
  }
}

type MemoryBlock = ReturnType<MemoryJournal["block"]>;

function stateOf(
  key: number,
  body: Uint8Array,
  schema: number,
  { channels }: Document,
): NonNullable<DocumentChange["state"]> {
  return {
    body,
    key: String(key),
    table,
    schema,
    hidden: "",
    pending: "",
    channels,
    leaf: "",
    copy: 1,
    ruleVersion: 1,
    parked: undefined,
  };
}

function isParts(draft: BlockDraft): draft is PartsDraft {
  return "flush" in draft;
}
