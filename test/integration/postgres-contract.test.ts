/** The connector suite over Postgres. */
import { createPostgresConnector } from "../../connectors/postgres/connector.js";
import type { PostgresOptions } from "../../connectors/postgres/options.js";
import type { Write } from "../../connectors/scripted/scripted-source.js";
import type { Cell } from "../../connectors/scripted/scripted-table.js";
import { connectorContract } from "../contract/connector.contract.js";
import { freshDatabase } from "../support/postgres-server.js";

for (const version of [18, 15] as const) {
  connectorContract<PostgresOptions>(`postgres (${String(version)})`, async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (id int primary key, name text, notes text);
      create table other (id int primary key)`);
    const connector = createPostgresConnector();
    const good = { url: database.url, tls: { mode: "disable" }, slot: database.database };
    const parsed = connector.parseOptions(good);
    if ("problems" in parsed) throw new Error("the options of the test are wrong");
    return {
      ...{ connector, options: parsed.options },
      written: { good, bad: { url: "mysql://me:secret@there", slot: "No Slot", extra: 1 } },
      ...{ items: "public.items", other: "public.other" },
      commit: (writes) => database.exec(writes.map(sqlOf).join("; ")),
      cut: async () => {
        await database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name like 'changecast%'`,
        );
      },
      forget: async () => {
        await database.query("select pg_drop_replication_slot($1)", [database.database]);
      },
      close: () => database.drop(),
    };
  });
}

function sqlOf(write: Write): string {
  if ("insert" in write) {
    const names = Object.keys(write.row).join(", ");
    const values = Object.values(write.row)
      .map((value) => literal(value))
      .join(", ");
    return `insert into ${write.insert} (${names}) values (${values})`;
  }
  if ("update" in write) {
    const set = Object.entries(write.set).map(([name, value]) => `${name} = ${literal(value)}`);
    return `update ${write.update} set ${set.join(", ")} where id = ${literal(write.key[0])}`;
  }
  if ("delete" in write) return `delete from ${write.delete} where id = ${literal(write.key[0])}`;
  if ("renew" in write || "patch" in write) {
    throw new RangeError("Postgres shows every value that changed, and every row");
  }
  return `truncate ${write.truncate}`;
}

function literal(value: Cell | undefined): string {
  if (value === null || value === undefined) return "null";
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value);
}
