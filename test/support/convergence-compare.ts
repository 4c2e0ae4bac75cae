/** What a client's SQLite file holds of the bank, and what is wrong with it: lines of text, none when all is well. */
import type { OpenDatabase } from "../contract/sqlite-subject.js";
import { columnsOf, rowLine, rowsOfDatabase, stateTables } from "./convergence-rules.js";
import type { PostgresDatabase } from "./postgres-server.js";

/** One of an `events` channel as the store has it. */
export interface StoredEvent {
  readonly serial: number;
  readonly op: string;
  readonly id: number;
  readonly row: Readonly<Record<string, unknown>>;
}

export interface HoldsTables {
  readonly name: string;
  readonly channels: Iterable<string>;
  /** In the form of `rowsOfDatabase`. */
  rows(table: string): Promise<readonly string[]>;
}

export interface HoldsEvents extends HoldsTables {
  /** In the order of their serials. */
  events(table: string): Promise<readonly StoredEvent[]>;
}

/** What the trail held before its channel began. */
export interface TrailBefore {
  readonly surely: ReadonlySet<number>;
  /** With what was written while it began. */
  readonly perhaps: ReadonlySet<number>;
}

const DIFFERENCES_MAX = 5;

/** The rows of a table, in the form of `rowsOfDatabase`. */
export function storedRows(store: OpenDatabase, table: string): string[] {
  if (!hasTable(store, table)) return [];
  const names = columnsOf(table);
  const columns = names.map((name) => `"${name}"`).join(", ");
  const rows = store.all(`select ${columns} from "${table}"`);
  return rows.map((row) => rowLine(names.map((name) => [name, row[name]]))).sort();
}

/** In the order of their serials. */
export function storedEvents(store: OpenDatabase, table: string): StoredEvent[] {
  if (!hasTable(store, table)) return [];
  return store.all(`select * from "${table}" order by serial`).map((row) => ({
    serial: Number(row["serial"]),
    op: String(row["op"]),
    id: Number(row["id"]),
    row,
  }));
}

export function hasTable(store: OpenDatabase, table: string): boolean {
  return store.all(`select 1 from sqlite_master where name = '${table}'`).length > 0;
}

export async function trailOf(database: PostgresDatabase): Promise<Set<number>> {
  const rows = await database.query("select id::int as id from trail");
  return new Set(rows.map((row) => Number(row["id"])));
}

export async function compareTables(
  database: PostgresDatabase,
  store: HoldsTables,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const table of stateTables) wrong.push(...(await compareTable(database, store, table)));
  return wrong;
}

async function compareTable(
  database: PostgresDatabase,
  store: HoldsTables,
  table: string,
): Promise<string[]> {
  const wanted = await rowsOfDatabase(database, table, store.channels);
  return compareLines(store, { table, wanted, found: await store.rows(table) });
}

/** Rows as lines, both sorted. */
export function compareLines(
  store: Pick<HoldsTables, "name" | "channels">,
  rows: {
    readonly table: string;
    readonly wanted: readonly string[];
    readonly found: readonly string[];
  },
): string[] {
  const { table, wanted, found } = rows;
  if (wanted.length === found.length && wanted.every((line, at) => line === found[at])) return [];
  const has = new Set(found);
  const should = new Set(wanted);
  const missing = wanted.filter((line) => !has.has(line)).map((line) => `- ${short(line)}`);
  const extra = found.filter((line) => !should.has(line)).map((line) => `+ ${short(line)}`);
  return [
    `${store.name}, table ${table}, channels ${[...store.channels].join(", ")}: ` +
      `${String(missing.length)} rows missing, ${String(extra.length)} that should not be:`,
    ...missing.slice(0, DIFFERENCES_MAX),
    ...extra.slice(0, DIFFERENCES_MAX),
  ];
}

/** Every insert after the start exactly once, in the order of the serials without holes. */
export async function compareTrail(
  database: PostgresDatabase,
  events: readonly StoredEvent[],
  before: TrailBefore,
): Promise<string[]> {
  return trailFaults(await trailOf(database), events, before);
}

/** `trail`: the ids that the database has. */
export function trailFaults(
  trail: ReadonlySet<number>,
  events: readonly StoredEvent[],
  before: TrailBefore,
): string[] {
  const wrong: string[] = [];
  const ids = events.map(({ id }) => id);
  const seen = new Set(ids);
  if (seen.size < ids.length) wrong.push(`the trail has ${String(ids.length - seen.size)} twice`);
  for (const id of trail) {
    if (!seen.delete(id) && !before.perhaps.has(id)) wrong.push(`the trail misses ${id}`);
    else if (before.surely.has(id) && ids.includes(id)) wrong.push(`${id} was before`);
  }
  for (const id of seen) wrong.push(`the trail has ${id}, which was never committed`);
  const hole = events.findIndex(({ serial }, at) => serial !== at + 1);
  if (hole >= 0) wrong.push(`the trail's serial ${String(hole + 1)} is missing`);
  return wrong.slice(0, DIFFERENCES_MAX);
}

/** What happened to an account last is how it is now. */
export async function compareLedger(
  database: PostgresDatabase,
  events: readonly StoredEvent[],
): Promise<string[]> {
  const rows = await database.query("select id::int as id, balance::text as balance from accounts");
  return ledgerFaults(
    new Map(rows.map((row) => [Number(row["id"]), String(row["balance"])])),
    events,
  );
}

/** `balances`: of the accounts as they are now. */
export function ledgerFaults(
  balances: ReadonlyMap<number, string>,
  events: readonly StoredEvent[],
): string[] {
  const last = new Map(events.map((event) => [event.id, event]));
  const wrong: string[] = [];
  for (const [id, { op, row }] of last) {
    const balance = balances.get(id);
    if ((op === "d") !== (balance === undefined)) {
      wrong.push(`ledger: account ${String(id)} ends with ${op}`);
    } else if (balance !== undefined && balance !== row["balance"]) {
      wrong.push(`ledger: account ${String(id)} ends with ${JSON.stringify(row)}`);
    }
  }
  return wrong.slice(0, DIFFERENCES_MAX);
}

function short(line: string): string {
  return line.length > 200 ? `${line.slice(0, 200)}… (${String(line.length)})` : line;
}
