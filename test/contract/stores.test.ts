/** The store suite over every store and driver that there is. */
import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import { wasmSqlite } from "../../src/client/drivers/wasm-sqlite.js";
import { openExpoSqlite, openOpSqlite } from "./native-subject.js";
import {
  answeringLater,
  openBetterSqlite3,
  openNodeSqlite,
  openPhotostructure,
  sqliteSubject,
} from "./sqlite-subject.js";
import { storeContract } from "./store.contract.js";
import { storeTakeoverContract } from "./store-takeover.js";

storeContract("memory", async () => {
  const store = memoryStore();
  await store.open();
  return {
    store,
    rows: async ({ table }) => store.rows(table),
    again: () => store,
    close: () => store.close(),
  };
});

storeContract("@photostructure/sqlite", () => sqliteSubject(openPhotostructure));

storeContract("better-sqlite3", () => sqliteSubject(openBetterSqlite3));

storeTakeoverContract("better-sqlite3", () => sqliteSubject(openBetterSqlite3));

storeContract("an asynchronous driver", () => sqliteSubject(answeringLater(openPhotostructure)));

const sqlite3 = await sqlite3InitModule();
storeContract("SQLite WASM, in memory", () =>
  sqliteSubject(() => {
    const database = new sqlite3.oo1.DB(":memory:");
    return {
      driver: wasmSqlite(database),
      all: (sql) => database.selectObjects(sql),
      exec: (sql) => {
        database.exec(sql);
      },
      close: () => {
        database.close();
      },
    };
  }),
);

storeContract("expo-sqlite, in its form", () => sqliteSubject(openExpoSqlite));

storeContract("op-sqlite, in its form", () => sqliteSubject(openOpSqlite));

const openOwn = openNodeSqlite();
// Node before 22.5 has none: the drivers above cover the same code there.
if (openOwn !== undefined) storeContract("node:sqlite", () => sqliteSubject(openOwn));
