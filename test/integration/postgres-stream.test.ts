/** The stream of the Postgres connector, on real servers, behind the guard that every connector has. */
import { afterEach, describe, expect, it } from "vitest";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";
import { StreamWorld } from "../support/stream-world.js";
import type { Reading, StreamWorldOptions } from "../support/stream-world.js";

const versions: readonly PostgresVersion[] = [18, 15];

const worlds: StreamWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

function worldOf(database: PostgresDatabase, options?: StreamWorldOptions): StreamWorld {
  const world = new StreamWorld(database, options);
  worlds.push(world);
  return world;
}

async function opened(database: PostgresDatabase): Promise<Reading> {
  return worldOf(database).open();
}

const items = "create table items (id int primary key, name text, notes text)";

describe.each(versions)("changes of Postgres %i", (version) => {
  it("shows inserts, updates and deletes of a transaction in their order", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const reading = await opened(database);
    await database.exec(`
      insert into items values (1, 'a', null), (2, 'b', '');
      update items set name = 'A' where id = 1;
      delete from items where id = 2;`);
    expect(await reading.take(4)).toEqual([
      "+ items 1,a,null",
      "+ items 2,b,",
      "~ items 1,A,null",
      "- items 2,?,?",
    ]);
    expect(reading.transactions).toHaveLength(1);
    const [transaction] = reading.transactions;
    expect(Math.abs((transaction?.committedAt ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it("says what a changed key was (P-14)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; insert into items values (1, 'a', 'x')`);
    const reading = await opened(database);
    await database.exec("update items set id = 2 where id = 1");
    expect(await reading.take(1)).toEqual(["~ items 2,a,x was [1]"]);
  });

  it("tells an untouched long value only where the whole old row comes (P-13)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; alter table items alter notes set storage external;
      insert into items values (1, 'a', repeat('x', 5000))`);
    const reading = await opened(database);
    await database.exec("update items set name = 'b'");
    await database.exec("update items set id = 2, name = 'c'");
    await database.exec("alter table items replica identity full");
    await database.exec("update items set name = 'd'");
    await database.exec("delete from items");
    expect(await reading.take(4)).toEqual([
      "~ items 1,b,?",
      "~ items 2,c,? was [1]",
      "~ items 2,d,xxx…5002".replace("xxx", "xx"),
      "- items 2,d,xx…5002".replace("xx…", "xx…"),
    ]);
  });

  it("shows a truncation of several tables (P-17)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table parts
        (id int primary key, item int references items);
      insert into items values (1, 'a', 'x')`);
    const reading = await opened(database);
    await database.exec("truncate items cascade");
    const lines = await reading.take(2);
    expect([...lines].sort()).toEqual(["0 items", "0 parts"]);
  });

  it("names partitions by their root, and follows rows between them (P-18)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`
      create table logs (id int, day int, text text, primary key (id, day))
        partition by range (day);
      create table logs_1 partition of logs for values from (0) to (10);
      create table logs_2 (text text, day int not null, id int not null, primary key (id, day));
      alter table logs attach partition logs_2 for values from (10) to (20)`);
    const reading = await opened(database);
    await database.exec("insert into logs values (1, 5, 'a'), (2, 15, 'b')");
    await database.exec("update logs set day = 16 where id = 1");
    await database.exec("truncate logs_1");
    await database.exec("truncate logs");
    await reading.take(7);
    const lines = reading.lines;
    // The second partition keeps its columns in another order; the root's counts.
    expect(lines.slice(0, 5)).toEqual([
      "+ logs/logs_1 1,5,a",
      "+ logs/logs_2 2,15,b",
      "- logs/logs_1 1,5,?",
      "+ logs/logs_2 1,16,a",
      "0 logs/logs_1",
    ]);
    expect(lines.slice(5)).toEqual(expect.arrayContaining(["0 logs/logs_1", "0 logs/logs_2"]));
  });

  it("leaves out what a savepoint took back and what was rolled back", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const reading = await opened(database);
    await database.exec(`begin; insert into items values (1, 'a', '');
      savepoint s; insert into items values (2, 'b', ''); rollback to s;
      insert into items values (3, 'c', ''); commit`);
    await database.exec("begin; insert into items values (4, 'd', ''); rollback");
    await database.exec("insert into items values (5, 'e', '')");
    expect(await reading.take(3)).toEqual(["+ items 1,a,", "+ items 3,c,", "+ items 5,e,"]);
  });

  it("follows DDL in mid-stream, and leaves out tables that nobody reads (P-19)", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${items}; create table other (id int primary key)`);
    const world = worldOf(database, { relations: ["public.items", "public.things"] });
    const reading = await world.open();
    await database.exec('alter publication "Change cast\'s" add table other');
    await database.exec(`begin; insert into items values (1, 'a', ''); insert into other values (1);
      alter table items add column size int default 7; insert into items values (2, 'b', '', 8);
      alter table items drop column notes; insert into items values (3, 'c', 9);
      alter table items rename column name to title;
      insert into items values (4, 'd', 10); commit`);
    const lines = await reading.take(4);
    expect(lines).toEqual(["+ items 1,a,", "+ items 2,b,,8", "+ items 3,c,9", "+ items 4,d,10"]);
    const relations = new Set(reading.changes.map(({ relation }) => relation.fingerprint));
    expect(relations.size).toBe(4);
    await database.exec(
      "alter table items rename to things; insert into things values (5, 'e', 1)",
    );
    expect((await reading.take(5)).at(-1)).toBe("+ things 5,e,1");
  });

  it("cuts a huge transaction into parts that share position and mark (P-23)", async () => {
    const database = await freshDatabase(version);
    await database.exec(items);
    const reading = await opened(database);
    let open = (): void => undefined;
    reading.gate = new Promise((resolve) => {
      open = resolve;
    });
    await database.exec(
      "insert into items select n, 'row ' || n, repeat('x', 200) from generate_series(1, 50000) n",
    );
    await reading.until(() => reading.batches.length > 0);
    open();
    await reading.take(50_000);
    const parts = reading.transactions;
    expect(parts.length).toBeGreaterThan(20);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, at) => at));
    expect(parts.filter(({ last }) => last)).toEqual([parts.at(-1)]);
    expect(new Set(parts.map(({ position, mark }) => position + mark)).size).toBe(1);
    expect(Math.max(...parts.map(({ bytes }) => bytes))).toBeLessThan(300_000);
    expect(reading.lines.at(-1)).toMatch(/^\+ items 50000,row 50000/);
  });
});
