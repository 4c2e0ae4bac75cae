/**
 * What the journal says, read naively from what became durable: the rows of every channel after every unit.
 * Knows nothing of how the journal keeps them.
 */
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import type { ChannelEntry } from "../../src/model/entry.js";

export interface ModelRow {
  /** Its table and its values. */
  readonly text: string;
  readonly log: number;
  readonly index: number;
}

/** By table and key. */
export type ModelRows = ReadonlyMap<string, ModelRow>;

interface Version {
  readonly log: number;
  readonly serial: number;
  readonly rows: ModelRows;
}

const NOTHING: Version = { log: 0, serial: 0, rows: new Map() };

export class JournalModel {
  readonly #channels = new Map<string, Version[]>();
  /** Log numbers from which on rules are incomplete (true) or complete (false). */
  #copying: { readonly from: number; readonly isCopying: boolean }[] = [
    { from: 0, isCopying: true },
  ];
  /** A name of its own for what each log number holds: another one after a fork. */
  #names: number[] = [];
  #named = 0;

  get log(): number {
    return this.#names.length;
  }

  durable(append: MemoryAppend): void {
    const { unit, after } = append;
    if (unit !== undefined) {
      this.#names[unit.log - 1] = this.#named++;
      for (const [name, { to }] of unit.channels) {
        const { entries, keys } = contentsOf(append, name);
        const before = this.#newest(name);
        const rows = new Map(before.rows);
        for (const [at, entry] of entries.entries()) apply(rows, entry, keys[at] ?? "");
        const version = { log: unit.log, serial: to, rows };
        const known = this.#channels.get(name);
        if (known === undefined) this.#channels.set(name, [version]);
        else known.push(version);
      }
    }
    // What is told without a unit holds for what stands already too, as far as it says that something lacks.
    const from = Math.min(unit?.log ?? Infinity, this.log);
    if ((after.copying?.length ?? 0) > 0 || (after.hiding?.size ?? 0) > 0) {
      this.#copying.push({ from, isCopying: true });
    } else if (after.copying !== undefined) {
      this.#copying.push({ from: unit?.log ?? this.log + 1, isCopying: false });
    }
  }

  /** The journal was put back to an older state. */
  restored(log: number): void {
    this.#names = this.#names.slice(0, log);
    for (const versions of this.#channels.values()) {
      while ((versions.at(-1)?.log ?? 0) > log) versions.pop();
    }
    this.#copying = this.#copying.filter(({ from }) => from <= log);
  }

  /** Another value for every unit that was ever written under the log number. */
  nameOf(log: number): number | undefined {
    return this.#names[log - 1];
  }

  /** Nothing is being copied or derived anew at `log`. */
  isWhole(log: number): boolean {
    return this.#copying.findLast(({ from }) => from <= log)?.isCopying === false;
  }

  /** A channel as of a log number. */
  at(channel: string, log: number): { readonly serial: number; readonly rows: ModelRows } {
    return this.#channels.get(channel)?.findLast((version) => version.log <= log) ?? NOTHING;
  }

  /** A channel as of a serial at which a unit ended. */
  bySerial(channel: string, serial: number): ModelRows | undefined {
    if (serial === 0) return NOTHING.rows;
    return this.#channels.get(channel)?.findLast((version) => version.serial === serial)?.rows;
  }

  #newest(channel: string): Version {
    return this.#channels.get(channel)?.at(-1) ?? NOTHING;
  }
}

/** What an append brings to a channel, in all of its parts. */
export function contentsOf(
  { unit, parts }: MemoryAppend,
  channel: string,
): { readonly entries: readonly ChannelEntry[]; readonly keys: readonly string[] } {
  const entries: ChannelEntry[] = [];
  const keys: string[] = [];
  for (const piece of unit === undefined ? [] : [unit, ...parts]) {
    const contents = piece.channels.get(channel)?.contents();
    entries.push(...(contents?.entries ?? []));
    keys.push(...(contents?.keys ?? []));
  }
  return { entries, keys };
}

/** Rows of several channels in one table: of a row that stands in several, the newest content. */
export function together(parts: Iterable<ModelRows>): Map<string, ModelRow> {
  const rows = new Map<string, ModelRow>();
  for (const part of parts) {
    for (const [key, row] of part) {
      const known = rows.get(key);
      const isNewer =
        known === undefined ||
        row.log > known.log ||
        (row.log === known.log && row.index > known.index);
      if (isNewer) rows.set(key, row);
    }
  }
  return rows;
}

function apply(rows: Map<string, ModelRow>, entry: ChannelEntry, key: string): void {
  const { op, table, body, log, index } = entry;
  const place = `${table} ${key}`;
  if (op === "t") {
    for (const held of rows.keys()) if (held.startsWith(`${table} `)) rows.delete(held);
  } else if (op === "d" || op === "m") rows.delete(place);
  else rows.set(place, { text: `${table} ${Buffer.from(body).toString()}`, log, index });
}
