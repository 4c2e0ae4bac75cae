/**
 * The process that the store's crash test kills: opens an SQLite file, goes on where its place says, and
 * applies units up to a number or until it dies. Says "from <n>" when it begins and "done" when it ends.
 */
import { DatabaseSync } from "@photostructure/sqlite";
import BetterSqlite3 from "better-sqlite3";
import { betterSqlite3 } from "../../src/client/drivers/better-sqlite3.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import type { SqliteDriver } from "../../src/client/stores/sqlite-driver.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import { crashUnit } from "./store-units.js";

const [file = "", library = "", last = ""] = process.argv.slice(2);
const driver = openDriver();
const store = sqliteStore(driver);
const kept = await store.open();
let number = kept.find(({ channel }) => channel === "a")?.place.serial ?? 0;
process.stdout.write(`from ${number}\n`);
while (number < Number(last)) {
  number += 1;
  const { staged, unit } = crashUnit(number);
  if (staged.length > 0) await store.stage(staged);
  await store.apply(unit);
}
await store.close();
process.stdout.write("done\n");

function openDriver(): SqliteDriver {
  const setup =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000";
  if (library === "better-sqlite3") {
    const database = new BetterSqlite3(file);
    database.exec(setup);
    return betterSqlite3(database);
  }
  const database = new DatabaseSync(file);
  database.exec(setup);
  return nodeSqlite(database);
}
