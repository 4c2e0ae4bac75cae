/** Statements of the app's own on the database of a store, between the store's transactions. */
import { AppError, errorText } from "../../base/errors.js";
import { wasmRows } from "../drivers/wasm-sqlite.js";
import type { RowsAsked, RowsFound } from "./wasm-messages.js";
import type { PoolDatabase, Sqlite3 } from "./wasm-pool.js";

/** Errors: CLIENT_SQL_FAILED. */
export function readRows(
  sqlite3: Sqlite3,
  database: PoolDatabase,
  { sql, values }: RowsAsked,
): RowsFound {
  return told(sql, () => {
    const { capi } = sqlite3;
    const statement = database.prepare(sql);
    try {
      // The library takes the first statement and says nothing of what stands behind it.
      const rest = sql.slice(capi.sqlite3_sql(statement as never).length);
      if (rest.trim() !== "")
        throw new Error("rows are of one statement, and more stands behind it");
      if (capi.sqlite3_stmt_readonly(statement as never) === 0) {
        throw new Error("it writes; `exec` is for that");
      }
      const names = statement.getColumnNames();
      const rows = wasmRows(statement, values);
      if (capi.sqlite3_get_autocommit(database as never) === 0) {
        throw new Error("it began a transaction, which is rolled back");
      }
      return { names, rows };
    } finally {
      statement.finalize();
      endTransaction(sqlite3, database);
    }
  });
}

/** In one transaction. Errors: CLIENT_SQL_FAILED. */
export function runStatements(sqlite3: Sqlite3, database: PoolDatabase, sql: string): void {
  told(sql, () => {
    try {
      database.exec("BEGIN IMMEDIATE");
      database.exec(sql);
      database.exec("COMMIT");
    } finally {
      endTransaction(sqlite3, database);
    }
  });
}

/** One that the app began or that failed half way would swallow the store's next one. */
function endTransaction(sqlite3: Sqlite3, database: PoolDatabase): void {
  if (sqlite3.capi.sqlite3_get_autocommit(database as never) === 0) database.exec("ROLLBACK");
}

function told<T>(sql: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const text = sql.length > 200 ? `${sql.slice(0, 200)}…` : sql;
    throw new AppError("CLIENT_SQL_FAILED", `running ${text}: ${errorText(error)}`, {
      cause: error,
    });
  }
}
