/**
 * Goal: the servers that every other integration test stands on are real, of the version asked for
 * and able to do logical decoding; and nothing of them is left when their process is gone. Method:
 * start each version, decode a change with pgoutput, crash and restart it, and kill a child process
 * that holds one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { pause } from "../support/postgres-machine.js";
import { freshDatabase, sharedPostgres, startPostgres } from "../support/postgres-server.js";
import type { PostgresServer, PostgresVersion } from "../support/postgres-server.js";

const started: PostgresServer[] = [];

afterAll(async () => {
  await Promise.all(started.map((server) => server.close()));
});

describe.each<PostgresVersion>([18, 15])("Postgres %d", (version) => {
  test("is of the version that was asked for", async () => {
    const server = await sharedPostgres(version);
    const [row] = await server.query("select current_setting('server_version_num') as number");
    expect(String(row?.["number"]).slice(0, 2)).toBe(String(version));
  });

  test("decodes a committed change with pgoutput", async () => {
    const database = await freshDatabase(version);
    const slot = database.database;
    await database.exec(`
      create table products (id int primary key, name text);
      create publication everything for all tables;
    `);
    await database.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await database.exec("insert into products values (1, 'salt')");

    const rows = await database.query(
      `select get_byte(data, 0) as kind, position('salt'::bytea in data) > 0 as holds_row
         from pg_logical_slot_peek_binary_changes($1, null, null,
           'proto_version', '1', 'publication_names', 'everything')`,
      [slot],
    );

    // Begin, Relation, Insert, Commit.
    expect(rows.map((row) => String.fromCharCode(Number(row["kind"])))).toEqual([
      "B",
      "R",
      "I",
      "C",
    ]);
    expect(rows[2]?.["holds_row"]).toBe(true);
    await database.drop();
  });

  test("keeps committed rows and its address over a crash and a restart", async () => {
    const server = await startPostgres({
      version,
      exclusive: true,
      settings: { fsync: "on", max_slot_wal_keep_size: "64MB" },
    });
    started.push(server);
    await server.exec("create table kept (id int); insert into kept values (1)");
    const before = server.pid;

    await server.stop("immediate");
    await expect(server.query("select 1")).rejects.toThrow(/ECONNREFUSED/);
    await server.restart("fast");

    expect(await server.query("select id from kept")).toEqual([{ id: 1 }]);
    expect(await server.query("show fsync")).toEqual([{ fsync: "on" }]);
    expect(await server.query("show max_slot_wal_keep_size")).toEqual([
      { max_slot_wal_keep_size: "64MB" },
    ]);
    expect(server.pid === undefined || server.pid !== before).toBe(true);
  });
});

test("a server whose process is killed ends, and takes its data along", async () => {
  const holder = fileURLToPath(
    new URL("../../dist/test/support/postgres-holder.js", import.meta.url),
  );
  expect(existsSync(holder), `${holder} is missing: npm run build`).toBe(true);
  const child = spawn(process.execPath, [holder], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  const { pid, dataDir } = JSON.parse(line) as { pid: number; dataDir: string };
  child.kill("SIGKILL");
  await once(child, "exit");

  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline && (alive(pid) || existsSync(dataDir))) await pause(50);
  expect({ alive: alive(pid), data: existsSync(dataDir) }).toEqual({ alive: false, data: false });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process: what the caller asks.
    return false;
  }
}
