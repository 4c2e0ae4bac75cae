/**
 * Goal: channels follow tables and partitions that come and go with their rows, of which Postgres tells the
 * stream nothing (P-18, P-19, I7, I8). Method: the real pipeline on real servers; what a channel holds is
 * compared with the tables, while the service runs and where it stood still meanwhile.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FollowedTables } from "../support/followed-tables.js";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";
import { systemSleep } from "../support/stream-world.js";

const versions: readonly PostgresVersion[] = [18, 15];
/** Several times as long as the pause between two looks. */
const LOOKS_MS = 500;

let database: PostgresDatabase;
let followed: FollowedTables;

afterEach(() => followed.close());

describe.each(versions)("a partitioned table of Postgres %i", (version) => {
  beforeEach(async () => {
    database = await freshDatabase(version);
    await database.exec(`create table logs (id int primary key, what text) partition by range (id);
      create table logs_1 partition of logs for values from (0) to (10);
      create table logs_2 partition of logs for values from (10) to (20) partition by range (id);
      create table logs_2_a partition of logs_2 for values from (10) to (20);
      insert into logs select n, 'row ' || n from generate_series(5, 15) n`);
    followed = new FollowedTables(database);
    await followed.start();
    await followed.follow("the first copy");
  });

  it("loses the rows of a partition that is dropped, and of one that is detached", async () => {
    await database.exec("drop table logs_2_a");
    await followed.follow("dropped");
    await database.exec("alter table logs detach partition logs_1; delete from logs_1");
    await followed.follow("detached");
    expect(await followed.content()).toEqual([]);
    // The detached one is a table of its own now, which the rule reads too.
    await systemSleep(LOOKS_MS);
    const { copies } = followed;
    await database.exec("create table logs_3 partition of logs default");
    await database.exec("insert into logs values (1, 'new'), (30, 'more')");
    await followed.follow("a new one");
    await systemSleep(LOOKS_MS);
    expect(followed.copies, "nothing was copied again").toBe(copies);
  });

  it("gains the rows of a table that is attached", async () => {
    await database.exec(`create table other (id int primary key, what text);
      insert into other values (21, 'attached'), (22, 'too');
      alter table logs attach partition other for values from (20) to (30)`);
    await followed.follow("attached");
    await database.exec(
      "update logs set what = 'changed' where id = 22; delete from logs where id = 6",
    );
    await followed.follow("changed");
  });

  it("sees what changed in a partition between its detaching and its coming back", async () => {
    await database.exec(`begin; alter table logs detach partition logs_1;
      update logs_1 set what = 'meanwhile' where id = 7; delete from logs_1 where id = 8;
      alter table logs attach partition logs_1 for values from (0) to (10); commit`);
    await followed.follow("back");
  });

  it("keeps rows that moved away before their partition went", async () => {
    await database.exec(`update logs set id = id - 8 where id = 12;
      drop table logs_2_a; create table logs_2_b partition of logs_2 default;
      insert into logs values (12, 'again')`);
    await followed.follow("moved");
  });

  it("is not taken in by a new partition of an old one's name, or by another name", async () => {
    await database.exec(`drop table logs_2_a;
      create table logs_2_a partition of logs_2 for values from (10) to (20);
      insert into logs values (19, 'of the new one')`);
    await followed.follow("the old name");
    await database.exec("alter table logs_1 rename to renamed; insert into logs values (1, 'x')");
    await followed.follow("renamed");
    await database.exec("drop table renamed");
    await followed.follow("dropped by its new name");
  });

  it("catches up with what came and went while the service stood still", async () => {
    await followed.stop();
    await database.exec(`insert into logs values (1, 'lost with its partition'); drop table logs_1;
      create table other (id int primary key, what text); insert into other values (3, 'other');
      alter table logs attach partition other for values from (0) to (10);
      create table logs_4 partition of logs for values from (40) to (50);
      insert into logs values (41, 'in a new one')`);
    await followed.start();
    await followed.follow("after the pause");
  });
});

describe.each(versions)("a table of Postgres %i", (version) => {
  const columns = "(id int primary key, what text)";

  beforeEach(async () => {
    database = await freshDatabase(version);
    await database.exec(`create table logs ${columns}; insert into logs values (1, 'old')`);
    followed = new FollowedTables(database);
    await followed.start();
    await followed.follow("the first copy");
  });

  it("is copied again when it was made anew, running or not", async () => {
    const again = `drop table logs; create table logs ${columns};`;
    await database.exec(`${again} insert into logs values (2, 'new')`);
    await followed.follow("made anew");
    await followed.stop();
    await database.exec(`${again} insert into logs values (3, 'newer')`);
    await followed.start();
    await followed.follow("made anew meanwhile");
    await database.exec("insert into logs values (4, 'live')");
    await followed.follow("after it");
  });

  it("is the one that has its name, when two are swapped", async () => {
    await database.exec(`create table next ${columns}; insert into next values (1, 'swapped')`);
    await followed.follow("both", ["logs", "next"]);
    await database.exec(`begin; alter table logs rename to before;
      alter table next rename to logs; commit`);
    await followed.follow("swapped", ["before", "logs"]);
  });

  it("is followed from when it appears, and leaves when it is dropped", async () => {
    await database.exec(`create table more ${columns}; insert into more values (1, 'more')`);
    await followed.follow("it appeared", ["logs", "more"]);
    await database.exec("drop table more");
    await followed.follow("it is gone");
  });

  it("is copied again when it was out of the publication meanwhile, running or not", async () => {
    const hidden = `alter publication changecast drop table logs;
      insert into logs values (2, 'hidden'); delete from logs where id = 1;
      alter publication changecast add table logs`;
    await database.exec(hidden);
    await followed.follow("back in the publication");
    await followed.stop();
    await database.exec(hidden.replace("(2,", "(3,"));
    await followed.start();
    await followed.follow("out of it while the service stood still");
  });

  it("that nothing tells the rows of apart is not published, until it has a key", async () => {
    await database.exec(
      "create table bare (id int, what text); insert into bare values (1, 'bare')",
    );
    await systemSleep(LOOKS_MS);
    // Published, it would refuse this.
    await database.exec("update bare set what = 'still' where id = 1");
    await followed.follow("it is left alone");
    await database.exec("alter table bare add primary key (id)");
    await followed.follow("it has a key", ["logs", "bare"]);
    await database.exec("update bare set what = 'live' where id = 1");
    await followed.follow("it is followed", ["logs", "bare"]);
  });

  it("that cannot be read now stops nothing, and comes as soon as it can be", async () => {
    await database.exec(`create table closed ${columns}; insert into closed values (1, 'closed');
      alter table closed enable row level security; alter table closed force row level security;
      create policy none on closed using (false)`);
    await systemSleep(LOOKS_MS);
    await database.exec("insert into logs values (5, 'meanwhile')");
    expect(followed.failure).toBeUndefined();
    await database.exec("alter table closed disable row level security");
    await followed.follow("it can be read", ["logs", "closed"]);
  });
});
