/**
 * Whether a client's SQLite file holds what the rules of config/demo.yaml say of the database: every row and
 * every column of the `state` tables, and of the history that no entry is missing and the last one is true.
 * The queries are written apart from the rules on purpose.
 */
import { DatabaseSync } from "@photostructure/sqlite";
import type pg from "pg";

export interface Compared {
  readonly table: string;
  readonly rows: number;
  /** A few, for people; empty when all is equal. */
  readonly differences: readonly string[];
}

type Database = InstanceType<typeof DatabaseSync>;

const DIFFERENCES_MAX = 3;

/** By the client's table; $1 is the list of stores whose channels the client follows. */
const queries: Readonly<Record<string, string>> = {
  stores: "select id, name, city from public.stores where $1::int[] is not null",
  products: `select id, store_id, name, quantity, price, updated_at,
    (round(price * 100) * quantity)::bigint as stock_cents
    from public.products where not archived and store_id = any($1)`,
  orders: `select id, store_id, customer, status, created_at as placed_at
    from public.orders where store_id = any($1)`,
  order_items: `select order_id, line, store_id, product_id, quantity, price
    from public.order_items where store_id = any($1)`,
};

const instants = new Set(["updated_at", "placed_at"]);

/** Nobody may be writing. */
export async function compareStore(
  client: pg.Client,
  file: string,
  channels: readonly string[],
): Promise<readonly Compared[]> {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const compared: Compared[] = [];
    const stores = numbersOf(channels, "store");
    for (const [table, query] of Object.entries(queries)) {
      compared.push(await compareTable(client, database, { table, query, stores }));
    }
    for (const store of numbersOf(channels, "stock")) {
      compared.push(await compareHistory(client, database, store));
    }
    return compared;
  } finally {
    database.close();
  }
}

async function compareTable(
  client: pg.Client,
  database: Database,
  asked: { readonly table: string; readonly query: string; readonly stores: readonly number[] },
): Promise<Compared> {
  const { table, query, stores } = asked;
  const { rows, fields } = await client.query<Record<string, unknown>>({
    text: query,
    values: [stores],
    // As the server prints them: nothing is read into a JavaScript type on the way.
    types: { getTypeParser: () => (text: string | Buffer) => text.toString() },
  });
  const names = fields.map(({ name }) => name);
  const wanted = new Set(rows.map((row) => line(names, row)));
  const columns = names.map((name) => `"${name}"`).join(", ");
  const held = database.prepare(`select ${columns} from "${table}"`).all() as typeof rows;
  const found = new Set(held.map((row) => line(names, row)));
  const missing = [...wanted].filter((row) => !found.has(row)).map((row) => `missing: ${row}`);
  const extra = [...found].filter((row) => !wanted.has(row)).map((row) => `too much: ${row}`);
  const differences = [...missing, ...extra];
  return { table, rows: held.length, differences: shown(differences) };
}

/** The changes of quantities in one store since the client came, in order. */
async function compareHistory(
  client: pg.Client,
  database: Database,
  store: number,
): Promise<Compared> {
  const name = `stock:${String(store)}`;
  const held = database
    .prepare("select serial, op, id, quantity from stock_movements where channel = ? order by 1")
    .all(name) as { serial: number; op: string; id: number; quantity: number | null }[];
  const differences: string[] = [];
  const first = held[0]?.serial ?? 1;
  const hole = held.find(({ serial }, at) => serial !== first + at);
  if (hole !== undefined) differences.push(`${name}: a hole before serial ${String(hole.serial)}`);
  const { rows } = await client.query<{ id: string; quantity: number }>(
    "select id, quantity from public.products where store_id = $1",
    [store],
  );
  const now = new Map(rows.map(({ id, quantity }) => [Number(id), quantity]));
  const last = new Map(held.map((entry) => [entry.id, entry]));
  for (const { id, op, quantity } of last.values()) {
    const wanted = now.get(id);
    if (wanted === undefined || (op !== "d" && quantity === wanted)) continue;
    differences.push(`${name}: product ${String(id)} has ${String(wanted)}, the history ends at
      ${op} ${String(quantity)}`);
  }
  return { table: name, rows: held.length, differences: shown(differences) };
}

function shown(differences: readonly string[]): string[] {
  const more = differences.length - DIFFERENCES_MAX;
  const few = differences.slice(0, DIFFERENCES_MAX);
  return more > 0 ? [...few, `and ${String(more)} more`] : few;
}

/** `1` and `2` of the channels `store:1` and `store:2`. */
function numbersOf(channels: readonly string[], kind: string): number[] {
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
