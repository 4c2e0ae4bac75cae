/**
 * The publication: finds out what it shows, creates it and adds tables where the options allow it, and
 * refuses one that would show less than every change.
 */
import { sleep } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import type { ControlConnection, TextRow } from "./control-connection.js";
import { blocked, OLDER_TRANSACTIONS_MS, POLL_MS } from "./provision.js";
import type { ProvisionContext, ProvisionOptions } from "./provision.js";

export interface PublicationFacts {
  readonly oid: string;
  /** It was not there before. */
  readonly isNew: boolean;
  /** Oids of the wanted tables that it did not show in full when we came. */
  readonly unpublished: readonly string[];
}

/** The publication, which shows every change of the tables (oids) from now on. */
export async function providePublication(
  context: ProvisionContext,
  tables: readonly string[],
): Promise<PublicationFacts> {
  const { control, options } = context;
  const found = await findPublication(control, options.publication);
  if (found === undefined) {
    await createPublication(context, tables);
    const made = await findPublication(control, options.publication);
    return { oid: made?.["oid"] ?? "", isNew: true, unpublished: tables };
  }
  assertShowsAll(options, found);
  const unpublished = await findUnpublished(control, options.publication, tables);
  if (unpublished.length > 0) await addTables(context, unpublished);
  await assertUnfiltered(context, found, tables);
  return { oid: found["oid"] ?? "", isNew: false, unpublished };
}

/** What `check` asks: nothing is created. */
export async function publicationFault(
  control: ControlConnection,
  options: ProvisionOptions,
  tables: readonly string[],
): Promise<{
  readonly exists: boolean;
  readonly unpublished: readonly string[];
  readonly error: AppError | undefined;
}> {
  const found = await findPublication(control, options.publication);
  if (found === undefined) return { exists: false, unpublished: tables, error: undefined };
  const unpublished = await findUnpublished(control, options.publication, tables);
  try {
    assertShowsAll(options, found);
    await assertUnfiltered({ control, options }, found, tables);
    return { exists: true, unpublished, error: undefined };
  } catch (error) {
    if (error instanceof AppError) return { exists: true, unpublished, error };
    throw error;
  }
}

/** What is different from what was provided, for a look while the stream runs. */
export async function publicationDrift(
  control: ControlConnection,
  publication: string,
  known: { readonly oid: string; readonly tables: readonly string[] },
): Promise<string | undefined> {
  const found = await findPublication(control, publication);
  if (found?.["oid"] !== known.oid) return "the publication was dropped or made anew";
  const [missing] = await findUnpublished(control, publication, known.tables);
  if (missing === undefined) return undefined;
  return `the publication does not hold the table with oid ${missing} any more`;
}

/**
 * Transactions that wrote before a table was published are not shown, although they may commit later than
 * a copy looks: waits until none is left. Errors: POSTGRES_SLOT_BUSY.
 */
export async function awaitOlderWriters(
  context: ProvisionContext,
  publicationOid: string,
): Promise<void> {
  const { control, clock, signal } = context;
  const until = clock.monotonic() + OLDER_TRANSACTIONS_MS;
  for (;;) {
    const [row] = await control.rows(
      "waiting for transactions that are older than the publication",
      `with oldest as (
         select age(((pg_snapshot_xmin(pg_current_snapshot())::text::numeric
                      % 4294967296)::text)::xid) as age)
       select exists (
         select 1 from pg_publication p, oldest where p.oid = $1 and age(p.xmin) <= oldest.age
         union all
         select 1 from pg_publication_rel r, oldest
          where r.prpubid = $1 and age(r.xmin) <= oldest.age) as young`,
      [publicationOid],
    );
    if (row?.["young"] !== "t") return;
    if (clock.monotonic() >= until) throw await blocked(context, "publishing the tables");
    await sleep(clock, POLL_MS, signal);
  }
}

async function findPublication(
  control: ControlConnection,
  name: string,
): Promise<TextRow | undefined> {
  const [row] = await control.rows(
    `asking for the publication ${name}`,
    "select * from pg_publication where pubname = $1",
    [name],
  );
  return row;
}

/** A table is published when each of its partitions is, or it has none. */
async function findUnpublished(
  control: ControlConnection,
  publication: string,
  tables: readonly string[],
): Promise<string[]> {
  const rows = await control.rows(
    `asking what the publication ${publication} shows`,
    `select w.oid::text as oid from unnest($2::text[]) as t (oid_text)
       cross join lateral (select t.oid_text::oid as oid) w
      where exists (
        select 1 from (
          select relid from pg_partition_tree(w.oid::regclass) where isleaf
          union select w.oid
           where not exists (select 1 from pg_partition_tree(w.oid::regclass))) leaf
          join pg_class c on c.oid = leaf.relid join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and not exists (
           select 1 from pg_publication_tables p
            where p.pubname = $1 and p.schemaname = n.nspname and p.tablename = c.relname))
         or (exists (select 1 from pg_class c where c.oid = w.oid and c.relkind = 'p')
           and not (select puballtables from pg_publication where pubname = $1)
           and not exists (select 1 from pg_partition_tree(w.oid::regclass) where isleaf
                             and relid <> w.oid)
           and not exists (select 1 from pg_publication_rel r
                             join pg_publication p on p.oid = r.prpubid
                            where p.pubname = $1 and r.prrelid = w.oid))`,
    [publication, tables],
  );
  return rows.map((row) => row["oid"] ?? "");
}

function assertShowsAll({ publication }: ProvisionOptions, found: TextRow): void {
  const name = quoted(publication);
  const missing = ["insert", "update", "delete", "truncate"].filter(
    (action) => found[`pub${action}`] !== "t",
  );
  if (missing.length > 0) {
    const message = `reading the publication ${publication}: it leaves out ${missing.join(", ")}`;
    const cure = `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate');`;
    throw new AppError("POSTGRES_PUBLICATION_UNFIT", message, { cure });
  }
  if (found["pubviaroot"] === "t") {
    const what = "it hides partitions (publish_via_partition_root)";
    const message = `reading the publication ${publication}: ${what}`;
    const cure = `ALTER PUBLICATION ${name} SET (publish_via_partition_root = false);`;
    throw new AppError("POSTGRES_PUBLICATION_UNFIT", message, { cure });
  }
}

/** Row filters and column lists come with 15; before, the columns are not in the catalogue. */
async function assertUnfiltered(
  { control, options }: Pick<ProvisionContext, "control" | "options">,
  found: TextRow,
  tables: readonly string[],
): Promise<void> {
  const rows = await control.rows(
    `asking what the publication ${options.publication} leaves out`,
    `select prrelid::regclass::text as name from pg_publication_rel r
      where prpubid = $1
        and (to_jsonb(r) ->> 'prqual' is not null or to_jsonb(r) ->> 'prattrs' is not null)
        and exists (select 1 from unnest($2::text[]) t (oid)
                     where t.oid::oid = prrelid
                        or prrelid in (select relid from pg_partition_tree(t.oid::oid::regclass)))`,
    [found["oid"], tables],
  );
  const [first] = rows;
  if (first === undefined) return;
  const table = String(first["name"]);
  const what = `${table} has a row filter or a column list`;
  const message = `reading the publication ${options.publication}: ${what}`;
  const name = quoted(options.publication);
  const alter = `ALTER PUBLICATION ${name}`;
  const cure = `${alter} DROP TABLE ${table}; ${alter} ADD TABLE ${table}; and filter by rules.`;
  throw new AppError("POSTGRES_PUBLICATION_UNFIT", message, { cure });
}

async function createPublication(
  context: ProvisionContext,
  tables: readonly string[],
): Promise<void> {
  const { control, options } = context;
  const names = await tableNames(control, tables);
  const sql = await creatingSql(control, options.publication, names);
  if (!options.createPublication) {
    const message = `reading the publication ${options.publication}: there is none`;
    throw new AppError("POSTGRES_PUBLICATION_UNFIT", message, { cure: sql });
  }
  await control.rows(`creating the publication ${options.publication}`, sql);
}

/** The statement that makes the publication; names are quoted. Stored generated columns are shown where the server can. */
export async function creatingSql(
  control: ControlConnection,
  publication: string,
  names: readonly string[],
): Promise<string> {
  const [row] = await control.rows(
    "asking for the server's version",
    "select current_setting('server_version_num') as version",
  );
  const what = names.length === 0 ? "" : ` FOR TABLE ${names.join(", ")}`;
  const isOld = Number(row?.["version"] ?? 0) < 180_000;
  const how = isOld ? "" : " WITH (publish_generated_columns = stored)";
  return `CREATE PUBLICATION ${quoted(publication)}${what}${how};`;
}

async function addTables(context: ProvisionContext, tables: readonly string[]): Promise<void> {
  const { control, options } = context;
  const names = await tableNames(control, tables);
  const sql = `ALTER PUBLICATION ${quoted(options.publication)} ADD TABLE ${names.join(", ")};`;
  if (!options.createPublication) {
    const message = `reading the publication ${options.publication}: it lacks ${names.join(", ")}`;
    throw new AppError("POSTGRES_PUBLICATION_UNFIT", message, { cure: sql });
  }
  await control.rows(`adding tables to the publication ${options.publication}`, sql);
}

/** Quoted, with their schemas. */
async function tableNames(control: ControlConnection, oids: readonly string[]): Promise<string[]> {
  const rows = await control.rows(
    "asking for the names of tables",
    "select oid::text::oid::regclass::text as name from unnest($1::text[]) t (oid)",
    [oids],
  );
  return rows.map((row) => row["name"] ?? "");
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
