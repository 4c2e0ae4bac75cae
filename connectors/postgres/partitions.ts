/**
 * The partitions of tables. Postgres tells the stream nothing when one is attached, detached or dropped with
 * its rows (P-18): whoever reads compares the list with the one before.
 */
import type { Partition } from "../../src/connector/connector.js";
import type { ControlConnection, TextRow } from "./control-connection.js";

/** Partitions of one table that are kept apart; a table with more is not watched. */
export const PARTITIONS_MAX = 10_000;

/** By the oid of the table; one with too many is missing. */
export type Partitions = ReadonlyMap<string, readonly Partition[]>;

/** A new partition this small is looked through for rows; a larger one may hold some. */
const LOOK_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The transaction that attached a partition is part of its id: whoever detaches one and attaches it again may
 * have changed rows between.
 */
const partitionsQuery = `
with recursive tree as (
  select i.inhparent as root, i.inhrelid as oid, i.inhrelid::text || '.' || i.xmin::text as id,
         i.xmin as attached
    from pg_inherits i where i.inhparent = any ($1::text[]::oid[])
  union all
  select tree.root, i.inhrelid, tree.id || '/' || i.inhrelid::text || '.' || i.xmin::text,
         case when age(i.xmin) < age(tree.attached) then i.xmin else tree.attached end
    from tree join pg_inherits i on i.inhparent = tree.oid)
select tree.root::text as root, tree.id, n.nspname || '.' || c.relname as leaf,
       format('%I.%I', n.nspname, c.relname) as sql_name, tree.attached::text as attached
  from tree join pg_class c on c.oid = tree.oid and c.relkind <> 'p'
  join pg_class r on r.oid = tree.root and r.relkind = 'p'
  join pg_namespace n on n.oid = c.relnamespace
 order by 1, 2`;

export async function readPartitions(
  control: ControlConnection,
  oids: readonly string[],
): Promise<Partitions> {
  const rows = await control.rows("asking for partitions", partitionsQuery, [oids]);
  const found = new Map(oids.map((oid): [string, Partition[]] => [oid, []]));
  for (const row of rows) {
    found.get(row["root"] ?? "")?.push({
      ...{ id: row["id"] ?? "", leaf: row["leaf"] ?? "" },
      mayHaveBegunWithRows: () => mayHaveBegunWithRows(control, row),
    });
  }
  for (const [root, partitions] of found) {
    if (partitions.length > PARTITIONS_MAX) found.delete(root);
  }
  return found;
}

/** Whether a row is as old as the transaction that made it a partition: what came later was streamed. */
async function mayHaveBegunWithRows(
  control: ControlConnection,
  { sql_name: name, attached }: TextRow,
): Promise<boolean> {
  const doing = `looking for rows in the new partition ${String(name)}`;
  const sizeQuery = "select coalesce(pg_relation_size(to_regclass($1)), 0)::text as bytes";
  const [size] = await control.rows(doing, sizeQuery, [name]);
  const bytes = Number(size?.["bytes"] ?? 0);
  if (bytes === 0 || bytes > LOOK_BYTES_MAX) return bytes > 0;
  const rowsQuery = `select exists (
    select from only ${String(name)} where age(xmin) >= age($1::xid))::text as found`;
  const [row] = await control.rows(doing, rowsQuery, [attached]);
  return row?.["found"] === "true";
}

/** What came or went since; undefined when nothing did. */
export function partitionsDrift(before: Partitions, now: Partitions): string | undefined {
  const named = namesOf(before);
  const found = namesOf(now);
  const came = [...found].find(([id]) => !named.has(id));
  if (came !== undefined) return `the partition ${came[1]} is new`;
  const gone = [...named].find(([id]) => !found.has(id));
  return gone === undefined ? undefined : `the partition ${gone[1]} is gone`;
}

/** A partition under another name is another: documents know it by its name. */
function namesOf(partitions: Partitions): Map<string, string> {
  const names = new Map<string, string>();
  for (const [root, each] of partitions) {
    for (const { id, leaf } of each) names.set(JSON.stringify([root, id, leaf]), leaf);
  }
  return names;
}
