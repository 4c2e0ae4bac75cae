/** Reads the journal in memory the plain way: by looking at everything. The oracle for the real one. */
import { assert } from "../../base/assert.js";
import type { Clock } from "../../base/clock.js";
import { AppError } from "../../base/errors.js";
import type { ChannelEntry } from "../../model/entry.js";
import type { Place } from "../../model/place.js";
import type { TableSchema } from "../../model/table.js";
import { showsRow } from "../block-format.js";
import { docIdOf, docKeyOf } from "../document-key.js";
import { HELD_MS_MAX } from "../journal.js";
import type {
  ChannelHead,
  CopyStatus,
  HeldView,
  HistoryPage,
  HistoryRequest,
  JournalReader,
  Lap,
  LapChannel,
  LiveRange,
  LogNumber,
  Notice,
  ReadRequest,
  ScannedDocument,
} from "../journal.js";
import type { DocumentKey } from "../../model/document.js";
import { LapBudget } from "../lap-budget.js";
import { rowOf } from "../overlay-channel.js";
import type { ReleasedState } from "../released-state.js";
import { compareDocRows } from "../document-order.js";
import type { MemoryDisk, MemoryEntry } from "./memory-disk.js";

export class MemoryReader implements JournalReader {
  readonly #disk: MemoryDisk;
  readonly #released: ReleasedState;
  readonly #clock: Clock;
  #isHeld = false;

  constructor(disk: MemoryDisk, released: ReleasedState, clock: Clock) {
    this.#disk = disk;
    this.#released = released;
    this.#clock = clock;
  }

  get notice(): Notice {
    return this.#released.notices.notice;
  }

  get copying(): readonly CopyStatus[] {
    return this.#released.notices.copying;
  }

  get parkedCount(): number {
    return this.#released.parked;
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#released.notices.listen(listener);
  }

  async head(channel: string): Promise<ChannelHead | undefined> {
    return this.#head(channel, this.#released.log);
  }

  accepts(place: Place): boolean {
    return this.#released.accepts(place);
  }

  async schema(table: string, version: number): Promise<TableSchema> {
    return this.#released.schema(table, version);
  }

  async read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap> {
    return this.#lap(requests, bytesMax, this.#released.log);
  }

  hold(): HeldView | undefined {
    if (this.#isHeld) return undefined;
    this.#isHeld = true;
    const { log } = this.#released;
    const endsAt = this.#clock.monotonic() + HELD_MS_MAX;
    let isOpen = true;
    return {
      log,
      read: async (requests, bytesMax) => {
        if (!isOpen || this.#clock.monotonic() > endsAt) {
          throw new AppError("JOURNAL_VIEW_ENDED", `reading a held view of log ${log}: it ended`);
        }
        return this.#lap(requests, bytesMax, log);
      },
      release: () => {
        if (isOpen) this.#isHeld = false;
        isOpen = false;
      },
    };
  }

  async history(request: HistoryRequest): Promise<HistoryPage> {
    const { channel, before, after, limit, bytesMax } = request;
    assert((before === undefined) !== (after === undefined), "history goes one way");
    const head = this.#head(channel, this.#released.log);
    if (head === undefined) return { epoch: 0, floor: 0, head: 0, entries: [], more: false };
    assert(head.kind === "events", () => `history of ${channel}, which is of kind ${head.kind}`);
    const budget = new LapBudget(bytesMax, this.#clock);
    const due = this.#entries(channel, this.#released.log)
      .map(({ entry }) => entry)
      .filter(({ serial }) => serial > head.floor)
      .filter(({ serial }) => (before === undefined ? serial > (after ?? 0) : serial < before));
    if (before !== undefined) due.reverse();
    const entries: ChannelEntry[] = [];
    for (const entry of due) {
      if (entries.length === limit || !budget.takes(entry.body.length)) break;
      entries.push(entry);
    }
    const more = entries.length < due.length;
    if (before !== undefined) entries.reverse();
    return { epoch: head.epoch, floor: head.floor, head: head.serial, entries, more };
  }

  live(after: LogNumber): LiveRange | undefined {
    return this.#released.live.live(after);
  }

  async parked(after: DocumentKey | undefined, limit: number): Promise<readonly ScannedDocument[]> {
    const from = after === undefined ? undefined : docIdOf(after);
    return [...this.#disk.documents.keys()]
      .sort(compareDocRows)
      .filter((id) => from === undefined || compareDocRows(id, from) > 0)
      .flatMap((id) => {
        const document = this.#disk.document(id, this.#released.log);
        return document?.parked === undefined ? [] : [{ key: docKeyOf(id), document }];
      })
      .slice(0, limit);
  }

  #lap(requests: readonly ReadRequest[], bytesMax: number, log: LogNumber): Lap {
    const budget = new LapBudget(bytesMax, this.#clock);
    const channels = requests.map((request) => this.#read(request, budget, log));
    const complete = channels.every(({ atHead, belowFloor }) => atHead && !belowFloor);
    return { log, complete, channels };
  }

  #read(request: ReadRequest, budget: LapBudget, log: LogNumber): LapChannel {
    const { channel, after } = request;
    const head = this.#head(channel, log) ?? { kind: "state", epoch: 0, serial: 0, floor: 0 };
    const { epoch, floor, serial } = head;
    const told = { channel, epoch, floor };
    const hasRisen = request.floor === undefined || floor > request.floor;
    const isBelow = after < floor && hasRisen && (head.kind === "events" || after > 0);
    if (isBelow || after > serial) {
      return { ...told, belowFloor: true, entries: [], reached: after, atHead: false };
    }
    const entries: ChannelEntry[] = [];
    let reached = after;
    for (const { entry } of this.#visible(channel, head.kind, log)) {
      if (entry.serial <= after) continue;
      if (!budget.takes(entry.body.length)) {
        return { ...told, belowFloor: false, entries, reached, atHead: false };
      }
      entries.push(entry);
      reached = entry.serial;
    }
    return { ...told, belowFloor: false, entries, reached: serial, atHead: true };
  }

  #visible(channel: string, kind: ChannelHead["kind"], log: LogNumber): MemoryEntry[] {
    const all = this.#entries(channel, log);
    if (kind === "events") return all;
    const newest = new Map<string, number>();
    const truncated = new Map<string, number>();
    for (const { entry, key } of all) {
      if (entry.op === "t") truncated.set(entry.table, entry.serial);
      else newest.set(rowOf(entry.table, key), entry.serial);
    }
    const floor = this.#disk.channels.get(channel)?.floor ?? 0;
    return all.filter(({ entry, key, document }) => {
      const { op, table, serial } = entry;
      const emptiedAt = truncated.get(table) ?? 0;
      if (!showsRow(op) && serial <= floor) return false;
      if (op === "t") return emptiedAt === serial;
      if (serial < emptiedAt || newest.get(rowOf(table, key)) !== serial) return false;
      if (!showsRow(op)) return true;
      const kept = document === undefined ? undefined : this.#disk.document(document, log);
      return kept !== undefined && !this.#released.hiding.hides(document ?? "", kept);
    });
  }

  #entries(channel: string, log: LogNumber): MemoryEntry[] {
    const all = this.#disk.channels.get(channel)?.entries ?? [];
    return all.filter(({ entry }) => entry.log <= log);
  }

  #head(channel: string, log: LogNumber): ChannelHead | undefined {
    const head = this.#disk.heads.get(channel);
    const entries = this.#entries(channel, log);
    const last = entries[entries.length - 1];
    let floor = this.#disk.channels.get(channel)?.floor ?? 0;
    const serial = last?.entry.serial ?? floor;
    if (head === undefined || serial === 0) return undefined;
    if (head.kind === "events") {
      const from = this.#released.hiding.eventsFrom(head.feeds.keys());
      for (const { entry } of entries) if (entry.log < from) floor = Math.max(floor, entry.serial);
    }
    return { kind: head.kind, epoch: head.epoch, serial, floor };
  }
}
