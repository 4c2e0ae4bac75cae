/**
 * Writes folded entries into object stores: one request per row where one channel feeds the table, and none
 * of them is waited for. Where rows are shared, each row's members are read first.
 */
import {
  type Folded,
  type FoldedTable,
  isBefore,
  type Mark,
  newestPut,
  type RowKey,
} from "./fold.js";
import { got } from "./indexeddb-database.js";
import {
  clockOf,
  type KeptTable,
  listMembers,
  type Member,
  membersOf,
  release,
  saveTable,
  storeKey,
  type Write,
} from "./indexeddb-write.js";
import { eventRow, naturalRow } from "./natural-rows.js";
import type { EntryBatch } from "./store.js";

export async function applyFolded(write: Write, { state, events }: Folded): Promise<void> {
  for (const [name, folded] of state) {
    const table = write.tables.get(name);
    if (table !== undefined) await applyState(write, table, folded);
  }
  for (const batch of events) applyEvents(write, batch);
}

async function applyState(write: Write, found: KeptTable, folded: FoldedTable): Promise<void> {
  const table = await held(write, found, folded);
  const name = table.schema.table;
  for (const [channel, clock] of folded.truncated) {
    const deleted = await release(write, table, channel, (member) =>
      member[0] === channel && isBefore(clockOf(member), clock) ? undefined : member,
    );
    if (deleted === 0) continue;
    write.tally.rows(name, { deleted });
    write.tally.unlisted(name);
  }
  const apply = table.listed ? applyShared : applySole;
  await apply(write, table, folded);
  for (const key of folded.rows.keys()) write.tally.key(name, keyValues(table, key));
}

/** The table as the unit's channels hold it from now on. */
async function held(write: Write, table: KeptTable, folded: FoldedTable): Promise<KeptTable> {
  if (table.listed) return table;
  const channels = channelsOf(folded);
  const [only] = channels;
  if (channels.size > 1 || only === undefined) return listMembers(write, table);
  if (table.sole === only) return table;
  if (table.sole !== undefined) return listMembers(write, table);
  return saveTable(write, { schema: table.schema, listed: false, sole: only });
}

async function applySole(write: Write, table: KeptTable, folded: FoldedTable): Promise<void> {
  const { schema } = table;
  const rows = write.transaction.objectStore(schema.table);
  let inserted = 0;
  let updated = 0;
  const gone: IDBValidKey[] = [];
  for (const [rowKey, mark] of folded.rows) {
    const key = storeKey(schema, rowKey);
    if (!mark.put) {
      gone.push(key);
      continue;
    }
    rows.put(naturalRow(schema, mark.schema, mark.entry), key);
    if (mark.entry[3] === "i") inserted += 1;
    else updated += 1;
  }
  let deleted = 0;
  await Promise.all(
    gone.map(async (key) => {
      deleted += await got(rows.count(key));
      rows.delete(key);
    }),
  );
  write.tally.rows(schema.table, { inserted, updated, deleted });
}

async function applyShared(write: Write, table: KeptTable, folded: FoldedTable): Promise<void> {
  const { schema } = table;
  const rows = write.transaction.objectStore(schema.table);
  const members = write.transaction.objectStore(membersOf(schema.table));
  await Promise.all(
    [...folded.rows].map(async ([rowKey, first]) => {
      const key = storeKey(schema, rowKey);
      const before = ((await got(members.get(key))) ?? []) as readonly Member[];
      const after = joined(before, first);
      if (after.length === 0) {
        if (before.length === 0) return;
        members.delete(key);
        rows.delete(key);
        write.tally.rows(schema.table, { deleted: 1 });
        return;
      }
      members.put(after, key);
      const put = newestPut(first);
      if (put === undefined || after.some((member) => isBefore(put, clockOf(member)))) return;
      rows.put(naturalRow(schema, put.schema, put.entry), key);
      write.tally.rows(schema.table, put.entry[3] === "i" ? { inserted: 1 } : { updated: 1 });
    }),
  );
}

/** A row's members after what each channel said of it last. */
function joined(before: readonly Member[], first: Mark): Member[] {
  const members = new Map(before.map((member) => [member[0], member]));
  for (let mark: Mark | undefined = first; mark !== undefined; mark = mark.next) {
    const { channel, log, index } = mark;
    const member = members.get(channel);
    if (mark.put) members.set(channel, [channel, log, index]);
    else if (member !== undefined && !isBefore(mark, clockOf(member))) members.delete(channel);
  }
  return [...members.values()];
}

/** (channel, serial) is the key, so applying twice changes nothing. */
function applyEvents(write: Write, { schema, channel, entries }: EntryBatch): void {
  const table = write.tables.get(schema.table);
  if (table === undefined) return;
  const rows = write.transaction.objectStore(schema.table);
  for (const entry of entries) {
    rows.put(eventRow(table.schema, schema, channel, entry), [channel, entry[0]]);
    write.tally.key(schema.table, [channel, entry[0]]);
  }
  write.tally.rows(schema.table, { inserted: entries.length });
}

function channelsOf(folded: FoldedTable): Set<string> {
  const channels = new Set(folded.truncated.keys());
  for (const first of folded.rows.values()) {
    for (let mark: Mark | undefined = first; mark !== undefined; mark = mark.next) {
      channels.add(mark.channel);
    }
  }
  return channels;
}

function keyValues(table: KeptTable, key: RowKey): readonly unknown[] {
  return table.schema.key.length === 1 ? [key] : (JSON.parse(String(key)) as unknown[]);
}
