/**
 * Driver for `expo-sqlite` (its asynchronous API, SDK 51 and later; written against the types of 57.0.3). Open
 * the database with `useNewConnection: true`, so that it is the store's alone.
 */
import type { SqliteDriver, SqliteRow, SqliteValue } from "../stores/sqlite-driver.js";
import { StatementCache } from "../stores/sqlite-driver.js";
import { awaitingDriver } from "./awaiting-driver.js";

/** What the driver uses of a prepared statement. */
export interface ExpoSqliteStatement {
  executeAsync(
    params: SqliteValue[],
  ): Promise<{ readonly changes: number; getAllAsync(): Promise<unknown[]> }>;
}

/** What the driver uses of an `SQLiteDatabase`. */
export interface ExpoSqliteDatabase {
  execAsync(source: string): Promise<void>;
  prepareAsync(source: string): Promise<ExpoSqliteStatement>;
}

export function expoSqlite(database: ExpoSqliteDatabase): SqliteDriver {
  const statements = new StatementCache((sql) => database.prepareAsync(sql));
  const run = async (sql: string, values: readonly SqliteValue[]): Promise<number> => {
    const statement = await statements.get(sql);
    return (await statement.executeAsync([...values])).changes;
  };
  return awaitingDriver({
    exec: (sql) => database.execAsync(sql),
    run,
    runMany: async (sql, lists) => {
      let changed = 0;
      for (const values of lists) changed += await run(sql, values);
      return changed;
    },
    all: async (sql, values) => {
      const statement = await statements.get(sql);
      const result = await statement.executeAsync([...values]);
      return (await result.getAllAsync()) as SqliteRow[];
    },
  });
}
