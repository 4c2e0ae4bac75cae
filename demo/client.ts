/**
 * A child process of the demo that does what an app would: it opens an SQLite file, follows channels with
 * `@changecast/client`, and queries ordinary tables. It tells the demo what its tables hold and how long
 * each change took from being written to the database until it could be read here.
 */
import { DatabaseSync } from "@photostructure/sqlite";
import { changecast } from "@changecast/client";
import { nodeSqlite } from "@changecast/client/drivers/node-sqlite";
import { sqliteStore } from "@changecast/client/stores/sqlite-store";
import type { StoreChanges } from "@changecast/client/stores/store";
import type { Sync } from "@changecast/client/sync";
import { WebSocket } from "ws";

/** What the child tells the demo. */
export type ClientWord =
  | { readonly reached: DemoWord["until"] }
  | {
      readonly state: string;
      /** Rows per table. */
      readonly rows: Readonly<Record<string, number>>;
      /** Milliseconds from the write to the store, of the changes since the last word. */
      readonly latencies: readonly number[];
    };

/** What the demo tells the child. */
export interface DemoWord {
  /** By source a position: to be answered by `reached` when the store has everything up to there. */
  readonly until: Readonly<Record<string, string>>;
}

const TELL_EVERY_MS = 250;

const [url = "", file = "", ...channels] = process.argv.slice(2);

const database = new DatabaseSync(file);
// A crash of this process loses nothing with WAL and NORMAL, and places go with their rows in any case.
database.exec("pragma journal_mode = wal; pragma synchronous = normal");
const store = sqliteStore(nodeSqlite(database));
const cast = changecast({ url, WebSocket });
const sync = cast.sync(store, channels);

let latencies: number[] = [];
/** Rows written before this were caught up with, not followed. */
let liveSince = Infinity;

sync.on("changed", measure);
sync.on("status", () => {
  const isLive = stateOf(sync) === "live";
  if (isLive && liveSince === Infinity) liveSince = Date.now();
  if (!isLive) liveSince = Infinity;
});

const timer = setInterval(tell, TELL_EVERY_MS);
process.on("message", (word: DemoWord) => {
  const waits = Object.entries(word.until).map(([source, at]) => sync.until(source, at));
  Promise.all(waits).then(() => process.send?.({ reached: word.until } satisfies ClientWord), fail);
});
process.on("SIGTERM", end);
process.on("disconnect", end);

function measure(changes: StoreChanges): void {
  const now = Date.now();
  const find = database.prepare("select updated_at from products where id = ?");
  for (const key of changes.get("products")?.keys ?? []) {
    const row = find.get(key[0]) as { updated_at: string } | undefined;
    if (row === undefined) continue;
    const writtenAt = Date.parse(row.updated_at);
    if (writtenAt >= liveSince) latencies.push(now - writtenAt);
  }
}

function tell(): void {
  const word: ClientWord = { state: stateOf(sync), rows: countRows(), latencies };
  latencies = [];
  process.send?.(word);
}

function stateOf({ status }: Sync): string {
  if (status.trouble !== undefined) return status.trouble.message;
  if (status.connection.state !== "live") return status.connection.state;
  const states = new Set([...status.channels.values()].map(({ state }) => state));
  return [...states].sort().join(", ");
}

function countRows(): Record<string, number> {
  const tables = database
    .prepare(
      `select name from sqlite_master where type = 'table'
       and name not like 'changecast%' and name not like 'sqlite%' order by name`,
    )
    .all() as { name: string }[];
  return Object.fromEntries(
    tables.map(({ name }) => {
      const row = database.prepare(`select count(*) as n from "${name}"`).get() as { n: number };
      return [name, row.n];
    }),
  );
}

let ending = false;

function end(): void {
  if (ending) return;
  ending = true;
  clearInterval(timer);
  cast.close().then(() => {
    database.close();
    process.exit(0);
  }, fail);
}

function fail(error: unknown): void {
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}
