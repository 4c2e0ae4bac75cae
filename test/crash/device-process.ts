/**
 * A device as a process: follows channels into an SQLite file until it is killed. A line on standard input is
 * a position of the source: when the file holds everything up to it, "settled" is said. Arguments: kill point,
 * file, address, channels with commas between.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { DatabaseSync } from "@photostructure/sqlite";
import { WebSocket } from "ws";
import { changecast } from "../../src/client/client.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import type { SqliteConnection, SqliteDriver } from "../../src/client/stores/sqlite-driver.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import { killAt, readKillPoint } from "../support/kill-point.js";

const [kill = "", file = "", url = "", channels = ""] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000");
const driver = nodeSqlite(database);
/** What a transaction of the store does goes through here: between rows and places there is a call. */
const inside: SqliteConnection = {
  exec: (sql) => driver.exec(sql),
  run: (sql, values) => driver.run(sql, values),
  runMany: (sql, lists) => driver.runMany(sql, lists),
  all: (sql, values) => driver.all(sql, values),
};
const watched: SqliteDriver = {
  ...inside,
  transaction: (work) => driver.transaction(() => work(inside)),
};
const store = sqliteStore(watched);
killAt({ inside, driver: watched, store }, readKillPoint(kill));

const cast = changecast({ url, WebSocket });
const sync = cast.sync(store, channels.split(","));
sync.on("gap", (gap) => {
  writeSync(1, `gap ${JSON.stringify(gap)}\n`);
});
const lines = createInterface({ input: process.stdin });
lines.on("close", () => {
  process.exit(0);
});
for await (const position of lines) {
  await sync.until("bank", position);
  await sync.live();
  writeSync(1, "settled\n");
}
