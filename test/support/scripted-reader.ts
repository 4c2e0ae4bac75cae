/**
 * A JournalReader over plain arrays, for tests that need what a real journal does only by chance: floors
 * that rise, units too large for memory, forgotten ranges, reads that answer late. Every rule of the
 * contract that the broker leans on holds here too.
 */
import type {
  ChannelHead,
  CopyStatus,
  HeldView,
  HistoryPage,
  HistoryRequest,
  JournalReader,
  Lap,
  LapChannel,
  LiveChannel,
  LiveRange,
  Notice,
  ReadRequest,
  ScannedDocument,
} from "../../src/journal/journal.js";
import type { ChannelEntry, Op } from "../../src/model/entry.js";
import type { Place } from "../../src/model/place.js";
import type { ChannelKind, TableSchema } from "../../src/model/table.js";

export interface Write {
  readonly channel: string;
  readonly op: Op;
  readonly key?: number;
  readonly value?: string;
  readonly table?: string;
  readonly schema?: number;
}

interface Channel {
  readonly kind: ChannelKind;
  readonly epoch: number;
  floor: number;
  readonly entries: ChannelEntry[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A key and its comma stand within so many bytes of a body. */
const KEY_BYTES_MAX = 20;

export class ScriptedReader implements JournalReader {
  copying: readonly CopyStatus[] = [];
  readonly parkedCount = 0;
  notice: Notice = { log: 0, run: "run-1", sources: new Map() };
  /** Ranges that begin below are not in memory. */
  memoryFrom = 0;
  /** Log numbers whose entries are too many for memory. */
  readonly huge = new Set<number>();
  /** While true no lap is complete, as while a huge unit is merged. */
  merging = false;
  /** Turns of the event loop that a read takes after it looked. */
  readTurns = 1;
  reads = 0;
  holds = 0;
  /** Called before each read looks: for writers that never rest. */
  beforeRead: () => void = () => undefined;

  readonly #channels = new Map<string, Channel>();
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #runs = new Map<string, number>([["run-1", 1]]);
  #isHeld = false;

  /** Channels named `events…` are of kind events. One commit unit; returns its log number. */
  append(writes: readonly Write[], announce = true): number {
    const log = this.notice.log + 1;
    for (const [index, write] of writes.entries()) {
      const channel = this.channel(write.channel, log);
      const { key = 0, value = "" } = write;
      const isRow = write.op === "i" || write.op === "u";
      const isKey = write.op === "d" || write.op === "m";
      const text = isRow ? `${key},${JSON.stringify(value)}` : isKey ? `${key}` : "";
      channel.entries.push({
        serial: this.#head(channel) + 1,
        log,
        index,
        op: write.op,
        table: write.table ?? "rows",
        schema: write.schema ?? 1,
        body: encoder.encode(text),
      });
    }
    this.notice = { ...this.notice, log };
    if (announce) this.announce();
    return log;
  }

  announce(): void {
    for (const listener of this.#listeners) listener(this.notice);
  }

  channel(name: string, birth: number): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      const kind = name.startsWith("events") ? "events" : "state";
      channel = { kind, epoch: birth, floor: 0, entries: [] };
      this.#channels.set(name, channel);
    }
    return channel;
  }

  raiseFloor(name: string, floor: number): void {
    this.channel(name, 0).floor = floor;
  }

  source(name: string, position: string, how: { provenAt?: number; generation?: number }): void {
    const { provenAt = 0, generation = 1 } = how;
    const sources = new Map(this.notice.sources).set(name, { position, provenAt, generation });
    this.notice = { ...this.notice, sources };
    this.announce();
  }

  newRun(run: string): void {
    this.#runs.set(run, this.notice.log + 1);
    this.notice = { ...this.notice, run };
    this.announce();
  }

  /** The rows of a state channel, or all entries of an events channel, up to `log`. */
  content(name: string, log = Infinity): Map<number, string> {
    const channel = this.#channels.get(name);
    const rows = new Map<number, string>();
    for (const entry of channel?.entries ?? []) {
      if (entry.log > log) break;
      const values = JSON.parse(`[${decoder.decode(entry.body)}]`) as [number, string];
      if (channel?.kind === "events") rows.set(entry.serial, values[1]);
      else if (entry.op === "t") rows.clear();
      else if (entry.op === "d" || entry.op === "m") rows.delete(values[0]);
      else rows.set(values[0], values[1]);
    }
    return rows;
  }

  serial(name: string): number {
    const channel = this.#channels.get(name);
    return channel === undefined ? 0 : this.#head(channel);
  }

  // ------------------------------------------------------------ the contract

  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async head(name: string): Promise<ChannelHead | undefined> {
    const channel = this.#channels.get(name);
    if (channel === undefined || channel.entries.length === 0) return undefined;
    const { kind, epoch, floor } = channel;
    return { kind, epoch, floor, serial: this.#head(channel) };
  }

  accepts(place: Place): boolean {
    const runs = [...this.#runs];
    const at = runs.findIndex(([run]) => run === place.run);
    if (at < 0) return false;
    const next = runs[at + 1]?.[1] ?? this.notice.log + 1;
    return place.log < next;
  }

  async schema(table: string, version: number): Promise<TableSchema> {
    return {
      table,
      version,
      kind: table === "rows" ? "state" : "events",
      columns: [
        { name: "id", type: "int" },
        { name: "value", type: "text" },
      ],
      key: ["id"],
    };
  }

  async read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap> {
    this.beforeRead();
    this.reads += 1;
    const lap = this.#lap(requests, bytesMax, this.notice.log);
    for (let turn = 0; turn < this.readTurns; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return lap;
  }

  hold(): HeldView | undefined {
    if (this.#isHeld) return undefined;
    this.#isHeld = true;
    this.holds += 1;
    const { log } = this.notice;
    return {
      log,
      read: async (requests, bytesMax) => this.#lap(requests, bytesMax, log),
      release: () => {
        this.#isHeld = false;
      },
    };
  }

  async history(request: HistoryRequest): Promise<HistoryPage> {
    const channel = this.#channels.get(request.channel);
    if (channel === undefined) return { epoch: 0, floor: 0, head: 0, entries: [], more: false };
    const { epoch, floor } = channel;
    const retained = channel.entries.filter((entry) => entry.serial > floor);
    const { before, after, limit } = request;
    const inside = retained.filter(({ serial }) =>
      before === undefined ? serial > (after ?? 0) : serial < before,
    );
    const entries = before === undefined ? inside.slice(0, limit) : inside.slice(-limit);
    const more = inside.length > entries.length;
    return { epoch, floor, head: this.#head(channel), entries, more };
  }

  live(after: number): LiveRange | undefined {
    if (after < this.memoryFrom) return undefined;
    const channels = new Map<string, LiveChannel>();
    for (const [name, channel] of this.#channels) {
      const entries = channel.entries.filter((entry) => entry.log > after);
      const first = entries[0];
      if (first === undefined) continue;
      const isHuge = entries.some((entry) => this.huge.has(entry.log));
      channels.set(name, {
        kind: channel.kind,
        epoch: channel.epoch,
        from: first.serial - 1,
        to: this.#head(channel),
        entries: isHuge ? undefined : entries,
      });
    }
    return { after, to: this.notice.log, channels };
  }

  async parked(): Promise<readonly ScannedDocument[]> {
    return [];
  }

  // ------------------------------------------------------------ reading

  #lap(requests: readonly ReadRequest[], bytesMax: number, log: number): Lap {
    let left = bytesMax;
    let taken = 0;
    const channels = requests.map(({ channel: name, after, floor: begun }): LapChannel => {
      const channel = this.#channels.get(name);
      const blank = { channel: name, entries: [], belowFloor: false, reached: after };
      const seen = channel?.entries.filter((entry) => entry.log <= log) ?? [];
      if (channel === undefined || seen.length === 0) {
        return { ...blank, epoch: 0, floor: 0, atHead: true };
      }
      const { epoch, floor } = channel;
      // A state channel can always be read from 0: its content is never dropped.
      const fromStart = channel.kind === "state" && after === 0;
      if (after < floor && !fromStart && floor > (begun ?? -1))
        return { ...blank, epoch, floor, belowFloor: true, atHead: false };
      const due = newest(channel.kind, seen).filter((entry) => entry.serial > after);
      const entries: ChannelEntry[] = [];
      for (const entry of due) {
        if (entry.body.length + 20 > left && taken > 0) break;
        entries.push(entry);
        left -= entry.body.length + 20;
        taken += 1;
      }
      const atHead = entries.length === due.length;
      const head = seen[seen.length - 1]?.serial ?? 0;
      const reached = atHead ? head : (entries[entries.length - 1]?.serial ?? after);
      return { channel: name, epoch, floor, belowFloor: false, entries, reached, atHead };
    });
    const complete = !this.merging && channels.every(({ atHead }) => atHead);
    return { log, complete, channels };
  }

  #head(channel: Channel): number {
    return channel.entries[channel.entries.length - 1]?.serial ?? 0;
  }
}

/** What a catch-up sends: the newest entry per key, and no row from before a truncation. */
function newest(kind: ChannelKind, entries: readonly ChannelEntry[]): ChannelEntry[] {
  if (kind === "events") return [...entries];
  const kept = new Map<string, ChannelEntry>();
  for (const entry of entries) {
    const key = decoder.decode(entry.body.subarray(0, KEY_BYTES_MAX)).split(",")[0] ?? "";
    if (entry.op === "t") kept.clear();
    kept.delete(key);
    kept.set(entry.op === "t" ? "t" : key, entry);
  }
  return [...kept.values()];
}
