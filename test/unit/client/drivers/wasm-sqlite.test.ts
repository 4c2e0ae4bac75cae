/** What is special about SQLite WASM beneath a driver: its statements are no garbage, and its failures repeat. */
import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
import { expect, it } from "vitest";
import { wasmSqlite } from "../../../../src/client/drivers/wasm-sqlite.js";

const sqlite3 = await sqlite3InitModule();

it("keeps no more prepared statements than it uses", () => {
  const database = new sqlite3.oo1.DB(":memory:");
  const driver = wasmSqlite(database);
  for (let at = 0; at < 1_000; at += 1) {
    expect(driver.all(`SELECT ${String(at)} AS n`, [])).toEqual([{ n: at }]);
  }
  let open = 0;
  let statement = sqlite3.capi.sqlite3_next_stmt(database, 0);
  for (; statement !== 0; statement = sqlite3.capi.sqlite3_next_stmt(database, statement)) {
    open += 1;
  }
  expect(open).toBeLessThanOrEqual(200);
  database.close();
});

it("uses a statement again that failed", async () => {
  const database = new sqlite3.oo1.DB(":memory:");
  const driver = wasmSqlite(database);
  await driver.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  const insert = "INSERT INTO t VALUES (?)";
  expect(driver.run(insert, [1])).toBe(1);
  expect(() => driver.run(insert, [1])).toThrow("UNIQUE");
  expect(driver.run(insert, [2])).toBe(1);
  expect(driver.all("SELECT id FROM t", [])).toEqual([{ id: 1 }, { id: 2 }]);
  database.close();
});
