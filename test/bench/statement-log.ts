/** What a store asks of its SQLite library, kept in order, so that the same can be asked without the store. */
import type {
  Answer,
  SqliteConnection,
  SqliteDriver,
  SqliteValue,
} from "../../src/client/stores/sqlite-driver.js";

export type Step =
  | { readonly kind: "exec"; readonly sql: string }
  | {
      readonly kind: "run" | "all";
      readonly sql: string;
      readonly lists: readonly (readonly SqliteValue[])[];
    };

/** The driver, which writes down what goes through it. */
export function loggingDriver(driver: SqliteDriver, steps: Step[]): SqliteDriver {
  const logged = (connection: SqliteConnection): SqliteConnection => ({
    exec: (sql) => {
      steps.push({ kind: "exec", sql });
      return connection.exec(sql);
    },
    run: (sql, values) => {
      steps.push({ kind: "run", sql, lists: [[...values]] });
      return connection.run(sql, values);
    },
    runMany: (sql, lists) => {
      steps.push({ kind: "run", sql, lists: lists.map((values) => [...values]) });
      return connection.runMany(sql, lists);
    },
    all: (sql, values) => {
      steps.push({ kind: "all", sql, lists: [[...values]] });
      return connection.all(sql, values);
    },
  });
  return {
    ...logged(driver),
    transaction: <T>(work: (connection: SqliteConnection) => Answer<T>): Answer<T> => {
      steps.push({ kind: "exec", sql: "BEGIN IMMEDIATE" });
      const answer = driver.transaction((connection) => work(logged(connection)));
      steps.push({ kind: "exec", sql: "COMMIT" });
      return answer;
    },
  };
}

/** What of a library's database is used here; that of `@photostructure/sqlite` and of `node:sqlite`. */
export interface PlainDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: SqliteValue[]): unknown;
    all(...values: SqliteValue[]): unknown;
  };
}

/** The same statements, prepared once each, with their values at hand. */
export function replay(database: PlainDatabase, steps: readonly Step[]): void {
  const prepared = new Map<string, ReturnType<PlainDatabase["prepare"]>>();
  for (const step of steps) {
    if (step.kind === "exec") {
      database.exec(step.sql);
      continue;
    }
    let statement = prepared.get(step.sql);
    if (statement === undefined) prepared.set(step.sql, (statement = database.prepare(step.sql)));
    for (const values of step.lists) statement[step.kind](...values);
  }
}
