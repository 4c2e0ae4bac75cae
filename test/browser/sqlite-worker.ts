/** The worker of an app that keeps its rows in SQLite: all of it. */
import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
import { serveStore } from "../../src/client/stores/wasm-worker.js";

serveStore(sqlite3InitModule);
