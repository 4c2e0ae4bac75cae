/** What is asked of the system catalogue about tables and types; the same questions for stream, copy and check. */
import type { Client } from "pg";
import type { TypeFacts } from "./value-forms.js";

/** Of a generated column: virtual, or its publication leaves it out, or the server is older than 18. */
export type Hidden = "virtual" | "unpublished" | "version";

export interface CatalogColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly isNullable: boolean;
  /** Why neither stream nor copy show the column. */
  readonly hidden: Hidden | null;
}

/** A table by its root: partitions are found through it. */
export interface CatalogTable {
  readonly oid: string;
  readonly name: string;
  /** Quoted for SQL. */
  readonly sqlName: string;
  /** r or p. */
  readonly kind: string;
  /** Of the first partition where the table is partitioned: d, i, f, n. */
  readonly replicaIdentity: string;
  readonly columns: readonly CatalogColumn[];
  readonly primaryKey: readonly string[];
  /** Of the index that is the replica identity. */
  readonly identityIndex: readonly string[];
  readonly uniqueKeys: readonly (readonly string[])[];
}

const tablesQuery = `
with root as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relreplident
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and n.nspname !~ '^pg_(catalog|toast|temp)'
     and n.nspname <> 'information_schema' and c.relpersistence <> 't'
     and (case when $1::text is null then not c.relispartition
          else c.oid = coalesce(pg_partition_root($1::text::oid), $1::text::oid) end)),
-- A publication that is not there yet is made to show stored generated columns.
shown as (
  select current_setting('server_version_num')::int < 180000 as is_old,
    coalesce((select to_jsonb(p) ->> 'pubgencols' from pg_publication p where pubname = $2), 's')
      as generated)
select r.oid::text as oid, r.nspname || '.' || r.relname as name, r.relkind::text as kind,
  format('%I.%I', r.nspname, r.relname) as sql_name,
  coalesce(leaf.relreplident, r.relreplident)::text as replica_identity,
  (select coalesce(json_agg(json_build_object('name', a.attname, 'typeOid', a.atttypid::int8,
       'typeModifier', a.atttypmod, 'isNullable', not a.attnotnull,
       'hidden', case when a.attgenerated = '' then null when a.attgenerated = 'v' then 'virtual'
          when s.is_old then 'version' when s.generated <> 's' then 'unpublished' end)
       order by a.attnum), '[]') from pg_attribute a
    where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped)::text as columns,
  (select coalesce(json_agg(json_build_object('primary', i.indisprimary, 'columns', k.names)
       order by i.indexrelid), '[]') from pg_index i
     cross join lateral (select json_agg(a.attname order by u.place) as names
        from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality u (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum) k
    where i.indrelid = r.oid and i.indisunique and i.indimmediate and i.indisvalid
      and i.indpred is null and i.indexprs is null)::text as keys,
  (select json_agg(a.attname)::text from pg_index i
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = coalesce(leaf.oid, r.oid) and i.indisreplident) as identity_index
  from shown s cross join root r left join lateral (
    select c.oid, c.relreplident from pg_partition_tree(r.oid) t join pg_class c on c.oid = t.relid
     where t.isleaf and r.relkind = 'p' and c.oid <> r.oid order by c.oid limit 1) leaf on true
 order by 2`;

interface KeyRow {
  readonly primary: boolean;
  readonly columns: readonly string[];
}

/** All tables, or the root of one, as the publication shows them. */
export async function readTables(
  client: Client,
  publication: string,
  oid?: string,
): Promise<readonly CatalogTable[]> {
  const { rows } = await client.query<Record<string, string | null>>(tablesQuery, [
    oid ?? null,
    publication,
  ]);
  return rows.map((row) => {
    const columns = JSON.parse(row["columns"] ?? "[]") as CatalogColumn[];
    const keys = JSON.parse(row["keys"] ?? "[]") as KeyRow[];
    const isNotNull = (name: string): boolean =>
      columns.some((column) => column.name === name && !column.isNullable);
    return {
      oid: row["oid"] ?? "",
      name: row["name"] ?? "",
      sqlName: row["sql_name"] ?? "",
      kind: row["kind"] ?? "r",
      replicaIdentity: row["replica_identity"] ?? "d",
      columns,
      primaryKey: keys.find(({ primary }) => primary)?.columns ?? [],
      identityIndex: JSON.parse(row["identity_index"] ?? "[]") as string[],
      uniqueKeys: keys.map((key) => key.columns).filter((names) => names.every(isNotNull)),
    };
  });
}

/** Of the table of that name (schema.table). */
export async function findOid(client: Client, name: string): Promise<string | undefined> {
  const { rows } = await client.query<{ oid: string }>(
    `select c.oid::text as oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relname = any ($2::text[])
        and n.nspname || '.' || c.relname = $1`,
    [name, endsOf(name)],
  );
  return rows[0]?.oid;
}

/** What may be the table's part of the name: dots may stand in it. The index needs it. */
function endsOf(name: string): readonly string[] {
  const parts = name.split(".");
  return parts.map((_, at) => parts.slice(at).join("."));
}

const typesQuery = `
with recursive base as (
  select t.oid as asked, t.oid, t.typtype, t.typbasetype from pg_type t
   where t.oid = any ($1::int8[]::oid[])
  union all
  select b.asked, t.oid, t.typtype, t.typbasetype from base b
    join pg_type t on t.oid = b.typbasetype where b.typtype = 'd')
select b.asked::text as oid, t.typname::text as name, t.typtype::text as kind,
  t.typcategory::text as category, item.oid::text as item, item.typdelim::text as delimiter
  from base b join pg_type t on t.oid = b.oid
  left join pg_type item on item.oid = t.typelem and item.typarray = t.oid
 where b.typtype <> 'd'`;

/** Types by oid; domains show their base type. A type that is gone is missing. */
export async function readTypes(
  client: Client,
  oids: readonly number[],
): Promise<ReadonlyMap<number, TypeFacts>> {
  const found = new Map<number, Record<string, string | null>>();
  // Items of arrays may be domains over arrays, and so on: the depth is bounded by what people write.
  let wanted = [...new Set(oids)];
  for (let depth = 0; depth < 8 && wanted.length > 0; depth += 1) {
    const { rows } = await client.query<Record<string, string | null>>(typesQuery, [wanted]);
    for (const row of rows) found.set(Number(row["oid"]), row);
    const items = rows.map((row) => Number(row["item"] ?? 0));
    wanted = [...new Set(items)].filter((oid) => oid !== 0 && !found.has(oid));
  }
  const facts = (oid: number): TypeFacts | undefined => {
    const row = found.get(oid);
    if (row === undefined) return undefined;
    const item =
      row["item"] === null || row["item"] === undefined ? undefined : facts(Number(row["item"]));
    const { name, kind, category, delimiter } = row;
    return {
      ...{ name: name ?? "", kind: kind ?? "b", category: category ?? "U", item },
      delimiter: delimiter ?? ",",
    };
  };
  const known = new Map<number, TypeFacts>();
  for (const oid of oids) {
    const type = facts(oid);
    if (type !== undefined) known.set(oid, type);
  }
  return known;
}

/** The names that Postgres gives types with their modifiers, in the order asked for. */
export async function readTypeNames(
  client: Client,
  columns: readonly { readonly typeOid: number; readonly typeModifier: number }[],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format_type(t.oid::oid, t.modifier) as name
       from unnest($1::int8[], $2::int4[]) with ordinality t (oid, modifier, place) order by place`,
    [columns.map(({ typeOid }) => typeOid), columns.map(({ typeModifier }) => typeModifier)],
  );
  return rows.map(({ name }) => name);
}
