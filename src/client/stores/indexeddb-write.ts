/**
 * One write transaction of the IndexedDB store: what it sees and changes, thrown away whole if it fails. And
 * who holds which row, changed over whole tables; what happens to single rows is indexeddb-rows.ts's business.
 *
 * While one channel alone feeds a table, it holds all of it and nothing is written down (`sole`). From the
 * second channel on, each row has a list of its members beside it.
 */
import type { TableSchema } from "../../model/table.js";
import type { Clock, RowKey } from "./fold.js";
import { got, TABLES } from "./indexeddb-database.js";
import type { KeptChannel } from "./store.js";
import type { ChangeTally } from "./watchers.js";

export interface KeptTable {
  readonly schema: TableSchema;
  /** Each row's members are listed. */
  readonly listed: boolean;
  /** Otherwise: the one channel whose rows these are. */
  readonly sole: string | undefined;
}

export interface Write {
  readonly transaction: IDBTransaction;
  readonly tables: Map<string, KeptTable>;
  readonly channels: Map<string, KeptChannel>;
  readonly tally: ChangeTally;
}

/** Channel, log and index of the content that it brought. */
export type Member = readonly [channel: string, log: number, index: number];

/** Rows looked at in one request. */
const CHUNK = 2_000;

export function membersOf(table: string): string {
  return `changecast_members_${table}`;
}

/**
 * The key of a row in its object store: the key column's value, or an array of them. What IndexedDB has no
 * keys for becomes an array of its own: null [], false [0], true [1].
 */
export function storeKey(schema: TableSchema, key: RowKey): IDBValidKey {
  if (schema.key.length === 1) return key;
  return (JSON.parse(String(key)) as unknown[]).map((value) =>
    value === null ? [] : typeof value === "boolean" ? [Number(value)] : (value as IDBValidKey),
  );
}

export function saveTable(write: Write, table: KeptTable): KeptTable {
  const name = table.schema.table;
  write.tables.set(name, table);
  write.transaction.objectStore(TABLES).put(table, name);
  return table;
}

export function clockOf([, log, index]: Member): Clock {
  return { log, index };
}

/** From "one channel holds all" to "each row says who". */
export async function listMembers(write: Write, table: KeptTable): Promise<KeptTable> {
  if (table.listed) return table;
  const { sole } = table;
  const name = table.schema.table;
  if (sole !== undefined) {
    // What a ready channel holds is exact at its place. A loading one's pages are at least as old as
    // anything the server sends from now on, so its rows give way.
    const holder = write.channels.get(sole);
    const member: Member = [sole, holder?.ready === true ? holder.place.log : 0, 0];
    const members = write.transaction.objectStore(membersOf(name));
    const keys = await got(write.transaction.objectStore(name).getAllKeys());
    for (const key of keys) members.put([member], key);
  }
  return saveTable(write, { schema: table.schema, listed: true, sole: undefined });
}

/**
 * The channel lets go of its rows of the table: where members are listed, of those for which `keep` answers
 * undefined; it may also give a member another clock. Answers how many rows are gone.
 */
export async function release(
  write: Write,
  table: KeptTable,
  channel: string,
  keep: (member: Member) => Member | undefined,
): Promise<number> {
  const name = table.schema.table;
  const rows = write.transaction.objectStore(name);
  if (!table.listed) {
    if (table.sole !== channel) return 0;
    const count = await got(rows.count());
    rows.clear();
    return count;
  }
  const members = write.transaction.objectStore(membersOf(name));
  let gone = 0;
  await eachChunk<readonly Member[]>(members, (key, held) => {
    const next = held.map(keep).filter((member) => member !== undefined);
    if (next.length === held.length && next.every((member, at) => member === held[at])) return;
    if (next.length > 0) {
      members.put(next, key);
      return;
    }
    members.delete(key);
    rows.delete(key);
    gone += 1;
  });
  return gone;
}

/** Rows of an `events` table of one channel, with a serial above `above`. */
export async function releaseEvents(
  write: Write,
  table: KeptTable,
  channel: string,
  above: number,
): Promise<void> {
  const name = table.schema.table;
  const rows = write.transaction.objectStore(name);
  // An array sorts behind every number.
  const range = IDBKeyRange.bound([channel, above], [channel, []], true);
  const deleted = await got(rows.count(range));
  if (deleted === 0) return;
  rows.delete(range);
  write.tally.rows(name, { deleted });
  write.tally.unlisted(name);
}

/** Calls `each` for every row, a chunk at a time, so that a large table is never in memory whole. */
export async function eachChunk<Value>(
  store: IDBObjectStore,
  each: (key: IDBValidKey, value: Value) => void,
): Promise<void> {
  let range: IDBKeyRange | undefined;
  for (;;) {
    const [keys, values] = await Promise.all([
      got(store.getAllKeys(range, CHUNK)),
      got(store.getAll(range, CHUNK)) as Promise<Value[]>,
    ]);
    for (const [at, key] of keys.entries()) each(key, values[at] as Value);
    const last = keys.at(-1);
    if (last === undefined || keys.length < CHUNK) return;
    range = IDBKeyRange.lowerBound(last, true);
  }
}
