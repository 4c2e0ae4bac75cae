/** What the drivers of libraries that answer at once have in common. */
import type { Answer, SqliteConnection, SqliteDriver, SqliteRow } from "../stores/sqlite-driver.js";
import { StatementCache } from "../stores/sqlite-driver.js";
import type { SqliteValue } from "../stores/sqlite-driver.js";
import { isPending } from "../stores/work.js";

export interface BlockingStatement {
  /** Answers how many rows changed. */
  run(values: readonly SqliteValue[]): number;
  all(values: readonly SqliteValue[]): readonly SqliteRow[];
  /** It is of no use any more. Where it is missing, the garbage collector sees to it. */
  free?(): void;
}

export interface BlockingDatabase {
  exec(sql: string): void;
  prepare(sql: string): BlockingStatement;
}

export function blockingDriver(database: BlockingDatabase): SqliteDriver {
  const statements = new StatementCache(
    (sql) => database.prepare(sql),
    (statement) => statement.free?.(),
  );
  const connection: SqliteConnection = {
    exec: (sql) => {
      database.exec(sql);
    },
    run: (sql, values) => statements.get(sql).run(values),
    runMany: (sql, lists) => {
      const statement = statements.get(sql);
      let changed = 0;
      for (const values of lists) changed += statement.run(values);
      return changed;
    },
    all: (sql, values) => statements.get(sql).all(values),
  };
  return {
    ...connection,
    transaction: <T>(work: (connection: SqliteConnection) => Answer<T>): Answer<T> => {
      database.exec("BEGIN IMMEDIATE");
      let answer: Answer<T>;
      try {
        answer = work(connection);
      } catch (error) {
        rollBack(database);
        throw error;
      }
      if (!isPending(answer)) {
        commit(database);
        return answer;
      }
      return answer.then(
        (value) => {
          commit(database);
          return value;
        },
        (error: unknown) => {
          rollBack(database);
          throw error;
        },
      );
    },
  };
}

function commit(database: BlockingDatabase): void {
  try {
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** A failure may have ended the transaction already (disk full does): what it says then is no news. */
function rollBack(database: BlockingDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    return;
  }
}
