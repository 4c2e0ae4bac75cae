/** Whether a table can be kept where it is meant to go, told before anything is written to it. */
import { AppError } from "../../base/errors.js";
import type { TableSchema } from "../../model/table.js";
import type { SqliteConnection } from "./sqlite-driver.js";
import {
  eventColumns,
  ownColumns,
  quoted,
  type StoredColumn,
  type TableMapping,
} from "./sqlite-table.js";
import { affinityOf, fits } from "./sqlite-values.js";
import { got, type Work } from "./work.js";

interface AppColumn {
  readonly name: string;
  readonly declared: string;
  /** NOT NULL without a default. */
  readonly required: boolean;
}

/** A table of the store's own: its name must be free, its columns told apart. */
export function* checkOwnTable(
  connection: SqliteConnection,
  schema: TableSchema,
  isKnown: boolean,
): Work<readonly StoredColumn[]> {
  const { table } = schema;
  if (/^(sqlite|changecast)_/i.test(table)) {
    throw misfit(
      table,
      "names that begin with sqlite_ or changecast_ are taken",
      "Map it to another table: `tables: {…}`.",
    );
  }
  const columns = ownColumns(schema);
  const seen = new Map<string, string>();
  for (const { physical } of columns) {
    const other = seen.get(physical.toLowerCase());
    if (other !== undefined) {
      throw misfit(
        table,
        `its columns "${other}" and "${physical}" are one to SQLite, which does not tell capitals from small letters`,
        "Rename one of them in the rule (`rename:`).",
      );
    }
    seen.set(physical.toLowerCase(), physical);
  }
  if (isKnown) return columns;
  const found = yield* got(
    connection.all("SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE", [table]),
  );
  if (found.length > 0) {
    throw new AppError(
      "CLIENT_TABLE_EXISTS",
      `table "${table}" was to be made, but the database has a ${String(found[0]?.["type"])} of that name`,
      { context: { table }, cure: "Map the table to the app's, or rename one of both." },
    );
  }
  return columns;
}

/** A table of the app's: every column must be there and keep its values as they are. */
export function* checkMappedTable(
  connection: SqliteConnection,
  schema: TableSchema,
  mapping: TableMapping,
): Work<readonly StoredColumn[]> {
  const found = yield* got(
    connection.all(
      'SELECT name, type, "notnull" AS required, dflt_value AS preset, pk FROM pragma_table_info(?)',
      [mapping.table],
    ),
  );
  if (found.length === 0) {
    throw misfit(
      schema.table,
      `there is no table "${mapping.table}"`,
      "Create it before the sync starts.",
    );
  }
  const app = new Map<string, AppColumn>();
  for (const row of found) {
    const name = String(row["name"]);
    const required = Number(row["required"]) === 1 && row["preset"] === null;
    app.set(name.toLowerCase(), { name, declared: String(row["type"]), required });
  }
  const columns = mappedColumns(schema, mapping).map((column) =>
    fitted(schema, column, app, mapping),
  );
  for (const { name, required } of app.values()) {
    if (required && !columns.some(({ physical }) => physical === name)) {
      throw misfit(
        schema.table,
        `column "${name}" of "${mapping.table}" is NOT NULL and gets no value`,
        `Give it a default, or map a column to it.`,
      );
    }
  }
  yield* checkKey(connection, schema, mapping, columns);
  return columns;
}

/** Where a mapped table's values go, by the mapping alone. */
export function mappedColumns(schema: TableSchema, mapping: TableMapping): StoredColumn[] {
  const columns: StoredColumn[] = schema.kind === "events" ? eventColumns(schema) : [];
  for (const column of schema.columns) {
    const to = mapping.columns?.[column.name];
    if (to !== null) columns.push({ column, physical: to ?? column.name, declared: "" });
  }
  return columns;
}

function fitted(
  schema: TableSchema,
  { column, physical }: StoredColumn,
  app: ReadonlyMap<string, AppColumn>,
  mapping: TableMapping,
): StoredColumn {
  const target = app.get(physical.toLowerCase());
  if (target === undefined) {
    throw misfit(
      schema.table,
      `"${mapping.table}" has no column "${physical}"`,
      `ALTER TABLE ${quoted(mapping.table)} ADD COLUMN ${quoted(physical)}, or leave it out with columns: {${JSON.stringify(column?.name ?? physical)}: null}.`,
    );
  }
  if (column !== undefined && !fits(column.type, affinityOf(target.declared))) {
    throw misfit(
      schema.table,
      `column "${target.name}" of "${mapping.table}" is declared ${target.declared} and would change values of type ${column.type}`,
      "Declare it as the store mapping table says (README).",
    );
  }
  return { column, physical: target.name, declared: target.declared };
}

/** Lets SQLite itself say whether ON CONFLICT over the key has a constraint to stand on. */
function* checkKey(
  connection: SqliteConnection,
  schema: TableSchema,
  mapping: TableMapping,
  columns: readonly StoredColumn[],
): Work<void> {
  const key =
    schema.kind === "events"
      ? columns.slice(0, 2).map(({ physical }) => physical)
      : schema.key.map((name) => columns.find(({ column }) => column?.name === name)?.physical);
  const names = key.map((name) => {
    if (name === undefined) {
      throw misfit(schema.table, "a key column is left out", "Map every column of the key.");
    }
    return quoted(name);
  });
  const first = names[0] ?? "";
  try {
    yield* got(
      connection.all(
        `EXPLAIN INSERT INTO ${quoted(mapping.table)} (${first}) VALUES (NULL) ON CONFLICT (${names.join(", ")}) DO NOTHING`,
        [],
      ),
    );
  } catch (cause) {
    throw new AppError(
      "CLIENT_TABLE_MISFIT",
      `table "${schema.table}" cannot go to "${mapping.table}": no PRIMARY KEY or UNIQUE constraint over just (${names.join(", ")})`,
      {
        context: { table: schema.table },
        cure: `CREATE UNIQUE INDEX … ON ${quoted(mapping.table)} (${names.join(", ")});`,
        cause,
      },
    );
  }
}

function misfit(table: string, found: string, cure: string): AppError {
  return new AppError("CLIENT_TABLE_MISFIT", `table "${table}" cannot be kept: ${found}`, {
    context: { table },
    cure,
  });
}
