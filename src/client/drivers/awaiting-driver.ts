/** What the drivers of libraries that answer later have in common: those of React Native. */
import type { Answer, SqliteConnection, SqliteDriver, SqliteRow } from "../stores/sqlite-driver.js";
import type { SqliteValue } from "../stores/sqlite-driver.js";

export interface AwaitingDatabase {
  /** Statements without values, separated by semicolons. */
  exec(sql: string): Promise<void>;
  /** Answers how many rows changed. */
  run(sql: string, values: readonly SqliteValue[]): Promise<number>;
  runMany(sql: string, lists: readonly (readonly SqliteValue[])[]): Promise<number>;
  all(sql: string, values: readonly SqliteValue[]): Promise<readonly SqliteRow[]>;
}

/** The database is the store's alone: a statement of the app's in between would be part of its transaction. */
export function awaitingDriver(database: AwaitingDatabase): SqliteDriver {
  const connection: SqliteConnection = database;
  return {
    exec: (sql) => database.exec(sql),
    run: (sql, values) => database.run(sql, values),
    runMany: (sql, lists) => database.runMany(sql, lists),
    all: (sql, values) => database.all(sql, values),
    transaction: async <T>(work: (connection: SqliteConnection) => Answer<T>): Promise<T> => {
      await database.exec("BEGIN IMMEDIATE");
      try {
        const answer = await work(connection);
        await database.exec("COMMIT");
        return answer;
      } catch (error) {
        // A failure may have ended the transaction already (disk full does): what it says then is no news.
        await database.exec("ROLLBACK").catch(() => undefined);
        throw error;
      }
    },
  };
}
