/**
 * The rules of the convergence test, and beside each of them the same in SQL, written apart from it: which
 * rows a client with these channels must hold. Both speak about the tables of bank-workload.ts.
 */
import type { PostgresDatabase } from "./postgres-server.js";
import { REGIONS, SHELVES, TAGS } from "./bank-workload.js";

/** Account balances above these are told apart by rules. */
const RICH = 1_000;
const VERY_RICH = 1_300;

export interface BankSource {
  readonly url: string;
  readonly slot: string;
}

/** The part of the configuration below listen and ops. */
export function bankConfig({ url, slot }: BankSource): string {
  return `
sources:
  bank: { connector: postgres, url: "${url}", slot: ${slot}, publication: ${slot} }
rules:${bankRules}`;
}

const bankRules = `
  - name: accounts
    source: bank
    from: public.accounts
    channel: "region:{doc.region}"
  # The same table of the client from a second rule: rows are members of both channels.
  - name: very-rich
    source: bank
    from: public.accounts
    where: doc.balance > ${VERY_RICH}.0
    channel: very-rich
  - name: rich
    source: bank
    from: public.accounts
    where: doc.balance > ${RICH}.0
    channel: rich
    as: rich
    fields: [id, region, balance]
    rename: { balance: money }
  - name: vaults
    source: bank
    from: public.vaults
    channel: vaults
  - name: items
    source: bank
    from: public.items
    where: doc.hidden == false
    channel: "shelf:{doc.shelf}"
    exclude: [hidden]
    rename: { weight: mass }
    compute: { label: "'item ' + string(doc.id)" }
  - name: docs
    source: bank
    from: public.docs
    channels: doc.tags.map(t, "tag:" + t)
    fields: [id, title, body]
  # Needs the large column and puts it out nowhere.
  - name: lengths
    source: bank
    from: public.docs
    where: size(doc.tags) > 0
    channel: lengths
    as: lengths
    fields: [id, tags]
    compute: { length: "doc.body == null ? 0 : size(doc.body)" }
  - name: trail
    source: bank
    from: public.trail
    channel: trail
    kind: events
  - name: ledger
    source: bank
    from: public.accounts
    channel: ledger
    fields: [id, region, balance]
    as: ledger
    kind: events
`;

export const bankChannels: readonly string[] = [
  ...numbers(REGIONS).map((region) => `region:${region}`),
  ...numbers(SHELVES).map((shelf) => `shelf:${shelf}`),
  ...TAGS.map((tag) => `tag:${tag}`),
  ...["vaults", "rich", "very-rich", "lengths"],
];

/** A client with these holds all the money there is. */
export const moneyChannels: readonly string[] = [
  ...numbers(REGIONS).map((region) => `region:${region}`),
  "vaults",
];

interface TableQuery {
  readonly from: string;
  readonly columns: readonly string[];
  /** The condition of a channel; undefined where it feeds another table. */
  where(channel: string): string | undefined;
}

/** By the client's table. Columns are written as the store keeps them. */
const queries: Readonly<Record<string, TableQuery>> = {
  accounts: {
    from: "accounts",
    columns: ["id::text", "region::text", "balance::text", "note", "extra::text"],
    where: (channel) => {
      if (channel === "very-rich") return `balance > ${VERY_RICH}`;
      const [kind, region] = channel.split(":");
      return kind === "region" ? `region = ${region ?? ""}` : undefined;
    },
  },
  rich: {
    from: "accounts",
    columns: ["id::text", "region::text", "balance::text as money"],
    where: (channel) => (channel === "rich" ? `balance > ${RICH}` : undefined),
  },
  vaults: {
    from: "vaults",
    columns: ["id::text", "balance::text", "opened::text"],
    where: (channel) => (channel === "vaults" ? "true" : undefined),
  },
  items: {
    from: "items",
    columns: ["id::text", "shelf::text", "weight as mass", "body", "'item ' || id as label"],
    where: (channel) => {
      const [kind, shelf] = channel.split(":");
      return kind === "shelf" ? `shelf = ${shelf ?? ""} and not hidden` : undefined;
    },
  },
  docs: {
    from: "docs",
    columns: ["id::text", "title", "body"],
    where: (channel) => {
      const [kind, tag] = channel.split(":");
      return kind === "tag" ? `'${tag ?? ""}' = any(tags)` : undefined;
    },
  },
  lengths: {
    from: "docs",
    columns: [
      "id::text",
      "to_json(tags)::text as tags",
      "coalesce(length(body), 0)::text as length",
    ],
    where: (channel) => (channel === "lengths" ? "cardinality(tags) > 0" : undefined),
  },
};

export const stateTables: readonly string[] = Object.keys(queries);

/** Names of a table's columns as the client has them. */
export function columnsOf(table: string): string[] {
  const columns = queries[table]?.columns ?? [];
  return columns.map((column) => column.replace(/^.* as /, "").replace(/::\w+$/, ""));
}

/** What a client with these channels must hold in this table: a line of JSON per row, sorted. */
export async function rowsOfDatabase(
  database: PostgresDatabase,
  table: string,
  channels: Iterable<string>,
): Promise<string[]> {
  const query = queries[table];
  if (query === undefined) throw new Error(`no query for ${table}`);
  const conditions = [...channels].flatMap((channel) => {
    const condition = query.where(channel);
    return condition === undefined ? [] : [`(${condition})`];
  });
  if (conditions.length === 0) return [];
  const rows = await database.query(
    `select ${query.columns.join(", ")} from ${query.from} where ${conditions.join(" or ")}`,
  );
  const names = columnsOf(table);
  return rows.map((row) => rowLine(names.map((name) => [name, row[name]]))).sort();
}

/** One row in a form in which rows of Postgres and of SQLite can be compared as texts. */
export function rowLine(values: readonly (readonly [string, unknown])[]): string {
  return JSON.stringify(values.map(([name, value]) => comparable(name, value)));
}

function comparable(name: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  // Postgres and the client write the same instant in two ways: "2024-01-02 03:04:05.6+00" and ISO 8601.
  if (name === "opened") return instant(text(value));
  return text(value);
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return value.toString();
  throw new Error(`a value of type ${typeof value} cannot be compared`);
}

function instant(written: string): string {
  const [, date, time, fraction = ""] =
    /^([\d-]+)[T ]([\d:]+)(\.\d+)?(?:Z|\+00(?::00)?)$/.exec(written) ?? [];
  if (date === undefined || time === undefined) return `no UTC instant: ${written}`;
  return `${date} ${time}${fraction.replace(/\.?0+$/, "")}`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
