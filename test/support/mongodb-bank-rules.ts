/**
 * The rules of the convergence test over MongoDB, and beside them what a client with certain channels must hold,
 * made from the documents as the database gives them and written apart from the rules.
 */
import { BSON } from "mongodb";
import type { Db, Document } from "mongodb";
import { documentForms } from "../../connectors/mongodb/values/document-forms.js";
import { rowLine } from "./convergence-rules.js";

const RICH = 1_000;
const VERY_RICH = 1_300;

export interface MongodbBankSource {
  readonly url: string;
  readonly database: string;
  /** How dotted paths of updates are read. */
  readonly updates: "refetch" | "nested";
}

export function mongodbBankConfig({ url, database, updates }: MongodbBankSource): string {
  return `
sources:
  bank: { connector: mongodb, url: "${url}", updates: ${updates} }
rules:${rules.replaceAll("FROM ", `from: ${database}.`)}`;
}

const accountColumns = `
    fields: [_id, region, balance, note, extra]
    types: { _id: int64, region: int, balance: decimal, note: text }
    rename: { _id: id }`;

const rules = `
  - name: accounts
    source: bank
    FROM accounts
    channel: "region:{doc.region}"${accountColumns}
  - name: very-rich
    source: bank
    FROM accounts
    where: doc.balance > ${VERY_RICH}.0
    channel: very-rich${accountColumns}
  - name: rich
    source: bank
    FROM accounts
    where: doc.balance > ${RICH}.0
    channel: rich
    as: rich
    fields: [_id, region, balance]
    types: { _id: int64, region: int, balance: decimal }
    rename: { _id: id, balance: money }
  - name: vaults
    source: bank
    FROM vaults
    channel: vaults
    fields: [_id, balance, opened]
    types: { _id: int, balance: decimal, opened: timestamptz }
    rename: { _id: id }
  - name: items
    source: bank
    FROM items
    where: doc.hidden == false
    channel: "shelf:{doc.shelf}"
    fields: [_id, _id.id, _id.shelf, weight, body]
    types: { _id.id: int, _id.shelf: int, weight: float, body: text }
    rename: { _id.id: id, _id.shelf: shelf, weight: mass }
    compute: { label: "'item ' + string(doc._id.id)" }
  - name: docs
    source: bank
    FROM docs
    channels: doc.tags.map(t, "tag:" + t)
    fields: [_id, title, body]
    types: { _id: int, title: text, body: text }
    rename: { _id: id }
  # Needs the large field and puts it out nowhere.
  - name: lengths
    source: bank
    FROM docs
    where: size(doc.tags) > 0
    channel: lengths
    as: lengths
    fields: [_id, tags]
    types: { _id: int }
    rename: { _id: id }
    compute: { length: "has(doc.body) ? size(doc.body) : 0" }
  - name: trail
    source: bank
    FROM trail
    channel: trail
    kind: events
    fields: [_id, account, amount]
    types: { _id: int, account: int64, amount: decimal }
    rename: { _id: id }
  - name: ledger
    source: bank
    FROM accounts
    channel: ledger
    fields: [_id, region, balance]
    types: { _id: int64, region: int, balance: decimal }
    rename: { _id: id }
    as: ledger
    kind: events
`;

type Row = readonly (readonly [string, unknown])[];

interface TableReading {
  readonly from: string;
  /** In the order of `columnsOf` in convergence-rules.ts. */
  row(document: Document, raw: Uint8Array): Row;
  has(document: Document, channel: string): boolean;
}

const number = (value: unknown): string => String(Number(value));

const readings: Readonly<Record<string, TableReading>> = {
  accounts: {
    from: "accounts",
    row: ({ _id, region, balance, note }, raw) => [
      ...([
        ["id", number(_id)],
        ["region", number(region)],
      ] as const),
      ...([
        ["balance", String(balance)],
        ["note", note],
      ] as const),
      ["extra", documentForms(["extra"]).document(raw)[0] || null],
    ],
    has: ({ region, balance }, channel) =>
      channel === "very-rich"
        ? Number(String(balance)) > VERY_RICH
        : channel === `region:${number(region)}`,
  },
  rich: {
    from: "accounts",
    row: ({ _id, region, balance }) => [
      ...([
        ["id", number(_id)],
        ["region", number(region)],
      ] as const),
      ["money", String(balance)],
    ],
    has: ({ balance }, channel) => channel === "rich" && Number(String(balance)) > RICH,
  },
  vaults: {
    from: "vaults",
    row: ({ _id, balance, opened }) => [
      ...([
        ["id", number(_id)],
        ["balance", String(balance)],
      ] as const),
      ["opened", (opened as Date).toISOString()],
    ],
    has: (_, channel) => channel === "vaults",
  },
  items: {
    from: "items",
    row: ({ id, shelf, weight, body }) => [
      ...([
        ["id", number(id)],
        ["shelf", number(shelf)],
        ["mass", number(weight)],
      ] as const),
      ...([
        ["body", body],
        ["label", `item ${number(id)}`],
      ] as const),
    ],
    has: ({ shelf, hidden }, channel) => hidden === false && channel === `shelf:${number(shelf)}`,
  },
  docs: {
    from: "docs",
    row: ({ _id, title, body }) => [
      ...([
        ["id", number(_id)],
        ["title", title],
        ["body", body],
      ] as const),
    ],
    has: ({ tags }, channel) => (tags as string[]).some((tag) => channel === `tag:${tag}`),
  },
  lengths: {
    from: "docs",
    row: ({ _id, tags, body }) => [
      ...([
        ["id", number(_id)],
        ["tags", JSON.stringify(tags)],
      ] as const),
      ["length", String(((body as string | undefined) ?? "").length)],
    ],
    has: ({ tags }, channel) => channel === "lengths" && (tags as string[]).length > 0,
  },
};

/** What a client with these channels must hold in this table: a line of JSON per row, sorted. */
export async function rowsOfMongodb(
  db: Db,
  table: string,
  channels: readonly string[],
): Promise<string[]> {
  const reading = readings[table];
  if (reading === undefined) throw new Error(`no reading of ${table}`);
  const lines: string[] = [];
  for await (const found of db.collection(reading.from).find({}, { raw: true })) {
    const raw = found as unknown as Uint8Array;
    const document = BSON.deserialize(raw);
    if (!channels.some((channel) => reading.has(document, channel))) continue;
    lines.push(rowLine(reading.row(document, raw)));
  }
  return lines.sort();
}
