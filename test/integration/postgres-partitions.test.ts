/**
 * Goal: channels follow a partitioned table whose partitions come and go with their rows, of which Postgres
 * tells the stream nothing (P-18, I8). Method: the real pipeline on real servers; what a channel holds is
 * compared with the table, while the service runs and where it stood still meanwhile.
 */
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPostgresConnector } from "../../connectors/postgres/connector.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import type { Log } from "../../src/base/log.js";
import { Secret } from "../../src/base/secret.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import { silentPipelineMetrics } from "../../src/pipeline/metrics.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";
import { pause } from "../support/postgres-machine.js";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";
import { systemSleep } from "../support/stream-world.js";

const versions: readonly PostgresVersion[] = [18, 15];
const WAIT_MS = 15_000;

const { rules } = compileRules([
  ruleDefinition.parse({ name: "logs", source: "shop", from: "public.logs", channel: "all" }),
]);

describe.each(versions)("a partitioned table of Postgres %i", (version) => {
  let database: PostgresDatabase;
  let slot: string;
  let copies: number;
  let disk: MemoryDisk;
  let running: { journal: JournalWriter; stop: () => Promise<void> } | undefined;

  beforeEach(async () => {
    database = await freshDatabase(version);
    await database.exec(`create table logs (id int primary key, what text) partition by range (id);
      create table logs_1 partition of logs for values from (0) to (10);
      create table logs_2 partition of logs for values from (10) to (20) partition by range (id);
      create table logs_2_a partition of logs_2 for values from (10) to (20);
      insert into logs select n, 'row ' || n from generate_series(5, 15) n`);
    // One server has many databases here, and a slot belongs to one.
    slot = `slot_${randomBytes(4).toString("hex")}`;
    copies = 0;
    disk = new MemoryDisk();
    await start();
    await follows("the first copy");
  });

  afterEach(async () => {
    await stop();
    await database.exec(`select pg_drop_replication_slot('${slot}')`);
  });

  async function start(): Promise<void> {
    const journal = openMemoryJournal({ disk, random: systemRandom });
    const connector = createPostgresConnector({ reconcileMs: 100 });
    const parsed = connector.parseOptions({ connector: "postgres", url: database.url, slot });
    if (!("options" in parsed)) throw new Error(JSON.stringify(parsed.problems));
    const log: Log = {
      ...silentLog,
      child: () => log,
      info: (name) => {
        if (name === "copy.started") copies += 1;
      },
    };
    const pipeline = new Pipeline({
      ...{ journal, rules, log, clock: systemClock, random: systemRandom },
      sources: [{ name: "shop", connector, options: new Secret(parsed.options) }],
      metrics: silentPipelineMetrics,
      settings: { backoff: { baseMs: 1, maxMs: 50 }, chunkRowsMax: 4 },
    });
    await pipeline.begin();
    const life = new AbortController();
    const ended = pipeline.run(life.signal);
    ended.catch(() => undefined);
    running = {
      journal,
      stop: async () => {
        life.abort(new Error("stopped"));
        await ended;
        await journal.close();
      },
    };
  }

  async function stop(): Promise<void> {
    await running?.stop();
    running = undefined;
  }

  /** Until the channel holds just the rows of the table. */
  async function follows(what: string): Promise<void> {
    const until = Date.now() + WAIT_MS;
    for (;;) {
      const due = await database.query("select id, what from logs order by id");
      const wanted = due.map(({ id, what: text }) => `${Number(id)},${JSON.stringify(text)}`);
      const held = await content();
      if (JSON.stringify(held) === JSON.stringify(wanted)) return;
      if (Date.now() > until) expect(held, what).toEqual(wanted);
      await pause(20);
    }
  }

  async function content(): Promise<string[]> {
    const rows = new Map<number, string>();
    const lap = await running?.journal.reader.read([{ channel: "all", after: 0 }], 1_000_000);
    for (const { op, body } of lap?.channels[0]?.entries ?? []) {
      const text = Buffer.from(body).toString();
      if (op === "d") rows.delete(Number(text));
      else rows.set(Number(text.split(",")[0]), text);
    }
    return [...rows.entries()].sort(([a], [b]) => a - b).map(([, text]) => text);
  }

  it("loses the rows of a partition that is dropped, and of one that is detached", async () => {
    await database.exec("drop table logs_2_a");
    await follows("dropped");
    await database.exec("alter table logs detach partition logs_1; delete from logs_1");
    await follows("detached");
    expect(await content()).toEqual([]);
    await database.exec("create table logs_3 partition of logs default");
    await database.exec("insert into logs values (1, 'new'), (30, 'more')");
    await follows("a new one");
    await systemSleep(500);
    expect(copies, "nothing was copied again").toBe(1);
  });

  it("gains the rows of a table that is attached", async () => {
    await database.exec(`create table other (id int primary key, what text);
      insert into other values (21, 'attached'), (22, 'too');
      alter table logs attach partition other for values from (20) to (30)`);
    await follows("attached");
    await database.exec(
      "update logs set what = 'changed' where id = 22; delete from logs where id = 6",
    );
    await follows("changed");
  });

  it("sees what changed in a partition between its detaching and its coming back", async () => {
    await database.exec(`begin; alter table logs detach partition logs_1;
      update logs_1 set what = 'meanwhile' where id = 7; delete from logs_1 where id = 8;
      alter table logs attach partition logs_1 for values from (0) to (10); commit`);
    await follows("back");
  });

  it("keeps rows that moved away before their partition went", async () => {
    await database.exec(`update logs set id = id - 8 where id = 12;
      drop table logs_2_a; create table logs_2_b partition of logs_2 default;
      insert into logs values (12, 'again')`);
    await follows("moved");
  });

  it("is not taken in by a new partition of an old one's name, or by another name", async () => {
    await database.exec(`drop table logs_2_a;
      create table logs_2_a partition of logs_2 for values from (10) to (20);
      insert into logs values (19, 'of the new one')`);
    await follows("the old name");
    await database.exec("alter table logs_1 rename to renamed; insert into logs values (1, 'x')");
    await follows("renamed");
    await database.exec("drop table renamed");
    await follows("dropped by its new name");
  });

  it("catches up with what came and went while the service stood still", async () => {
    await stop();
    await database.exec(`insert into logs values (1, 'lost with its partition'); drop table logs_1;
      create table other (id int primary key, what text); insert into other values (3, 'other');
      alter table logs attach partition other for values from (0) to (10);
      create table logs_4 partition of logs for values from (40) to (50);
      insert into logs values (41, 'in a new one')`);
    await start();
    await follows("after the pause");
  });
});
