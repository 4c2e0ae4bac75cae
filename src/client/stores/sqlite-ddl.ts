/**
 * Makes and alters the tables: the store's own (`changecast_*`) and those of the rules' schemas. Runs inside
 * the write transaction that carries the schema, so rows and columns change together.
 */
import type { TableSchema } from "../../model/table.js";
import type { SqliteConnection } from "./sqlite-driver.js";
import {
  type Holding,
  membersTable,
  ownColumns,
  quoted,
  type SqliteTable,
  sqliteTable,
  type StoredColumn,
} from "./sqlite-table.js";
import { tableStep } from "./table-change.js";
import { got, type Work } from "./work.js";

/** Rises when the internal tables change in a way that older clients would misread. */
export const STORE_FORMAT = 1;

const INTERNAL = `
CREATE TABLE IF NOT EXISTS changecast_meta (
  name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changecast_channels (
  id INTEGER PRIMARY KEY, channel TEXT NOT NULL UNIQUE,
  epoch INTEGER NOT NULL, serial INTEGER NOT NULL,
  log INTEGER NOT NULL, run TEXT NOT NULL, ready INTEGER NOT NULL, newest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS changecast_tables (
  name TEXT PRIMARY KEY, schema TEXT NOT NULL, physical TEXT NOT NULL, mapped INTEGER NOT NULL,
  holding INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changecast_staged (
  id INTEGER PRIMARY KEY, channel TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  base INTEGER NOT NULL, entries TEXT NOT NULL);
`;

export function* createInternal(connection: SqliteConnection): Work<void> {
  for (const statement of INTERNAL.split(";")) {
    if (statement.trim() !== "") yield* got(connection.exec(statement));
  }
}

export function* createTable(connection: SqliteConnection, table: SqliteTable): Work<void> {
  if (!table.mapped) yield* got(connection.exec(tableText(table, table.physical)));
  if (table.schema.kind === "state") yield* createMembers(connection, table);
  yield* saveTable(connection, table);
}

/** Brings a table to a newer version of its schema; answers the table as it is then. */
export function* alterTable(
  connection: SqliteConnection,
  table: SqliteTable,
  schema: TableSchema,
  columns: readonly StoredColumn[],
): Work<SqliteTable> {
  const step = tableStep(table.schema, schema);
  const holding: Holding = table.mapped ? "each" : { sole: undefined };
  const next = sqliteTable(
    schema,
    { ...table, ...(step.kind === "rekey" ? { holding } : {}) },
    columns,
  );
  if (step.kind === "rekey") {
    yield* rekeyTable(connection, table, next);
  } else if (!table.mapped && step.kind === "add") {
    for (const column of step.columns) {
      const declared = next.columns.find((one) => one.column?.name === column.name)?.declared ?? "";
      const text = `ALTER TABLE ${quoted(table.physical)} ADD COLUMN ${quoted(column.name)} ${declared}`;
      yield* got(connection.exec(text));
    }
  } else if (!table.mapped && step.kind === "rebuild") {
    yield* rebuildTable(connection, table, next);
  }
  yield* saveTable(connection, next);
  return next;
}

export function* saveTable(connection: SqliteConnection, table: SqliteTable): Work<void> {
  const holding = table.holding === "each" ? 0 : (table.holding.sole ?? null);
  const { schema, physical, mapped } = table;
  yield* got(
    connection.run(
      "INSERT OR REPLACE INTO changecast_tables (name, schema, physical, mapped, holding) VALUES (?, ?, ?, ?, ?)",
      [schema.table, JSON.stringify(schema), physical, mapped ? 1 : 0, holding],
    ),
  );
}

/** Tables as `saveTable` left them. `columnsOf` tells where a mapped table's values go. */
export function* loadTables(
  connection: SqliteConnection,
  columnsOf: (schema: TableSchema) => readonly StoredColumn[],
): Work<SqliteTable[]> {
  const rows = yield* got(connection.all("SELECT * FROM changecast_tables", []));
  return rows.map((row) => {
    const schema = JSON.parse(String(row["schema"])) as TableSchema;
    const mapped = Number(row["mapped"]) === 1;
    const held = row["holding"];
    const holding: Holding =
      held === null ? { sole: undefined } : Number(held) === 0 ? "each" : { sole: Number(held) };
    const columns = mapped ? columnsOf(schema) : ownColumns(schema);
    return sqliteTable(schema, { physical: String(row["physical"]), mapped, holding }, columns);
  });
}

function tableText(table: SqliteTable, name: string): string {
  const keys = table.key.map(({ physical }) => physical);
  const columns = table.columns.map(({ physical, declared }) => {
    const required = keys.includes(physical) ? " NOT NULL" : "";
    return `${quoted(physical)} ${declared}${required}`;
  });
  // A key that is one integer becomes the row's own number in SQLite: the fastest there is.
  const key = `PRIMARY KEY (${keys.map(quoted).join(", ")})`;
  return `CREATE TABLE ${quoted(name)} (${[...columns, key].join(", ")})`;
}

function* createMembers(connection: SqliteConnection, table: SqliteTable): Work<void> {
  const keys = table.key.map(({ declared }, index) => `k${index} ${declared} NOT NULL`);
  const names = table.key.map((_, index) => `k${index}`);
  yield* got(
    connection.exec(
      `CREATE TABLE IF NOT EXISTS ${membersTable(table.schema.table)} (${keys.join(", ")}, channel INTEGER NOT NULL, log INTEGER NOT NULL, idx INTEGER NOT NULL,
        PRIMARY KEY (${names.join(", ")}, channel)) WITHOUT ROWID`,
    ),
  );
}

/** Rows under the old key go: every one of them comes again under the new. */
function* rekeyTable(
  connection: SqliteConnection,
  table: SqliteTable,
  next: SqliteTable,
): Work<void> {
  const members = membersTable(table.schema.table);
  if (table.mapped) {
    const keys = table.key.map(({ physical }) => quoted(physical)).join(", ");
    const held = table.key.map((_, index) => `k${index}`).join(", ");
    yield* got(
      connection.run(
        `DELETE FROM ${quoted(table.physical)} WHERE (${keys}) IN (SELECT ${held} FROM ${members})`,
        [],
      ),
    );
  } else {
    yield* recreate(connection, table, next);
  }
  yield* got(connection.exec(`DROP TABLE IF EXISTS ${members}`));
  if (next.schema.kind === "state") yield* createMembers(connection, next);
}

/**
 * By way of a copy and not by renaming: SQLite refuses to rename while a view of the app's reads the table.
 * Values whose column changed its type are carried as they are.
 */
function* rebuildTable(
  connection: SqliteConnection,
  table: SqliteTable,
  next: SqliteTable,
): Work<void> {
  const shared = table.columns.map(({ physical }) => physical);
  const names = next.columns
    .map(({ physical }) => physical)
    .filter((name) => shared.includes(name))
    .map(quoted)
    .join(", ");
  yield* got(
    connection.exec(
      `CREATE TABLE changecast_copy AS SELECT ${names} FROM ${quoted(table.physical)}`,
    ),
  );
  yield* recreate(connection, table, next, function* () {
    yield* got(
      connection.exec(
        `INSERT INTO ${quoted(next.physical)} (${names}) SELECT ${names} FROM changecast_copy`,
      ),
    );
    yield* got(connection.exec("DROP TABLE changecast_copy"));
  });
}

/** A table of the new shape, with the app's indexes and triggers that still make sense, made after `fill`. */
function* recreate(
  connection: SqliteConnection,
  table: SqliteTable,
  next: SqliteTable,
  fill: () => Work<void> = function* () {},
): Work<void> {
  const made = yield* got(
    connection.all(
      "SELECT sql FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL",
      [table.physical],
    ),
  );
  yield* got(connection.exec(`DROP TABLE ${quoted(table.physical)}`));
  yield* got(connection.exec(tableText(next, next.physical)));
  yield* fill();
  for (const { sql } of made) yield* attempt(connection, String(sql));
}

/** An index over a column that is gone cannot come back. */
function* attempt(connection: SqliteConnection, sql: string): Work<void> {
  try {
    yield* got(connection.exec(sql));
  } catch {
    return;
  }
}
