/** A catalogue for tests of the stream alone: every value is text, keys come from the stream or pg_index. */
import type { SourceCatalog } from "../../connectors/postgres/session.js";
import type { Relation } from "../../src/model/change.js";

const columnsOf = `
  select r.oid::text, n.nspname || '.' || r.relname as name, c.oid::text as own,
         cn.nspname || '.' || c.relname as own_name,
         (select json_agg(attname order by attnum) from pg_attribute
           where attrelid = c.oid and attnum > 0 and not attisdropped)::text as columns,
         (select json_agg(a.attname order by array_position(i.indkey::int2[], a.attnum)) from pg_index i
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
           where i.indrelid = c.oid and i.indisprimary)::text as key
    from pg_class c join pg_namespace cn on cn.oid = c.relnamespace
    join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
    join pg_namespace n on n.oid = r.relnamespace`;

type Row = Record<string, string | null>;

export const plainCatalog: SourceCatalog = {
  load: async (client, patterns) => {
    const { rows } = await client.query<Row>(
      `${columnsOf} where c.relkind in ('r', 'p') and not c.relispartition and cn.nspname = 'public'`,
    );
    const matches = (name: string): boolean =>
      patterns.some((pattern) => pattern === name || pattern === "public.*");
    return rows
      .filter((row) => matches(row["name"] ?? ""))
      .map((row) => ({ oid: row["oid"] ?? "", relation: relationOf(row) }));
  },
  describe: async (client, message) => {
    const { rows } = await client.query<Row>(`${columnsOf} where c.oid = $1`, [message.oid]);
    const columns = JSON.stringify(message.columns.map(({ name }) => name));
    const keys = message.columns.filter(({ isKey }) => isKey).map(({ name }) => name);
    const gone = { name: `${message.schema}.${message.table}`, key: JSON.stringify(keys) };
    const row: Row = { ...(rows[0] ?? gone), columns };
    const isLeaf = row["own_name"] !== undefined && row["own"] !== row["oid"];
    return {
      relation: relationOf(row),
      leaf: isLeaf ? (row["own_name"] ?? undefined) : undefined,
      columns: message.columns.map(({ name }) => ({ name, form: (text) => JSON.stringify(text) })),
    };
  },
};

function relationOf(row: Row): Relation {
  const names = JSON.parse(row["columns"] ?? "[]") as string[];
  const primaryKey = JSON.parse(row["key"] ?? "[]") as string[];
  const identity = primaryKey;
  const name = row["name"] ?? "";
  const columns = names.map((column) => ({ name: column, type: "text" as const }));
  const fingerprint = JSON.stringify([name, names, primaryKey]);
  return { name, columns, identity, primaryKey, uniqueKeys: [], fingerprint };
}
