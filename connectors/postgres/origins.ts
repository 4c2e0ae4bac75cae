/**
 * Where rows of tables come from. Postgres tells the stream nothing when a table is dropped, made anew or
 * taken out of the publication, or when a partition is attached, detached or dropped with its rows (P-18,
 * P-19): whoever reads compares what there is with what there was.
 */
import type { Origin, Partition } from "../../src/connector/connector.js";
import type { ControlConnection, TextRow } from "./control-connection.js";

/** Partitions of one table that are kept apart; those of a table with more are not watched. */
const PARTITIONS_MAX = 10_000;

/** A new partition this small is looked through for rows; a larger one may hold some. */
const LOOK_BYTES_MAX = 64 * 1024 * 1024;

/** By the name of the table. */
export type Origins = ReadonlyMap<string, Origin>;

export interface OriginTable {
  readonly oid: string;
  readonly name: string;
}

/**
 * A table that was out of the publication comes back with another row there; who alters the publication
 * itself writes its row anew.
 */
const tablesQuery = `
select w.oid, w.oid || '.' || coalesce(r.oid::text, '') || '.' || p.xmin::text as id
  from unnest($1::text[]) w (oid) cross join pg_publication p
  left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = w.oid::oid
 where p.pubname = $2`;

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

export async function readOrigins(
  control: ControlConnection,
  publication: string,
  tables: readonly OriginTable[],
): Promise<Origins> {
  const doing = "asking where the rows of tables come from";
  const oids = tables.map(({ oid }) => oid);
  const ids = await control.rows(doing, tablesQuery, [oids, publication]);
  const idOf = new Map(ids.map((row) => [row["oid"], row["id"] ?? ""]));
  const partitions = new Map(oids.map((oid): [string, Partition[]] => [oid, []]));
  for (const row of await control.rows(doing, partitionsQuery, [oids])) {
    partitions.get(row["root"] ?? "")?.push({
      ...{ id: row["id"] ?? "", leaf: row["leaf"] ?? "" },
      mayHaveBegunWithRows: () => mayHaveBegunWithRows(control, row),
    });
  }
  const origins = new Map<string, Origin>();
  for (const { oid, name } of tables) {
    const each = partitions.get(oid) ?? [];
    const id = idOf.get(oid) ?? oid;
    origins.set(name, each.length > PARTITIONS_MAX ? { id } : { id, partitions: each });
  }
  return origins;
}

/** What came or went since; undefined when nothing did. */
export function originDrift(before: Origins, now: Origins): string | undefined {
  const named = placesOf(before);
  const found = placesOf(now);
  const came = [...found].find(([id]) => !named.has(id));
  if (came !== undefined) return `${came[1]} is new, or was away meanwhile`;
  const gone = [...named].find(([id]) => !found.has(id));
  return gone === undefined ? undefined : `${gone[1]} is gone`;
}

/** Tables and partitions by all that makes them the same. Documents know a partition by its name. */
function placesOf(origins: Origins): Map<string, string> {
  const places = new Map<string, string>();
  for (const [table, { id, partitions = [] }] of origins) {
    places.set(JSON.stringify([table, id]), table);
    for (const { id: part, leaf } of partitions) {
      places.set(JSON.stringify([table, part, leaf]), leaf);
    }
  }
  return places;
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
