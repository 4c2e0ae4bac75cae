/**
 * Existing rows, chunk by chunk in the order of a unique key. Each chunk is one read-only transaction of
 * one snapshot. A commit reaches the stream before snapshots show it: a chunk whose snapshot lacks a
 * transaction that the stream has already yielded is read again.
 */
import type { Client, QueryConfig } from "pg";
import { sleep } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import type { Relation } from "../../src/model/change.js";
import type { ChunkRequest, CopyChunk, CopyPower, CopyRow } from "../../src/connector/connector.js";
import type { TableCatalog, TableDescription } from "./catalog.js";
import { connect, endClient, failureOf } from "./connection.js";
import type { Connecting } from "./connection.js";
import type { SeenTransactions } from "./seen-transactions.js";
import { QUERY_TIMEOUT_MS } from "./control-connection.js";
import { lsnText, parseLsn, positionOf } from "./wal-position.js";

/** Rows fetched at a time, before their size is looked at. */
const FETCH_MIN = 16;
const FETCH_MAX = 500;

/** A commit that waits for a synchronous standby stays invisible meanwhile. */
const INVISIBLE_POLL_MS = 20;

/** WAL pages, and the longest header at the start of one (XLogLongPageHeaderData). */
const PAGE_BYTES = 8_192n;
const HEADER_BYTES_MAX = 40n;

export interface CopyOptions {
  readonly connecting: Connecting;
  readonly catalog: TableCatalog;
  readonly source: string;
  readonly clock: Clock;
  readonly seen: SeenTransactions;
  /** Aborted at the end of the session. */
  readonly ended: AbortSignal;
}

export function copyPower(options: CopyOptions): CopyPower {
  return new TableCopy(options);
}

class TableCopy implements CopyPower {
  readonly #options: CopyOptions;
  #client: Client | undefined;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  async estimate({ name }: Relation): Promise<number | undefined> {
    const client = await connect(
      this.#options.connecting,
      this.#options.ended,
      `changecast ${this.#options.source} estimate`,
    );
    try {
      const { rows } = await client.query<{ rows: string | null }>({
        query_timeout: QUERY_TIMEOUT_MS,
        text: `select sum(greatest(l.reltuples, 0))::int8::text as rows
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           left join lateral (select relid from pg_partition_tree(c.oid) where isleaf
                              union select c.oid) t on true
           join pg_class l on l.oid = t.relid
          where n.nspname || '.' || c.relname = $1 and l.relkind = 'r'`,
        values: [name],
      } as QueryConfig);
      const estimate = Number(rows[0]?.rows ?? 0);
      return estimate > 0 ? estimate : undefined;
    } catch (error) {
      throw failureOf(error, `estimating the rows of ${name}`);
    } finally {
      await endClient(client);
    }
  }

  async chunk(request: ChunkRequest, signal: AbortSignal): Promise<CopyChunk> {
    const { name } = request.relation;
    // What is yielded from here on is none of this chunk's business.
    const yielded = this.#options.seen.xids;
    try {
      for (;;) {
        const client = await this.#connected(signal);
        const chunk = await this.#read(client, request, yielded);
        if (chunk !== undefined) return chunk;
        await sleep(this.#options.clock, INVISIBLE_POLL_MS, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw failureOf(error, `copying ${name}`);
    }
  }

  /** One connection for all chunks, until the session ends. */
  async #connected(signal: AbortSignal): Promise<Client> {
    if (this.#client !== undefined) return this.#client;
    const { connecting, source, clock, ended } = this.#options;
    const life = AbortSignal.any([signal, ended]);
    const client = await connect(connecting, life, `changecast ${source} copy`);
    const end = (): void => {
      this.#client = undefined;
      endClient(client, clock).catch(() => undefined);
    };
    life.addEventListener("abort", end, { once: true });
    this.#client = client;
    return client;
  }

  /** Undefined: the snapshot lacks what the stream has shown. */
  async #read(
    client: Client,
    request: ChunkRequest,
    yielded: readonly number[],
  ): Promise<CopyChunk | undefined> {
    const { name } = request.relation;
    const { seen } = this.#options;
    let chunk: CopyChunk;
    let lsn: bigint;
    await client.query("begin transaction isolation level repeatable read read only");
    try {
      // Locked before the snapshot is taken, so that catalogue and rows are of one shape.
      await client.query(`lock table ${quotedName(name)} in access share mode`);
      await client.query("set local row_security = off");
      const { rows } = await client.query<{ snapshot: string }>(
        "select pg_current_snapshot()::text as snapshot",
      );
      if (!seen.areVisible(rows[0]?.snapshot ?? "", yielded)) return undefined;
      // Before the rows: reading them may write WAL itself (pruning), which no commit hurries to disk.
      lsn = await insertLsn(client);
      const described = await this.#options.catalog.table(client, name);
      if (described === undefined) throw goneTable(name);
      const page = await readPage(client, described, request);
      chunk = { ...page, hi: highWatermark(lsn) };
    } finally {
      await client.query("rollback").catch(() => undefined);
    }
    await hurryFlush(client, lsn);
    return chunk;
  }
}

async function readPage(
  client: Client,
  { table, relation, forms }: TableDescription,
  { after, rowsMax, bytesMax }: ChunkRequest,
): Promise<{ readonly rows: readonly CopyRow[]; readonly next: string | undefined }> {
  const key = relation.primaryKey.length > 0 ? relation.primaryKey : (relation.uniqueKeys[0] ?? []);
  // Nobody can tell such rows apart: they come with their changes only.
  if (key.length === 0 || relation.identity.length === 0) return { rows: [], next: undefined };
  const leaves = await leafNames(client, table.oid);
  const columns = relation.columns.map(({ name }) => quoted(name)).join(", ");
  const keyList = key.map(quoted).join(", ");
  const from = after === undefined ? [] : (JSON.parse(after) as string[]);
  const literals = from.map((value) => client.escapeLiteral(value)).join(", ");
  const where = after === undefined ? "" : `where (${keyList}) > (${literals})`;
  const only = table.kind === "p" ? "" : "only ";
  const isShown = await showOperators(client, table.oid, key);
  await client.query(
    `declare chunk no scroll cursor for select tableoid::text, ${columns}
       from ${only}${table.sqlName} ${where} order by ${keyList} limit ${rowsMax}`,
  );
  // Names that values print (regtype …) depend on it too.
  if (isShown) await client.query("set local search_path = pg_catalog");
  const keyAt = key.map((name) => relation.columns.findIndex((column) => column.name === name));
  const identityAt = relation.identity.map((name) =>
    relation.columns.findIndex((column) => column.name === name),
  );
  const rows: CopyRow[] = [];
  let bytes = 0;
  let last: readonly (string | null)[] = [];
  for (let size = FETCH_MIN; ; size = Math.min(FETCH_MAX, size * 2)) {
    const page = await client.query<(string | null)[]>({
      text: `fetch ${size} from chunk`,
      rowMode: "array",
    });
    for (const [oid, ...cells] of page.rows) {
      if (bytes >= bytesMax) return { rows, next: nextOf(last, keyAt) };
      const values = cells.map((cell, at) =>
        cell === null ? "null" : (forms[at]?.form ?? quote)(cell),
      );
      for (const value of values) bytes += value.length;
      const identity = `[${identityAt.map((at) => values[at] ?? "null").join(",")}]`;
      const leaf = leaves.get(oid ?? "");
      const row = { relation, identity, values };
      rows.push(leaf === undefined ? row : { ...row, leaf });
      last = cells;
    }
    if (page.rows.length < size) break;
  }
  return { rows, next: rows.length < rowsMax ? undefined : nextOf(last, keyAt) };
}

function nextOf(cells: readonly (string | null)[], keyAt: readonly number[]): string {
  return JSON.stringify(keyAt.map((at) => cells[at] ?? ""));
}

/**
 * `>` means the key's order only where the type's own operator is found: citext's stands in the schema of
 * its extension, and without it the texts would be compared.
 */
async function showOperators(
  client: Client,
  oid: string,
  key: readonly string[],
): Promise<boolean> {
  const { rows } = await client.query(
    `select set_config('search_path', string_agg(distinct quote_ident(n.nspname), ', '), true)
       from pg_attribute a join pg_type t on t.oid = a.atttypid
       join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
       join pg_namespace n on n.oid = b.typnamespace
      where a.attrelid = $1::text::oid and a.attname = any ($2::text[]) and b.typtype = 'b'
     having bool_or(n.nspname <> 'pg_catalog')`,
    [oid, key],
  );
  return rows.length > 0;
}

/** Names of the partitions by their oids; none for a plain table. */
async function leafNames(client: Client, oid: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ oid: string; name: string }>(
    `select c.oid::text as oid, n.nspname || '.' || c.relname as name
       from pg_partition_tree($1::text::oid::regclass) t join pg_class c on c.oid = t.relid
       join pg_namespace n on n.oid = c.relnamespace where t.isleaf and c.oid <> $1::text::oid`,
    [oid],
  );
  return new Map(rows.map((row) => [row.oid, row.name]));
}

/** Every commit that the snapshot shows is written below it. */
async function insertLsn(client: Client): Promise<bigint> {
  const { rows } = await client.query<{ lsn: string }>(
    `select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                  else pg_current_wal_insert_lsn() end)::text as lsn`,
  );
  return parseLsn(rows[0]?.lsn ?? "0/0");
}

/** Just past a page's header nothing is written yet: an idle stream stands at the page's start. */
function highWatermark(lsn: bigint): string {
  const inPage = lsn % PAGE_BYTES;
  return positionOf(inPage <= HEADER_BYTES_MAX ? lsn - inPage : lsn);
}

/**
 * The stream sends what is on disk. On an idle server the log's writer may sleep for seconds over WAL that
 * no commit waits for; the end of a transaction that has a number, and changed nothing, wakes it.
 */
async function hurryFlush(client: Client, lsn: bigint): Promise<void> {
  await client.query(
    `select case when pg_is_in_recovery() or pg_current_wal_flush_lsn() >= $1::pg_lsn then null
                 else pg_current_xact_id() end`,
    [lsnText(lsn)],
  );
}

/** Another session looks again at what there is. */
function goneTable(name: string): AppError {
  return new AppError("CONNECTOR_CONNECTION_LOST", `copying ${name}: the table is gone`);
}

/** `schema.table`; a schema with a dot in its name is not supported by rules either. */
function quotedName(name: string): string {
  const dot = name.indexOf(".");
  return `${quoted(name.slice(0, dot))}.${quoted(name.slice(dot + 1))}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
