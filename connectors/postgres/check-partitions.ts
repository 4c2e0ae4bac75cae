/** Partitions stream by themselves, each with an identity of its own: `check` asks whether they agree. */
import type { Problem } from "../../src/model/problem.js";
import type { TableDescription } from "./catalog.js";
import type { ControlConnection } from "./control-connection.js";

/** Partitions named in one message. */
const NAMED_MAX = 5;

/** Names of the columns that each leaf tells rows apart by, beside those of the first leaf. */
const leavesQuery = `
with leaf as (
  select r.oid as root, c.oid, c.relreplident as how, format('%I.%I', n.nspname, c.relname) as name,
    (select string_agg(a.attname, ',' order by a.attname) from pg_index i
       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
      where i.indrelid = c.oid and case c.relreplident when 'i' then i.indisreplident
        when 'n' then false else i.indisprimary and i.indimmediate end) as columns
    from unnest($1::text[]) t (oid) join pg_class r on r.oid = t.oid::oid and r.relkind = 'p'
    cross join lateral pg_partition_tree(r.oid::regclass) p
    join pg_class c on c.oid = p.relid and c.relkind = 'r'
    join pg_namespace n on n.oid = c.relnamespace)
select leaf.root::text, leaf.name, first.how::text
  from leaf join lateral (
    select f.columns, f.how from leaf f where f.root = leaf.root
     order by f.oid limit 1) first on true
 where leaf.columns is distinct from first.columns or leaf.how = 'n' and first.how <> 'n'
    or leaf.columns is null and leaf.how <> first.how
 order by 1, 2`;

export async function checkPartitions(
  control: ControlConnection,
  tables: readonly TableDescription[],
): Promise<readonly Problem[]> {
  const oids = tables.map(({ oid }) => oid);
  const rows = await control.rows("asking for the identities of partitions", leavesQuery, [oids]);
  return tables.flatMap(({ oid, table }): Problem[] => {
    const odd = rows.filter(({ root }) => root === oid);
    if (odd.length === 0) return [];
    const shown = odd.slice(0, NAMED_MAX).map(({ name }) => String(name));
    const more = odd.length > shown.length ? ` and ${String(odd.length - shown.length)} more` : "";
    const message = `partitions of ${table.name} have another replica identity than its first one: ${shown.join(", ")}${more}`;
    const how = identityOf(odd[0]?.["how"]);
    const cure = shown.map((name) => `ALTER TABLE ${name} REPLICA IDENTITY ${how};`).join(" ");
    return [{ code: "POSTGRES_PUBLICATION_UNFIT", level: "error", message, cure: cure + more }];
  });
}

function identityOf(how: string | null | undefined): string {
  if (how === "i") return "USING INDEX …";
  return how === "f" ? "FULL" : "DEFAULT";
}
