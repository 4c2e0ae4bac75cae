/** `check` of the Postgres connector, on real servers: each fault is found, and its cure cures it. */
import { afterEach, describe, expect, it } from "vitest";
import type { Problem } from "../../src/model/problem.js";
import { freshDatabase, startPostgres } from "../support/postgres-server.js";
import type {
  PostgresDatabase,
  PostgresServer,
  PostgresVersion,
} from "../support/postgres-server.js";
import { PostgresWorld } from "../support/postgres-world.js";
import type { PostgresWorldOptions } from "../support/postgres-world.js";

const versions: readonly PostgresVersion[] = [18, 15];

const worlds: PostgresWorld[] = [];
const servers: PostgresServer[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
  for (const server of servers.splice(0)) await server.close();
});

function worldOf(database: PostgresDatabase, options?: PostgresWorldOptions): PostgresWorld {
  const world = new PostgresWorld(database, options);
  worlds.push(world);
  return world;
}

/** Without the hint that every server with default settings gets. */
async function problemsOf(
  database: PostgresDatabase,
  options?: PostgresWorldOptions,
): Promise<readonly Problem[]> {
  const { problems } = await worldOf(database, options).check();
  return problems.filter(({ message }) => !message.startsWith("max_slot_wal_keep_size"));
}

/** The one problem; its SQL is run by the superuser, and then there is none. */
async function cured(
  database: PostgresDatabase,
  options?: PostgresWorldOptions,
): Promise<{ readonly code: string; readonly cure: string }> {
  const [problem, ...more] = await problemsOf(database, options);
  if (problem === undefined) throw new Error("there is no problem");
  expect(more).toEqual([]);
  const sql = problem.cure.slice(/ALTER|CREATE|GRANT|SELECT/.exec(problem.cure)?.index ?? 0);
  await database.exec(sql.slice(0, sql.lastIndexOf(";") + 1));
  expect(await problemsOf(database, options)).toEqual([]);
  return problem;
}

const items = "create table items (id int primary key, name text)";

/** A user who may stream and read, and owns nothing. */
async function reader(database: PostgresDatabase, more = ""): Promise<PostgresWorldOptions> {
  const user = `reader_${database.database}`;
  await database.exec(`create role ${user} login replication password 'x'; ${more}`);
  return { user, password: "x" };
}

describe.each(versions)("the check of a database of Postgres %i", (version) => {
  it("finds nothing where all is well, shows the tables, and changes nothing", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table logs (id int, day int, primary key (id, day))
      partition by range (day); create table logs_1 partition of logs default`);
    const { problems, relations } = await worldOf(database).check();
    expect(problems.filter(({ level }) => level === "error")).toEqual([]);
    expect(relations.map(({ name }) => name)).toEqual(["public.items", "public.logs"]);
    const left = await database.query(`select slot_name from pg_replication_slots
      where database = current_database() union all select pubname from pg_publication`);
    expect(left).toEqual([]);
  });

  it("warns where a slot that nobody reads can fill the disk (P-11)", async () => {
    const database = await freshDatabase(version);
    const { problems } = await worldOf(database).check();
    expect(problems).toMatchObject([{ code: "POSTGRES_SETTING_UNFIT", level: "warning" }]);
  });

  it("names a wrong password, a missing database and a server that is not there", async () => {
    const database = await freshDatabase(version);
    const [password] = await problemsOf(database, { password: "wrong" });
    expect(password).toMatchObject({ code: "POSTGRES_LOGIN_REFUSED", level: "error" });
    expect(password?.cure).toContain("`password`");
    expect(JSON.stringify(password)).not.toContain("wrong");
    const [missing] = await problemsOf(database, { database: "nowhere" });
    expect(missing).toMatchObject({ code: "POSTGRES_LOGIN_REFUSED" });
    expect(missing?.message).toContain("nowhere");
    const [away] = await problemsOf(database, { port: 1 });
    expect(away).toMatchObject({ code: "POSTGRES_UNREACHABLE" });
    expect(away?.message).toContain(":1/");
  });

  it("asks for the right to stream", async () => {
    const database = await freshDatabase(version);
    const options = await reader(
      database,
      `create publication changecast; alter role reader_${database.database} noreplication`,
    );
    const { code } = await cured(database, options);
    expect(code).toBe("POSTGRES_PRIVILEGE_MISSING");
  });

  it("asks for the right to read each table, and to see each row", async () => {
    const database = await freshDatabase(version);
    const options = await reader(
      database,
      `create schema "My Shop"; create table "My Shop"."It""s" (id int primary key);
       create publication changecast for table "My Shop"."It""s"`,
    );
    const own = { ...options, relations: ["My Shop.*"] };
    expect((await cured(database, own)).code).toBe("POSTGRES_PRIVILEGE_MISSING");
    await database.exec(`alter table "My Shop"."It""s" enable row level security`);
    const { code, cure } = await cured(database, own);
    expect(code).toBe("POSTGRES_PRIVILEGE_MISSING");
    expect(cure).toContain("BYPASSRLS");
  });

  it("asks for the publication and its tables, where it may not make them", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table "Other" (id int primary key)`);
    const own = { createPublication: false, publication: `It's "ours"` };
    expect((await cured(database, own)).cure).toContain("CREATE PUBLICATION");
    await database.exec(`alter publication "It's ""ours""" drop table "Other"`);
    expect((await cured(database, own)).cure).toContain(`ADD TABLE public."Other"`);
    const options = await reader(
      database,
      `grant select on all tables in schema public to reader_${database.database}`,
    );
    expect((await cured(database, options)).code).toBe("POSTGRES_PUBLICATION_UNFIT");
  });

  it("refuses a publication that leaves something out", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create publication changecast for table items
      with (publish = 'insert')`);
    expect((await cured(database)).cure).toContain("publish =");
    await database.exec("alter publication changecast set (publish_via_partition_root = true)");
    expect((await cured(database)).code).toBe("POSTGRES_PUBLICATION_UNFIT");
    await database.exec("alter publication changecast set table items where (id > 5)");
    expect((await cured(database)).code).toBe("POSTGRES_PUBLICATION_UNFIT");
    await database.exec("alter publication changecast set table items (id)");
    expect((await cured(database)).code).toBe("POSTGRES_PUBLICATION_UNFIT");
  });

  it("refuses tables whose updates and deletes would fail (P-14)", async () => {
    const database = await freshDatabase(version);
    await database.exec("create table items (id int not null unique, name text)");
    expect((await cured(database)).cure).toContain(`ADD PRIMARY KEY ("id")`);
    await database.exec("alter table items replica identity nothing");
    expect((await cured(database)).cure).toContain("REPLICA IDENTITY DEFAULT");
    await database.exec("create table lines (text text)");
    const [problem] = await problemsOf(database);
    expect(problem).toMatchObject({ code: "POSTGRES_PUBLICATION_UNFIT", level: "error" });
    await database.exec("alter table lines replica identity full");
    expect(await problemsOf(database)).toEqual([]);
  });

  it("refuses partitions that tell rows apart otherwise than their siblings", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table logs (id int, day int, other int,
        primary key (id, day, other)) partition by list (other);
      create table logs_1 partition of logs for values in (1);
      create table logs_2 partition of logs for values in (2);
      alter table logs_2 replica identity nothing`);
    expect((await cured(database)).cure).toBe(
      "ALTER TABLE public.logs_2 REPLICA IDENTITY DEFAULT;",
    );
    await database.exec(`create unique index one on logs_2 (other);
      alter table logs_2 replica identity using index one`);
    expect((await cured(database)).code).toBe("POSTGRES_PUBLICATION_UNFIT");
    await database.exec("alter table logs_2 replica identity full");
    expect(await problemsOf(database)).toEqual([]);
  });

  it("refuses what Postgres refuses since 18: FULL and an unpublished generated column", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create table items (id int primary key, name text,
        twice int generated always as (id * 2) stored);
      alter table items replica identity full; insert into items values (1, 'a')`);
    expect(await problemsOf(database)).toEqual([]);
    await database.exec("create publication changecast for table items");
    if (version < 18) {
      expect(await problemsOf(database)).toEqual([]);
      return;
    }
    await expect(database.exec("update items set name = 'b'")).rejects.toThrow("cannot update");
    expect((await cured(database)).cure).toContain("publish_generated_columns = stored");
    await database.exec("update items set name = 'b'");
  });

  it("refuses tables that the log does not show", async () => {
    const database = await freshDatabase(version);
    await database.exec("create unlogged table items (id int primary key)");
    const { cure } = await cured(database);
    expect(cure).toContain("SET LOGGED");
  });

  it("refuses a slot that is missing, is somebody else's, or is held", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    expect((await cured(database, { createSlot: false })).code).toBe("POSTGRES_SLOT_UNFIT");
    await database.exec(`select pg_drop_replication_slot('${database.database}');
      select pg_create_physical_replication_slot('${database.database}')`);
    const [other] = await problemsOf(database);
    expect(other).toMatchObject({ code: "POSTGRES_SLOT_UNFIT", level: "error" });
    await database.exec(`select pg_drop_replication_slot('${database.database}')`);
    const reading = await worldOf(database).open();
    const [held] = await problemsOf(database);
    expect(held).toMatchObject({ code: "POSTGRES_SLOT_BUSY" });
    expect(held?.message).toMatch(/process \d+ \(changecast shop\)/);
    await reading.close();
  });

  it("says that wal_level is not logical", async () => {
    const server = await startPostgres({ version, settings: { wal_level: "replica" } });
    servers.push(server);
    const [problem, ...more] = await problemsOf(server, { slot: "changecast" });
    expect(problem).toMatchObject({ code: "POSTGRES_SETTING_UNFIT", level: "error" });
    expect(problem?.cure).toContain("ALTER SYSTEM SET wal_level = 'logical'");
    expect(more).toEqual([]);
    const world = worldOf(server, { slot: "changecast" });
    await expect(world.open()).rejects.toMatchObject({ code: "POSTGRES_SETTING_UNFIT" });
  });

  it("refuses a standby, by the check and at a start", async () => {
    const server = await startPostgres({ version, exclusive: true });
    servers.push(server);
    await server.exec(`${items}; create publication changecast for table items`);
    await server.exec("copy (select 1) to program 'touch standby.signal'");
    await server.restart("fast");
    expect(await server.query("select pg_is_in_recovery() as is")).toEqual([{ is: true }]);
    const [problem, ...more] = await problemsOf(server, { slot: "changecast" });
    expect(problem).toMatchObject({ code: "POSTGRES_SETTING_UNFIT", level: "error" });
    expect(problem?.cure).toContain("the primary");
    expect(more).toEqual([]);
    const world = worldOf(server, { slot: "changecast" });
    await expect(world.open()).rejects.toMatchObject({ code: "POSTGRES_SETTING_UNFIT" });
    await server.query("select pg_promote()");
    await expect.poll(() => problemsOf(server, { slot: "changecast" })).toEqual([]);
  });

  it("says that no replication connection is free, and what a timeout of 0 means", async () => {
    const settings = { max_wal_senders: "1", wal_sender_timeout: "0" };
    const server = await startPostgres({ version, settings });
    servers.push(server);
    const database = await server.createDatabase("shop");
    await database.exec(items);
    const [timeout, ...more] = await problemsOf(database);
    expect(timeout).toMatchObject({ level: "warning" });
    expect(timeout?.message).toContain("wal_sender_timeout is 0");
    expect(more).toEqual([]);
    const reading = await worldOf(database, { slot: "other" }).open();
    const [full] = await problemsOf(database);
    expect(full?.cure).toContain("Raise max_wal_senders");
    await reading.close();
  });

  it("says that no slot is free, and gives the line that pg_hba.conf lacks", async () => {
    const server = await startPostgres({ version, settings: { max_replication_slots: "1" } });
    servers.push(server);
    const database = await server.createDatabase("shop");
    await database.exec("select pg_create_physical_replication_slot('taken')");
    const [full] = await problemsOf(database);
    expect(full).toMatchObject({ code: "POSTGRES_SETTING_UNFIT", level: "error" });
    expect(full?.message).toContain("max_replication_slots");
    await database.exec("select pg_drop_replication_slot('taken')");
    const options = await reader(database, "create publication changecast");
    const [file] = await server.query("select current_setting('hba_file') as path");
    const path = String(file?.["path"]);
    const write = async (lines: readonly string[]): Promise<void> => {
      const rows = lines.map((line) => `('${line}')`).join(", ");
      await server.exec(`copy (values ${rows}) to '${path}'`);
      await server.query("select pg_reload_conf()");
    };
    const superuser = "host all postgres all scram-sha-256";
    await write([superuser]);
    await expect.poll(() => problemsOf(database, options)).toHaveLength(1);
    const [refused] = await problemsOf(database, options);
    expect(refused).toMatchObject({ code: "POSTGRES_LOGIN_REFUSED", level: "error" });
    const line = /pg_hba\.conf: (.+?) — /.exec(refused?.cure ?? "")?.[1] ?? "";
    await write([superuser, line]);
    await expect.poll(() => problemsOf(database, options)).toEqual([]);
  });

  it("gives up with its signal", async () => {
    const database = await freshDatabase(version);
    const life = new AbortController();
    life.abort(new Error("enough"));
    await expect(worldOf(database).check(life.signal)).rejects.toThrow("enough");
  });
});
