/** SQLite databases for the store suite: each driver over a file, read back as the app would read it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import BetterSqlite3 from "better-sqlite3";
import { betterSqlite3 } from "../../src/client/drivers/better-sqlite3.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import { type NaturalValue, naturalValue } from "../../src/client/stores/natural-values.js";
import type { SqliteConnection, SqliteDriver } from "../../src/client/stores/sqlite-driver.js";
import { type SqliteStoreOptions, sqliteStore } from "../../src/client/stores/sqlite-store.js";
import type { TableSchema } from "../../src/model/table.js";
import type { Row, StoreSubject } from "./store.contract.js";

export interface OpenDatabase {
  readonly driver: SqliteDriver;
  /** Integers come as bigint. */
  all(sql: string): Record<string, unknown>[];
  exec(sql: string): void;
  close(): void;
}

export type OpenSqlite = (path: string) => OpenDatabase;

export const openPhotostructure: OpenSqlite = (path) => openDatabaseSync(DatabaseSync, path);

export const openBetterSqlite3: OpenSqlite = (path) => {
  const database = new BetterSqlite3(path);
  return {
    driver: betterSqlite3(database),
    all: (sql) => database.prepare(sql).safeIntegers(true).all() as Record<string, unknown>[],
    exec: (sql) => {
      database.exec(sql);
    },
    close: () => {
      database.close();
    },
  };
};

/** `node:sqlite`, where the running Node has it. */
export function openNodeSqlite(): OpenSqlite | undefined {
  try {
    const { DatabaseSync: own } = createRequire(import.meta.url)("node:sqlite") as {
      DatabaseSync: typeof DatabaseSync;
    };
    return (path) => openDatabaseSync(own, path);
  } catch {
    return undefined;
  }
}

/** The same database with a driver that answers everything later, as on React Native. */
export function answeringLater(open: OpenSqlite): OpenSqlite {
  return (path) => {
    const database = open(path);
    const later = <T>(run: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        setImmediate(() => {
          try {
            resolve(run());
          } catch (thrown) {
            const error = thrown as Error;
            reject(error);
          }
        });
      });
    const { driver } = database;
    const connection: SqliteConnection = {
      exec: (sql) => later(() => driver.exec(sql) as undefined),
      run: (sql, values) => later(() => driver.run(sql, values) as number),
      runMany: (sql, lists) => later(() => driver.runMany(sql, lists) as number),
      all: (sql, values) => later(() => driver.all(sql, values) as Record<string, unknown>[]),
    };
    let isOpen = false;
    const transaction: SqliteDriver["transaction"] = async (work) => {
      if (isOpen) throw new Error("two transactions at once");
      isOpen = true;
      await connection.exec("BEGIN IMMEDIATE");
      try {
        const answer = await work(connection);
        await connection.exec("COMMIT");
        return answer;
      } catch (error) {
        await connection.exec("ROLLBACK");
        throw error;
      } finally {
        isOpen = false;
      }
    };
    return { ...database, driver: { ...connection, transaction } };
  };
}

export async function sqliteSubject(
  open: OpenSqlite,
  options: SqliteStoreOptions = {},
): Promise<StoreSubject & { readonly database: OpenDatabase }> {
  const folder = mkdtempSync(join(tmpdir(), "changecast-store-"));
  const database = open(join(folder, "store.db"));
  const store = sqliteStore(database.driver, options);
  await store.open();
  return {
    store,
    database,
    rows: async (schema) => readRows(database, schema),
    again: () => sqliteStore(database.driver, options),
    close: async () => {
      await store.close();
      database.close();
      if (existsSync(folder)) rmSync(folder, { recursive: true });
    },
  };
}

export function readRows(database: OpenDatabase, schema: TableSchema, table = schema.table): Row[] {
  const name = `"${table.replaceAll('"', '""')}"`;
  const found = database.all(
    `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '${table.replaceAll("'", "''")}'`,
  );
  if (found.length === 0) return [];
  return database.all(`SELECT * FROM ${name}`).map((row) => naturalRow(row, schema));
}

/** A row as SQL gives it, in natural values. */
export function naturalRow(row: Readonly<Record<string, unknown>>, schema: TableSchema): Row {
  const columns = new Map(schema.columns.map((column) => [column.name, column]));
  const natural: Record<string, NaturalValue> = {};
  for (const [name, value] of Object.entries(row)) {
    const column = columns.get(name);
    if (column === undefined || value === null) natural[name] = plain(value);
    else if (column.type === "bool") natural[name] = Number(value) === 1;
    else if (column.type === "array")
      natural[name] = naturalValue(column, JSON.parse(value as string));
    else if (column.type === "float" && typeof value === "string") natural[name] = Number(value);
    else natural[name] = plain(value);
  }
  return natural;
}

function plain(value: unknown): NaturalValue {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (typeof value === "number" || typeof value === "string" || value === null) return value;
  throw new Error(`SQLite gave a ${typeof value}`);
}

export function openDatabaseSync(
  type: typeof DatabaseSync,
  path: string,
  database = new type(path),
): OpenDatabase {
  return {
    driver: nodeSqlite(database),
    all: (sql) => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all() as Record<string, unknown>[];
    },
    exec: (sql) => {
      database.exec(sql);
    },
    close: () => {
      database.close();
    },
  };
}
