/**
 * Tables that the patterns match, and whether they can be followed. A published table that has nothing to tell
 * its rows apart refuses the application's UPDATE and DELETE: one that appears like this is left alone until it
 * has a key. What somebody published already is followed as it is.
 */
import { channelMatches } from "../../src/model/channel.js";
import type { ControlConnection } from "./control-connection.js";
import type { OriginTable } from "./origins.js";

export interface FoundTables {
  readonly fit: readonly OriginTable[];
  /** Publishing them would break the application. */
  readonly unfit: readonly OriginTable[];
}

/** By their roots; of a partitioned table each partition counts. Since 18, FULL must not hold what is not published. */
const tablesQuery = `
with published as materialized (
  select schemaname, tablename from pg_publication_tables where pubname = $1),
shown as materialized (
  select current_setting('server_version_num')::int < 180000 as is_old,
    coalesce((select to_jsonb(p) ->> 'pubgencols' from pg_publication p where pubname = $1), 's')
      as generated)
select r.oid::text as oid, n.nspname || '.' || r.relname as name, (not exists (
    select 1 from (
      select relid from pg_partition_tree(r.oid::regclass) where isleaf union select r.oid) leaf
      join pg_class c on c.oid = leaf.relid join pg_namespace m on m.oid = c.relnamespace
     where c.relkind = 'r' and not case c.relreplident
         when 'f' then s.is_old or not exists (
           select 1 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
              and not a.attisdropped and a.attgenerated <> ''
              and (a.attgenerated = 'v' or s.generated <> 's'))
         when 'd' then exists (
           select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate)
         when 'i' then exists (
           select 1 from pg_index i where i.indrelid = c.oid and i.indisreplident)
         else false end
       and not exists (select 1 from published p
                        where p.schemaname = m.nspname and p.tablename = c.relname)
  ))::text as is_fit
  from pg_class r join pg_namespace n on n.oid = r.relnamespace cross join shown s
 where r.relkind in ('r', 'p') and not r.relispartition and r.relpersistence <> 't'
   and n.nspname !~ '^pg_(catalog|toast|temp)' and n.nspname <> 'information_schema'`;

export async function findTables(
  control: ControlConnection,
  publication: string,
  patterns: readonly string[],
): Promise<FoundTables> {
  const rows = await control.rows("asking for tables", tablesQuery, [publication]);
  const fit: OriginTable[] = [];
  const unfit: OriginTable[] = [];
  for (const row of rows) {
    const table = { oid: row["oid"] ?? "", name: row["name"] ?? "" };
    if (!patterns.some((pattern) => channelMatches(pattern, table.name))) continue;
    (row["is_fit"] === "true" ? fit : unfit).push(table);
  }
  return { fit, unfit };
}
