/**
 * Whether a client's SQLite file holds what a database says: every row and every column of the `state` tables,
 * and of the history that no entry is missing and the last one is true.
 */
import { DatabaseSync } from "@photostructure/sqlite";

export interface Compared {
  readonly table: string;
  readonly rows: number;
  /** A few, for people; empty when all is equal. */
  readonly differences: readonly string[];
}

export type Database = InstanceType<typeof DatabaseSync>;

export interface WantedRows {
  readonly table: string;
  readonly names: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

const DIFFERENCES_MAX = 3;

const instants = new Set(["updated_at", "placed_at"]);

export function openFile(file: string): Database {
  return new DatabaseSync(file, { readOnly: true });
}

export function compareRows(database: Database, { table, names, rows }: WantedRows): Compared {
  const wanted = new Set(rows.map((row) => line(names, row)));
  const columns = names.map((name) => `"${name}"`).join(", ");
  const held = database.prepare(`select ${columns} from "${table}"`).all() as typeof rows;
  const found = new Set(held.map((row) => line(names, row)));
  const missing = [...wanted].filter((row) => !found.has(row)).map((row) => `missing: ${row}`);
  const extra = [...found].filter((row) => !wanted.has(row)).map((row) => `too much: ${row}`);
  const differences = [...missing, ...extra];
  return { table, rows: held.length, differences: shown(differences) };
}

/** The changes of quantities in one store since the client came, in order. `now`: by the product's id. */
export function compareHistory(
  database: Database,
  store: number,
  now: ReadonlyMap<string, number>,
): Compared {
  const name = `stock:${String(store)}`;
  const held = database
    .prepare("select serial, op, id, quantity from stock_movements where channel = ? order by 1")
    .all(name) as { serial: number; op: string; id: unknown; quantity: number | null }[];
  const differences: string[] = [];
  const first = held[0]?.serial ?? 1;
  const hole = held.find(({ serial }, at) => serial !== first + at);
  if (hole !== undefined) differences.push(`${name}: a hole before serial ${String(hole.serial)}`);
  const last = new Map(held.map((entry) => [String(entry.id), entry]));
  for (const [id, { op, quantity }] of last) {
    const wanted = now.get(id);
    if (wanted === undefined || (op !== "d" && quantity === wanted)) continue;
    differences.push(
      `${name}: product ${id} has ${String(wanted)}, the history ends at ${op} ${String(quantity)}`,
    );
  }
  return { table: name, rows: held.length, differences: shown(differences) };
}

function shown(differences: readonly string[]): string[] {
  const more = differences.length - DIFFERENCES_MAX;
  const few = differences.slice(0, DIFFERENCES_MAX);
  return more > 0 ? [...few, `and ${String(more)} more`] : few;
}

/** `1` and `2` of the channels `store:1` and `store:2`. */
export function numbersOf(channels: readonly string[], kind: string): number[] {
  return channels
    .filter((channel) => channel.startsWith(`${kind}:`))
    .map((channel) => Number(channel.slice(kind.length + 1)));
}

function line(names: readonly string[], row: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(names.map((name) => comparable(name, row[name])));
}

function comparable(name: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (instants.has(name)) return instant(textOf(value));
  return textOf(value);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  throw new TypeError(`a value of type ${typeof value} cannot be compared`);
}

/** Postgres prints "2026-01-02 03:04:05.6+00" in UTC, the client ISO 8601: the same instant. */
function instant(text: string): string {
  const [, day, time, fraction = ""] =
    /^([\d-]+)[T ]([\d:]+)(\.\d+)?(?:Z|\+00(?::00)?)$/.exec(text) ?? [];
  if (day === undefined || time === undefined) return `no instant in UTC: ${text}`;
  return `${day} ${time}${fraction.replace(/\.?0+$/, "")}`;
}
