/**
 * Driver for a database of `@sqlite.org/sqlite-wasm` (its `oo1` API), in the worker that has it open. A store
 * that the tabs of a browser share is stores/wasm-store.ts, which brings it along.
 */
import type { SqliteDriver, SqliteRow, SqliteValue } from "../stores/sqlite-driver.js";
import { blockingDriver } from "./blocking-driver.js";

/** What is used of a `Stmt`. */
export interface WasmSqliteStatement {
  bind(values: readonly (SqliteValue | bigint)[]): unknown;
  step(): boolean;
  reset(): unknown;
  get(into: never[]): unknown;
  getColumnNames(): string[];
  finalize(): unknown;
}

/** What is used of an `oo1.DB`. */
export interface WasmSqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): WasmSqliteStatement;
  changes(): number | bigint;
}

export function wasmSqlite(database: WasmSqliteDatabase): SqliteDriver {
  return blockingDriver({
    exec: (sql) => {
      database.exec(sql);
    },
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (values) => {
          wasmRows(statement, values);
          return Number(database.changes());
        },
        all: (values) => {
          const names = statement.getColumnNames();
          return wasmRows(statement, values).map((row): SqliteRow =>
            Object.fromEntries(names.map((name, at) => [name, row[at]])),
          );
        },
        free: () => {
          statement.finalize();
        },
      };
    },
  });
}

/** Runs the statement once: its rows as lists of values. */
export function wasmRows(
  statement: WasmSqliteStatement,
  values: readonly (SqliteValue | bigint)[],
): unknown[][] {
  // It refuses a list where there is nothing to bind.
  if (values.length > 0) statement.bind(values.some(isWrapped) ? values.map(bound) : values);
  const rows: unknown[][] = [];
  try {
    while (statement.step()) {
      const row: never[] = [];
      statement.get(row);
      rows.push(row);
    }
  } catch (error) {
    resetQuietly(statement);
    throw error;
  }
  statement.reset();
  return rows;
}

/**
 * A whole number beyond 64 bits is bound as an integer that has run over: 1e300 becomes 0. As text SQLite
 * itself makes the right number of it, in a column of any affinity that fits.
 */
function isWrapped(value: SqliteValue | bigint): boolean {
  return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
}

function bound(value: SqliteValue | bigint): SqliteValue | bigint {
  return isWrapped(value) ? String(value) : value;
}

/** After a failed step it throws the same once more. */
function resetQuietly(statement: WasmSqliteStatement): void {
  try {
    statement.reset();
  } catch {
    return;
  }
}
