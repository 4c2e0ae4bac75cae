/**
 * The entries of one channel that are released and not written back yet: from `from`, where the derived
 * state stands for sure, up to `to`. What the derived state already holds above `from` is not looked at.
 */
import type { ChannelEntry } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";
import type { DocId } from "./document-key.js";
import type { LogNumber } from "./journal.js";
import type { UnitChannel } from "./unit.js";

export interface OverlayEntry {
  readonly entry: ChannelEntry;
  /** `table NUL key` in a `state` channel. */
  readonly row: string;
  readonly document: DocId | undefined;
}

/** What a view at some log number sees of a channel. */
export interface ChannelSlice {
  readonly from: number;
  readonly to: number;
  /** In serial order. */
  readonly entries: readonly OverlayEntry[];
  /** How many of `entries` the view sees. */
  readonly count: number;
  /** Newest serial of each row among them. */
  readonly newest: ReadonlyMap<string, number>;
  /** Newest truncation of each table among them. */
  readonly truncated: ReadonlyMap<string, number>;
}

export function rowOf(table: string, key: string): string {
  return `${table}\0${key}`;
}

export class OverlayChannel {
  readonly kind: ChannelKind;
  readonly epoch: number;
  #from: number;
  #to: number;
  /** Units whose entries nobody has asked for yet: all behind those that somebody did. */
  #unread: UnitChannel[] = [];
  readonly #entries: OverlayEntry[] = [];
  readonly #newest = new Map<string, number>();
  readonly #truncated = new Map<string, number>();

  constructor(unit: UnitChannel) {
    this.kind = unit.kind;
    this.epoch = unit.epoch;
    this.#from = unit.from;
    this.#to = unit.from;
  }

  get isEmpty(): boolean {
    return this.#from === this.#to;
  }

  add(unit: UnitChannel): void {
    this.#unread.push(unit);
    this.#to = unit.to;
  }

  /** The derived state holds everything up to `serial`, where a unit ends, now. */
  drop(serial: number): void {
    let count = 0;
    while ((this.#entries[count]?.entry.serial ?? Infinity) <= serial) count += 1;
    for (const { entry, row } of this.#entries.splice(0, count)) {
      if (this.#newest.get(row) === entry.serial) this.#newest.delete(row);
      if (this.#truncated.get(entry.table) === entry.serial) this.#truncated.delete(entry.table);
    }
    let units = 0;
    while ((this.#unread[units]?.to ?? Infinity) <= serial) units += 1;
    if (units > 0) this.#unread.splice(0, units);
    this.#from = Math.max(this.#from, serial);
  }

  /** As a view at `log` sees it; the maps are those of now where nothing came since. */
  slice(log: LogNumber): ChannelSlice {
    this.#readAll();
    const entries = this.#entries;
    const from = this.#from;
    let count = entries.length;
    while (count > 0 && (entries[count - 1]?.entry.log ?? 0) > log) count -= 1;
    if (count === entries.length) {
      const maps = { newest: this.#newest, truncated: this.#truncated };
      return { from, to: this.#to, entries, count, ...maps };
    }
    const newest = new Map<string, number>();
    const truncated = new Map<string, number>();
    for (let at = 0; at < count; at++) {
      const seen = entries[at];
      if (seen !== undefined) note(seen, newest, truncated);
    }
    const to = entries[count - 1]?.entry.serial ?? from;
    return { from, to, entries, count, newest, truncated };
  }

  #readAll(): void {
    if (this.#unread.length === 0) return;
    for (const unit of this.#unread) this.#read(unit);
    this.#unread = [];
  }

  #read(unit: UnitChannel): void {
    const { entries, keys, documents } = unit.contents();
    for (const [at, entry] of entries.entries()) {
      const row = this.kind === "state" ? rowOf(entry.table, keys[at] ?? "") : "";
      const seen = { entry, row, document: documents[at] };
      this.#entries.push(seen);
      if (this.kind === "state") note(seen, this.#newest, this.#truncated);
    }
  }
}

/** The newest word about its row, or about its table. */
function note(
  { entry, row }: OverlayEntry,
  newest: Map<string, number>,
  truncated: Map<string, number>,
): void {
  if (entry.op === "t") truncated.set(entry.table, entry.serial);
  else newest.set(row, entry.serial);
}
