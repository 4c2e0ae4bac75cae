/**
 * Tables as rules see them. Stream and copy describe a table by the same steps, so that both come to the
 * same relation: the stream's columns are those of its message, which may be older than the catalogue.
 *
 * Generated columns are shown where the stream shows them (P-16): stored ones, since 18, if the publication
 * says so.
 */
import type { Client } from "pg";
import { channelMatches } from "../../src/model/channel.js";
import type { Relation } from "../../src/model/change.js";
import type { Column } from "../../src/model/table.js";
import { findOid, readTables, readTypeNames, readTypes } from "./catalog-rows.js";
import type { CatalogColumn, CatalogTable } from "./catalog-rows.js";
import type { RelationMessage } from "./pgoutput.js";
import type { DescribedTable } from "./row-plan.js";
import type { SourceCatalog, WantedTable } from "./postgres-session.js";
import { formOf } from "./value-forms.js";
import type { ValueForm } from "./value-forms.js";

interface AskedColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface TableDescription extends WantedTable {
  readonly table: CatalogTable;
  /** In the order of `relation.columns`. */
  readonly forms: readonly ValueForm[];
}

/** Of one publication: it decides which generated columns are shown. */
export class TableCatalog implements SourceCatalog {
  readonly #publication: string;

  constructor(publication: string) {
    this.#publication = publication;
  }

  /** What the patterns match now. */
  async load(client: Client, patterns: readonly string[]): Promise<readonly TableDescription[]> {
    const tables = await readTables(client, this.#publication);
    const wanted = tables.filter(({ name }) => patterns.some((each) => channelMatches(each, name)));
    const described: TableDescription[] = [];
    for (const table of wanted) described.push(await this.#describe(client, table));
    return described;
  }

  /** One table as it is now; undefined when there is none of that name. */
  async table(client: Client, name: string): Promise<TableDescription | undefined> {
    const oid = await findOid(client, name);
    const [table] = oid === undefined ? [] : await readTables(client, this.#publication, oid);
    return table?.name === name ? this.#describe(client, table) : undefined;
  }

  /** The table of a message. One that is gone is described by the message alone. */
  async describe(client: Client, message: RelationMessage): Promise<DescribedTable> {
    const [found] = await readTables(client, this.#publication, String(message.oid));
    const own = `${message.schema}.${message.table}`;
    const table = found ?? goneTable(message);
    const shown = [...message.columns];
    const order = new Map(table.columns.map(({ name }, at) => [name, at]));
    const last = table.columns.length;
    const isLeaf = found !== undefined && found.oid !== String(message.oid);
    // A partition may hold its columns in another order than its root. Others are as the message says: what
    // was dropped or renamed since does not change its place.
    if (isLeaf) {
      shown.sort((a, b) => (order.get(a.name) ?? last) - (order.get(b.name) ?? last));
    }
    const { columns, forms } = await describeColumns(client, shown);
    const byMessage = message.replicaIdentity === "d" || message.replicaIdentity === "i";
    const names = byMessage
      ? shown.filter(({ isKey }) => isKey).map(({ name }) => name)
      : message.replicaIdentity === "f"
        ? table.primaryKey
        : [];
    const relation = this.#relation(table, columns, names);
    return {
      relation,
      leaf: isLeaf ? own : undefined,
      columns: columns.map(({ name }, at) => ({ name, ...(forms[at] ?? anyForm) })),
    };
  }

  async #describe(client: Client, table: CatalogTable): Promise<TableDescription> {
    const asked = table.columns.filter(({ hidden }) => hidden === null);
    const { columns, forms } = await describeColumns(client, asked);
    const relation = this.#relation(table, columns, identityOf(table));
    return { oid: table.oid, relation, table, forms };
  }

  #relation(
    table: CatalogTable,
    columns: readonly Column[],
    identityNames: readonly string[],
  ): Relation {
    const relation = relationOf(table, columns, identityNames);
    const hidden = table.columns.filter((column) => column.hidden !== null);
    if (hidden.length === 0) return relation;
    const untold = hidden.map((column): [string, string] => [column.name, this.#why(column)]);
    return { ...relation, untold: new Map(untold) };
  }

  #why({ hidden }: CatalogColumn): string {
    if (hidden === "unpublished") {
      const sql = `SET (publish_generated_columns = stored);`;
      const name = `"${this.#publication.replaceAll('"', '""')}"`;
      return `The publication leaves generated columns out: ALTER PUBLICATION ${name} ${sql}`;
    }
    const which = hidden === "virtual" ? "Virtual generated columns" : "Generated columns";
    const until = hidden === "virtual" ? "" : " before Postgres 18";
    return `${which} are not in the stream${until}: \`compute\` it in the rule.`;
  }
}

/** Of a type that the catalogue does not know any more. */
const anyForm: ValueForm = { type: "other", form: (text) => JSON.stringify(text) };

async function describeColumns(
  client: Client,
  asked: readonly AskedColumn[],
): Promise<{ readonly columns: readonly Column[]; readonly forms: readonly ValueForm[] }> {
  const types = await readTypes(
    client,
    asked.map(({ typeOid }) => typeOid),
  );
  const natives = await readTypeNames(client, asked);
  const columns: Column[] = [];
  const forms: ValueForm[] = [];
  for (const [at, { name, typeOid }] of asked.entries()) {
    const facts = types.get(typeOid);
    const form = facts === undefined ? anyForm : formOf(facts);
    const { type, of } = form;
    const native = natives[at] ?? "";
    columns.push(of === undefined ? { name, type, native } : { name, type, of, native });
    forms.push(form);
  }
  return { columns, forms };
}

function identityOf(table: CatalogTable): readonly string[] {
  if (table.replicaIdentity === "i") return table.identityIndex;
  return table.replicaIdentity === "n" ? [] : table.primaryKey;
}

function relationOf(
  table: Pick<CatalogTable, "name" | "primaryKey" | "uniqueKeys">,
  columns: readonly Column[],
  identityNames: readonly string[],
): Relation {
  const { name } = table;
  const names = columns.map((column) => column.name);
  const isThere = (key: readonly string[]): boolean => key.every((each) => names.includes(each));
  // In the order of the columns: the stream does not tell that of the index.
  const identity = isThere(identityNames)
    ? names.filter((each) => identityNames.includes(each))
    : [];
  const primaryKey = isThere(table.primaryKey) ? table.primaryKey : [];
  const uniqueKeys = table.uniqueKeys.filter(isThere);
  const fingerprint = JSON.stringify([name, columns, identity, primaryKey, uniqueKeys]);
  return { name, columns, identity, primaryKey, uniqueKeys, fingerprint };
}

function goneTable({
  oid,
  schema,
  table,
  columns,
  replicaIdentity,
}: RelationMessage): CatalogTable {
  const key = columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  const isKeyed = replicaIdentity === "d" && key.length > 0;
  return {
    ...{ oid: String(oid), name: `${schema}.${table}`, sqlName: "", kind: "r", replicaIdentity },
    columns: columns.map((column) => ({ ...column, isNullable: true, hidden: null })),
    ...{ primaryKey: isKeyed ? key : [], identityIndex: key, uniqueKeys: isKeyed ? [key] : [] },
  };
}
