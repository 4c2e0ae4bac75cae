/** Driver for `DatabaseSync` of `node:sqlite`, and for `@photostructure/sqlite`, which has the same API. */
import type { SqliteDriver, SqliteRow, SqliteValue } from "../stores/sqlite-driver.js";
import { blockingDriver } from "./blocking-driver.js";

/** What the driver uses of a `DatabaseSync`. */
export interface NodeSqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: SqliteValue[]): { readonly changes: number | bigint };
    all(...values: SqliteValue[]): unknown[];
  };
}

export function nodeSqlite(database: NodeSqliteDatabase): SqliteDriver {
  return blockingDriver({
    exec: (sql) => {
      database.exec(sql);
    },
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (values) => Number(statement.run(...values).changes),
        all: (values) => statement.all(...values) as SqliteRow[],
      };
    },
  });
}
