/**
 * A store in memory: for tests, for tools, and for apps that need no offline start. Rows are plain objects
 * of natural values (natural-values.ts), frozen; a changed row is a new object.
 */
import { type Log, silentLog } from "../../base/log.js";
import type { TableSchema } from "../../model/table.js";
import {
  type Clock,
  fold,
  type FoldedTable,
  isBefore,
  type Mark,
  newestPut,
  type RowKey,
} from "./fold.js";
import { eventRow, type NaturalRow, naturalRow, reshapedRow } from "./natural-rows.js";
import type {
  ChannelStep,
  EntryBatch,
  KeptChannel,
  Store,
  StoreChanges,
  StoreUnit,
} from "./store.js";
import { tableStep } from "./table-change.js";
import { ChangeTally, Watchers } from "./watchers.js";

export interface MemoryStore extends Store {
  /** Rows of a table as they are now, in no particular order; empty for a table that never came. */
  rows(table: string): readonly NaturalRow[];
}

export function memoryStore(options: { readonly log?: Log } = {}): MemoryStore {
  return new RowsInMemory(options.log ?? silentLog);
}

interface HeldRow {
  row: NaturalRow;
  readonly members: Map<string, Clock>;
}

interface MemoryTable {
  schema: TableSchema;
  readonly rows: Map<RowKey, HeldRow>;
}

/** Below every clock: what a snapshot has yet to confirm, and what another history left. */
const UNCONFIRMED: Clock = { log: -1, index: 0 };
const FORGOTTEN: Clock = { log: 0, index: 0 };

class RowsInMemory implements MemoryStore {
  readonly #watchers: Watchers;
  readonly #tables = new Map<string, MemoryTable>();
  readonly #channels = new Map<string, KeptChannel>();
  readonly #staged = new Map<string, EntryBatch[]>();

  constructor(log: Log) {
    this.#watchers = new Watchers(log);
  }

  rows(table: string): readonly NaturalRow[] {
    return [...(this.#tables.get(table)?.rows.values() ?? [])].map(({ row }) => row);
  }

  async open(): Promise<readonly KeptChannel[]> {
    this.#staged.clear();
    return [...this.#channels.values()];
  }

  async check(_schema: TableSchema): Promise<void> {
    // Objects hold any columns.
  }

  async apply(unit: StoreUnit): Promise<StoreChanges> {
    const tally = new ChangeTally();
    for (const schema of unit.schemas) this.#ensureTable(schema, tally);
    for (const step of unit.channels) this.#beginStep(step, unit.at, tally);
    const held = unit.channels.filter((step) => step.staged === true);
    const staged = held.flatMap(({ channel }) => this.#staged.get(channel) ?? []);
    for (const { channel } of held) this.#staged.delete(channel);
    const batches = [...staged, ...unit.batches];
    for (const { schema } of batches) this.#ensureTable(schema, tally);
    const { state, events } = fold(batches, (table) => this.#tables.get(table)?.schema.key ?? []);
    for (const [table, folded] of state) this.#applyState(table, folded, tally);
    for (const batch of events) this.#applyEvents(batch, tally);
    for (const step of unit.channels) {
      if (step.replace === "all") this.#release(step.channel, (clock) => clock.log < 0, tally);
      const { channel, place, ready } = step;
      this.#channels.set(channel, { channel, place, ready });
    }
    return this.#tell(tally);
  }

  async stage(batches: readonly EntryBatch[]): Promise<void> {
    for (const batch of batches) {
      const held = this.#staged.get(batch.channel);
      if (held === undefined) this.#staged.set(batch.channel, [batch]);
      else held.push(batch);
    }
  }

  async unstage(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#staged.delete(channel);
  }

  async detach(channels: readonly string[]): Promise<StoreChanges> {
    const tally = new ChangeTally();
    for (const channel of channels) {
      this.#release(channel, () => true, tally);
      this.#staged.delete(channel);
      this.#channels.delete(channel);
    }
    return this.#tell(tally);
  }

  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    return this.#watchers.add(tables, listener);
  }

  async close(): Promise<void> {
    // Nothing is under way between two calls.
  }

  #tell(tally: ChangeTally): StoreChanges {
    const changes = tally.changes;
    this.#watchers.tell(changes);
    return changes;
  }

  #ensureTable(schema: TableSchema, tally: ChangeTally): void {
    const table = this.#tables.get(schema.table);
    if (table === undefined) {
      this.#tables.set(schema.table, { schema, rows: new Map() });
      return;
    }
    if (table.schema === schema || table.schema.version > schema.version) return;
    if (tableStep(table.schema, schema).kind === "rekey") {
      tally.rows(schema.table, { deleted: table.rows.size });
      tally.unlisted(schema.table);
      table.rows.clear();
    }
    table.schema = schema;
    for (const held of table.rows.values()) held.row = Object.freeze(reshapedRow(held.row, schema));
  }

  #beginStep(step: ChannelStep, at: number, tally: ChangeTally): void {
    const above = step.replace === "after" ? (step.replaceAfter ?? 0) : undefined;
    if (above !== undefined) this.#releaseEvents(step.channel, above, tally);
    if (step.replace !== "all") return;
    this.#releaseEvents(step.channel, -1, tally);
    for (const { schema, rows } of this.#tables.values()) {
      if (schema.kind === "events") continue;
      for (const { members } of rows.values()) {
        for (const [channel, clock] of members) {
          // A log number above the commit's was given in a history that is no more.
          if (channel === step.channel) members.set(channel, UNCONFIRMED);
          else if (clock.log > at) members.set(channel, FORGOTTEN);
        }
      }
    }
  }

  #applyState(name: string, folded: FoldedTable, tally: ChangeTally): void {
    const table = this.#tables.get(name);
    if (table === undefined) return;
    for (const [channel, clock] of folded.truncated) {
      this.#release(channel, (held) => isBefore(held, clock), tally, table);
    }
    for (const [key, first] of folded.rows) {
      const held = table.rows.get(key) ?? { row: {}, members: new Map<string, Clock>() };
      for (let mark: Mark | undefined = first; mark !== undefined; mark = mark.next) {
        const clock = { log: mark.log, index: mark.index };
        const before = held.members.get(mark.channel);
        if (mark.put) held.members.set(mark.channel, clock);
        else if (before !== undefined && !isBefore(clock, before))
          held.members.delete(mark.channel);
      }
      const put = newestPut(first);
      const isOlder =
        put !== undefined && [...held.members.values()].some((clock) => isBefore(put, clock));
      if (held.members.size === 0) {
        if (table.rows.delete(key)) tally.rows(name, { deleted: 1 });
      } else if (put !== undefined && !isOlder) {
        held.row = Object.freeze(naturalRow(table.schema, put.schema, put.entry));
        table.rows.set(key, held);
        tally.rows(name, put.entry[3] === "i" ? { inserted: 1 } : { updated: 1 });
      }
      tally.key(name, [key]);
    }
  }

  #applyEvents(batch: EntryBatch, tally: ChangeTally): void {
    const { schema, channel, entries } = batch;
    const table = this.#tables.get(schema.table);
    if (table === undefined) return;
    for (const entry of entries) {
      const row = Object.freeze(eventRow(table.schema, schema, channel, entry));
      const clock = { log: entry[0], index: 0 };
      table.rows.set(`${channel} ${entry[0]}`, { row, members: new Map([[channel, clock]]) });
      tally.key(schema.table, [channel, entry[0]]);
    }
    tally.rows(schema.table, { inserted: entries.length });
  }

  #releaseEvents(channel: string, above: number, tally: ChangeTally): void {
    for (const table of this.#tables.values()) {
      if (table.schema.kind !== "events") continue;
      this.#release(channel, ({ log: serial }) => serial > above, tally, table);
    }
  }

  #release(
    channel: string,
    ends: (clock: Clock) => boolean,
    tally: ChangeTally,
    only?: MemoryTable,
  ): void {
    for (const table of only === undefined ? this.#tables.values() : [only]) {
      let deleted = 0;
      for (const [key, { members }] of table.rows) {
        const clock = members.get(channel);
        if (clock === undefined || !ends(clock)) continue;
        members.delete(channel);
        if (members.size > 0) continue;
        table.rows.delete(key);
        deleted += 1;
      }
      if (deleted === 0) continue;
      tally.rows(table.schema.table, { deleted });
      tally.unlisted(table.schema.table);
    }
  }
}
