/** What a unit does to whole channels and tables of the IndexedDB store, before and after its rows. */
import type { TableSchema } from "../../model/table.js";
import { CHANNELS, got } from "./indexeddb-database.js";
import {
  eachChunk,
  type KeptTable,
  type Member,
  membersOf,
  release,
  releaseEvents,
  saveTable,
  type Write,
} from "./indexeddb-write.js";
import { type NaturalRow, reshapedRow } from "./natural-rows.js";
import type { StoreUnit } from "./store.js";
import { tableStep } from "./table-change.js";

/** Rows of the tables whose content is being replaced, as many as there were. */
export type Counts = ReadonlyMap<string, number>;

export async function ensureTable(write: Write, schema: TableSchema): Promise<void> {
  const table = write.tables.get(schema.table);
  if (table === undefined) {
    saveTable(write, { schema, listed: false, sole: undefined });
    return;
  }
  if (table.schema === schema || table.schema.version > schema.version) return;
  const { kind } = tableStep(table.schema, schema);
  if (kind === "rekey") await empty(write, table);
  else if (kind !== "same") await reshape(write, schema);
  saveTable(write, { ...table, schema });
}

/** Takes away what the unit replaces. */
export async function beginSteps(write: Write, unit: StoreUnit): Promise<Counts> {
  const counts = new Map<string, number>();
  for (const { channel, replace, replaceAfter = 0 } of unit.channels) {
    if (replace === undefined) continue;
    for (const [name, table] of write.tables) {
      if (table.schema.kind === "events") {
        await releaseEvents(write, table, channel, replace === "after" ? replaceAfter : -1);
      } else if (replace === "all") {
        if (!counts.has(name)) {
          counts.set(name, await got(write.transaction.objectStore(name).count()));
        }
        await release(write, table, channel, (member) => kept(member, channel, unit.at));
      }
    }
  }
  return counts;
}

/** Places, and how many rows are fewer where content was replaced. */
export async function endSteps(write: Write, unit: StoreUnit, counts: Counts): Promise<void> {
  for (const [name, before] of counts) {
    const after = await got(write.transaction.objectStore(name).count());
    write.tally.rows(name, { deleted: Math.max(0, before - after) });
    write.tally.unlisted(name);
  }
  const store = write.transaction.objectStore(CHANNELS);
  for (const { channel, place, ready } of unit.channels) {
    write.channels.set(channel, { channel, place, ready });
    store.put({ channel, place, ready }, channel);
  }
}

/** The channel is gone, and the rows that nobody else holds. */
export async function leave(write: Write, channel: string): Promise<void> {
  for (const [name, table] of write.tables) {
    if (table.schema.kind === "events") {
      await releaseEvents(write, table, channel, -1);
      continue;
    }
    const deleted = await release(write, table, channel, (member) =>
      member[0] === channel ? undefined : member,
    );
    if (!table.listed && table.sole === channel) saveTable(write, { ...table, sole: undefined });
    if (deleted === 0) continue;
    write.tally.rows(name, { deleted });
    write.tally.unlisted(name);
  }
  write.channels.delete(channel);
  write.transaction.objectStore(CHANNELS).delete(channel);
}

/** A log number above the commit's was given in a history that is no more: it gives way to any other. */
function kept(member: Member, channel: string, at: number): Member | undefined {
  if (member[0] === channel) return undefined;
  return member[1] > at ? [member[0], 0, 0] : member;
}

async function empty(write: Write, table: KeptTable): Promise<void> {
  const name = table.schema.table;
  const rows = write.transaction.objectStore(name);
  write.tally.rows(name, { deleted: await got(rows.count()) });
  write.tally.unlisted(name);
  rows.clear();
  if (table.schema.kind === "state") write.transaction.objectStore(membersOf(name)).clear();
}

async function reshape(write: Write, schema: TableSchema): Promise<void> {
  const rows = write.transaction.objectStore(schema.table);
  await eachChunk<NaturalRow>(rows, (key, row) => {
    rows.put(reshapedRow(row, schema), key);
  });
}
