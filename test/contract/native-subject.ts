/**
 * The databases of React Native as their drivers see them, over an SQLite of this machine: the same calls with
 * the same asynchronous answers, and the same rules (a statement that was finalized is of no use, a value
 * that the bridge cannot carry is refused).
 */
import { DatabaseSync } from "@photostructure/sqlite";
import { type ExpoSqliteDatabase, expoSqlite } from "../../src/client/drivers/expo-sqlite.js";
import { type OpSqliteDatabase, opSqlite } from "../../src/client/drivers/op-sqlite.js";
import type { SqliteValue } from "../../src/client/stores/sqlite-driver.js";
import type { OpenSqlite } from "./sqlite-subject.js";
import { openDatabaseSync } from "./sqlite-subject.js";

type Database = InstanceType<typeof DatabaseSync>;

export const openExpoSqlite: OpenSqlite = (path) => {
  const database = new DatabaseSync(path);
  return {
    ...openDatabaseSync(DatabaseSync, path, database),
    driver: expoSqlite(expoForm(database)),
  };
};

export const openOpSqlite: OpenSqlite = (path) => {
  const database = new DatabaseSync(path);
  return { ...openDatabaseSync(DatabaseSync, path, database), driver: opSqlite(opForm(database)) };
};

export function expoForm(database: Database): ExpoSqliteDatabase {
  return {
    execAsync: (source) =>
      later(() => {
        database.exec(source);
      }),
    prepareAsync: (source) =>
      later(() => {
        const statement = database.prepare(source);
        return {
          executeAsync: (params) =>
            later(() => {
              carried(params);
              // Rows are stepped through here as there: a write is done when its result is.
              if (/^\s*select/i.test(source)) {
                const rows = statement.all(...params);
                return { changes: 0, getAllAsync: () => later((): unknown[] => rows) };
              }
              const { changes } = statement.run(...params);
              return { changes: Number(changes), getAllAsync: () => later(() => []) };
            }),
        };
      }),
  };
}

export function opForm(database: Database): OpSqliteDatabase {
  const run = (sql: string, params: SqliteValue[]) => {
    carried(params);
    const statement = database.prepare(sql);
    if (/^\s*select/i.test(sql)) return { rowsAffected: 0, rows: statement.all(...params) };
    return { rowsAffected: Number(statement.run(...params).changes), rows: [] };
  };
  return {
    execute: (query, params) =>
      later(() => {
        if (params !== undefined) return run(query, params);
        database.exec(query);
        return { rowsAffected: 0, rows: [] };
      }),
    prepareStatement: (query) => {
      let bound: SqliteValue[] = [];
      return {
        bind: (params) =>
          later(() => {
            bound = params;
          }),
        execute: () => later(() => run(query, bound)),
      };
    },
  };
}

/** What both bridges take. */
function carried(params: readonly unknown[]): void {
  for (const value of params) {
    const isTaken =
      value === null || ["string", "number"].includes(typeof value) || value instanceof Uint8Array;
    if (!isTaken) throw new TypeError(`a ${typeof value} cannot be bound`);
  }
}

function later<T>(run: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(run());
      } catch (thrown) {
        const error = thrown as Error;
        reject(error);
      }
    });
  });
}
