/** What `check` looks at in each table, and in the publication that shows them. */
import type { Problem } from "../../src/model/problem.js";
import type { TableDescription } from "./catalog.js";
import type { CatalogTable } from "./catalog-rows.js";
import { checkPartitions } from "./check-partitions.js";
import type { ControlConnection, TextRow } from "./control-connection.js";
import type { PostgresOptions } from "./options.js";
import { creatingSql, publicationFault } from "./publication.js";

export interface CheckedTables {
  readonly control: ControlConnection;
  readonly options: PostgresOptions;
  readonly role: TextRow;
}

export async function checkTables(
  checked: CheckedTables,
  tables: readonly TableDescription[],
): Promise<readonly Problem[]> {
  const rows = await readPrivileges(checked.control, tables);
  const problems = tables.flatMap((table) =>
    checkTable(table, rows.get(table.oid) ?? {}, checked.role),
  );
  const partitions = await checkPartitions(checked.control, tables);
  return [...problems, ...partitions, ...(await checkPublication(checked, tables, rows))];
}

async function readPrivileges(
  control: ControlConnection,
  tables: readonly TableDescription[],
): Promise<ReadonlyMap<string, TextRow>> {
  const rows = await control.rows(
    "asking for the privileges on tables",
    `select c.oid::text as oid, case when has_table_privilege(c.oid, 'SELECT')
              and has_schema_privilege(c.relnamespace, 'USAGE') then 't' else 'f' end as can_select,
            case when row_security_active(c.oid) then 't' else 'f' end as is_filtered,
            case when pg_has_role(c.relowner, 'USAGE') then 't' else 'f' end as is_owner,
            c.relpersistence::text as persistence, quote_ident(n.nspname) as schema
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.oid::text = any ($1::text[])`,
    [tables.map(({ oid }) => oid)],
  );
  return new Map(rows.map((row) => [row["oid"] ?? "", row]));
}

function checkTable({ table, relation }: TableDescription, row: TextRow, role: TextRow): Problem[] {
  const { sqlName, name } = table;
  const user = String(role["name"]);
  const problems: Problem[] = [];
  const add = (code: Problem["code"], message: string, cure: string): void => {
    problems.push({ code, level: "error", message, cure });
  };
  if (row["can_select"] === "f") {
    const usage = `GRANT USAGE ON SCHEMA ${String(row["schema"])} TO ${user};`;
    const cure = `${usage} GRANT SELECT ON ${sqlName} TO ${user};`;
    add("POSTGRES_PRIVILEGE_MISSING", `the user ${user} may not read ${name}`, cure);
  }
  if (row["is_filtered"] === "t") {
    const message = `row level security hides rows of ${name} from the user ${user}`;
    add("POSTGRES_PRIVILEGE_MISSING", message, `ALTER ROLE ${user} BYPASSRLS;`);
  }
  if (row["persistence"] === "u") {
    const message = `${name} is unlogged: its changes never reach the stream`;
    add("POSTGRES_PUBLICATION_UNFIT", message, `ALTER TABLE ${sqlName} SET LOGGED;`);
  }
  // Whole old rows are enough for rules that keep nothing; those that do say themselves that a key is missing.
  if (relation.identity.length === 0 && table.replicaIdentity !== "f") {
    const message = `${name} has no replica identity; published, it refuses UPDATE and DELETE`;
    add("POSTGRES_PUBLICATION_UNFIT", message, identityCure(table));
  }
  // Since 18: error 42P10, "Replica identity must not contain unpublished generated columns".
  const unpublished = table.columns.filter(({ hidden }) => hidden !== null && hidden !== "version");
  const [column] = table.replicaIdentity === "f" ? unpublished : [];
  if (column !== undefined) {
    const what = `REPLICA IDENTITY FULL and the unpublished generated column ${column.name}`;
    const message = `${name} has ${what}; published, it refuses UPDATE and DELETE`;
    const cure = relation.untold?.get(column.name) ?? "";
    const isStored = column.hidden === "unpublished";
    add("POSTGRES_PUBLICATION_UNFIT", message, isStored ? cure : identityCure(table));
  }
  return problems;
}

function identityCure({ sqlName, kind, primaryKey, uniqueKeys }: CatalogTable): string {
  const [unique] = uniqueKeys;
  if (primaryKey.length > 0) {
    const each = kind === "p" ? " (and the same for each of its partitions)" : "";
    return `ALTER TABLE ${sqlName} REPLICA IDENTITY DEFAULT;${each}`;
  }
  if (unique === undefined) {
    const full = `ALTER TABLE ${sqlName} REPLICA IDENTITY FULL;`;
    return `ALTER TABLE ${sqlName} ADD PRIMARY KEY (…); or, for \`events\` rules alone: ${full}`;
  }
  const columns = unique.map((column) => `"${column.replaceAll('"', '""')}"`).join(", ");
  return `ALTER TABLE ${sqlName} ADD PRIMARY KEY (${columns});`;
}

async function checkPublication(
  { control, options, role }: CheckedTables,
  tables: readonly TableDescription[],
  rows: ReadonlyMap<string, TextRow>,
): Promise<readonly Problem[]> {
  const { publication, createPublication } = options;
  const oids = tables.map(({ oid }) => oid);
  const found = await publicationFault(control, options, oids);
  if (found.error !== undefined) {
    const { code, message, cure } = found.error;
    return [{ code, level: "error", message, cure: cure ?? "" }];
  }
  const missing = tables.filter(({ oid }) => found.unpublished.includes(oid));
  if (found.exists && missing.length === 0) return [];
  const names = missing.map(({ table }) => table.sqlName);
  const quoted = `"${publication.replaceAll('"', '""')}"`;
  const sql = found.exists
    ? `ALTER PUBLICATION ${quoted} ADD TABLE ${names.join(", ")};`
    : await creatingSql(control, publication, names);
  const what = found.exists ? `lacks ${names.join(", ")}` : "does not exist";
  const code = "POSTGRES_PUBLICATION_UNFIT";
  if (!createPublication) {
    const message = `the publication ${publication} ${what}, and createPublication is false`;
    return [{ code, level: "error", message, cure: `As the owner: ${sql}` }];
  }
  const isOwner = missing.every(({ oid }) => rows.get(oid)?.["is_owner"] === "t");
  const mayCreate = found.exists || role["can_create"] === "t";
  if (isOwner && mayCreate) return [];
  const user = String(role["name"]);
  const message = `the publication ${publication} ${what}, and the user ${user} may not mend that`;
  return [{ code, level: "error", message, cure: `As the owner of the tables: ${sql}` }];
}
