/**
 * Driver for `@op-engineering/op-sqlite` (written against the types of 18.2.5). Give the store a database
 * object of its own. Blobs come back as ArrayBuffer, which the store never reads.
 */
import type { SqliteDriver, SqliteRow, SqliteValue } from "../stores/sqlite-driver.js";
import { StatementCache } from "../stores/sqlite-driver.js";
import { awaitingDriver } from "./awaiting-driver.js";

interface OpSqliteResult {
  readonly rowsAffected: number;
  readonly rows: readonly unknown[];
}

/** What the driver uses of a `DB`. */
export interface OpSqliteDatabase {
  execute(query: string, params?: SqliteValue[]): Promise<OpSqliteResult>;
  prepareStatement(query: string): {
    bind(params: SqliteValue[]): Promise<void>;
    execute(): Promise<OpSqliteResult>;
  };
}

export function opSqlite(database: OpSqliteDatabase): SqliteDriver {
  const statements = new StatementCache((sql) => database.prepareStatement(sql));
  const run = async (sql: string, values: readonly SqliteValue[]): Promise<OpSqliteResult> => {
    const statement = statements.get(sql);
    await statement.bind([...values]);
    return statement.execute();
  };
  return awaitingDriver({
    exec: async (sql) => {
      await database.execute(sql);
    },
    run: async (sql, values) => (await run(sql, values)).rowsAffected,
    runMany: async (sql, lists) => {
      let changed = 0;
      for (const values of lists) changed += (await run(sql, values)).rowsAffected;
      return changed;
    },
    all: async (sql, values) => (await run(sql, values)).rows as readonly SqliteRow[],
  });
}
