/** Driver for `better-sqlite3`. */
import type { SqliteDriver, SqliteRow, SqliteValue } from "../stores/sqlite-driver.js";
import { blockingDriver } from "./blocking-driver.js";

/** What the driver uses of a `Database`. */
export interface BetterSqlite3Database {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(values: readonly SqliteValue[]): { readonly changes: number };
    all(values: readonly SqliteValue[]): unknown[];
  };
}

export function betterSqlite3(database: BetterSqlite3Database): SqliteDriver {
  return blockingDriver({
    exec: (sql) => {
      database.exec(sql);
    },
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (values) => statement.run(values).changes,
        all: (values) => statement.all(values) as SqliteRow[],
      };
    },
  });
}
