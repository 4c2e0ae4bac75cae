/**
 * Goal: a disk that is full, slow or damaged, and a journal that was restored from a copy, are told loudly;
 * nothing is acknowledged that is not kept, and clients end with what the database holds (I1, I3, I7).
 * Method: the program as a process on a real Postgres, its journal's files limited, slowed, cut and replaced; a client whose content is compared with the table.
 */
import { cpSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pause } from "../support/postgres-machine.js";
import { freshDatabase } from "../support/postgres-server.js";
import { runProgram } from "../support/end-to-end-program.js";
import { ServedTable } from "../support/served-table.js";

let served: ServedTable;

beforeEach(async () => {
  served = await ServedTable.create(await freshDatabase(18));
});

afterEach(async () => {
  await served.close();
});

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

const journal = (name = ""): string => join(served.program.folder, "changecast-journal", name);

/** Where the slot stands, and where the log does. */
async function places(): Promise<{ readonly confirmed: string; readonly head: string }> {
  const [row] = await served.database.query(
    `select lpad(confirmed_flush_lsn::text, 20) as confirmed,
            lpad(pg_current_wal_lsn()::text, 20) as head
       from pg_replication_slots where slot_name = $1`,
    [served.database.database],
  );
  return { confirmed: String(row?.["confirmed"]), head: String(row?.["head"]) };
}

async function logged(text: string): Promise<void> {
  const until = Date.now() + 20_000;
  while (!served.program.log.includes(text)) {
    if (Date.now() > until) throw new Error(`${text} was not logged:\n${served.program.logTail()}`);
    await pause(25);
  }
}

describe("a full disk", () => {
  it("ends acknowledging, not reading: clients are served, and all goes on when there is room", async () => {
    await served.write(200);
    await served.up();
    await served.leave();
    await served.program.stop();
    const bytes = Math.max(
      statSync(journal("blocks.mdb")).size,
      statSync(journal("derived.mdb")).size,
    );
    served.program.start({ fileBytesMax: bytes + 1024 * 1024 });
    await served.program.ready();
    await served.write(2_000, "x".repeat(2_000));
    await logged('"event":"pipeline.ended"');
    expect(served.program.log).toContain("JOURNAL_WRITE_FAILED");
    const { confirmed } = await places();
    // A client that comes now is served what was kept, and told that it is old.
    served.join();
    await served.sync.live();
    const held = served.rows().length;
    expect(held).toBeGreaterThanOrEqual(200);
    expect((await served.health()).why).toMatch(/^writing .*\.(mdb|wal): /);
    await served.write(10);
    await pause(1_500);
    expect((await places()).confirmed).toBe(confirmed);
    expect(served.rows()).toHaveLength(held);
    await served.program.stop();
    served.program.start();
    await served.equal("after room was made");
    // Those before the first copy did not happen while it read.
    expect(served.trail()).toEqual(numbers(201, 2_210));
    expect(served.gaps).toEqual([]);
  });

  it("refuses a start that cannot write, with the file and the cure", async () => {
    await served.up();
    await served.program.stop();
    served.program.start({ fileBytesMax: 4_096 });
    await served.program.ended();
    expect(served.program.log).toMatch(/error at journal\.path\n.*JOURNAL_/);
    served.program.start();
    await served.write();
    await served.equal("after room was made");
  });
});

describe("a slow disk", () => {
  it("makes larger commits, shows nothing before it is durable, and loses nothing by a kill", async () => {
    await served.up();
    await served.program.stop();
    const kill = { point: "BlockAppends.append", moment: "late", count: 400 } as const;
    served.program.start({ kill });
    await served.program.ready();
    await served.equal("on a slow disk");
    const before = (await served.program.metric("changecast_journal_log_number")) ?? 0;
    await served.write(300);
    await served.equal("300 transactions in a few commits");
    expect((await served.program.metric("changecast_journal_log_number")) ?? 0).toBeLessThan(
      before + 60,
    );
    await served.write(100);
    await served.program.kill();
    await served.leave();
    const held = new Set(served.rows());
    served.program.start();
    await served.program.ready();
    served.join();
    await served.equal("after a kill");
    for (const row of held) expect(served.rows()).toContain(row);
    expect(served.trail()).toEqual(numbers(1, 400));
  });
});

describe("a damaged journal", () => {
  it.each(["blocks.mdb", "derived.mdb"])(
    "with %s cut short is refused; moved away, tables are copied again",
    async (file) => {
      await served.write(500);
      await served.up();
      await served.program.stop();
      truncateSync(journal(file), Math.floor(statSync(journal(file)).size / 2));
      const { code, err } = await runProgram(["run", "-c", served.program.configFile]);
      expect(code, err).toBe(2);
      expect(err).toMatch(/error at journal\.path\n.*\.mdb: .*JOURNAL_DAMAGED/);
      expect(err).toContain("move it away and start with an empty one");
      renameSync(journal(), journal("../moved-away"));
      await served.database.exec("delete from stock where id % 3 = 0");
      served.program.start();
      await served.equal("after a new copy");
    },
  );
});

const isFile = (path: string): boolean => !path.endsWith(".sock");

describe("a journal that was restored from an older copy", () => {
  it("is another history for clients of the lost part, and for the source", async () => {
    await served.write(50, "before");
    await served.up();
    await served.program.stop();
    cpSync(journal(), journal("../copy"), { recursive: true, filter: isFile });
    served.program.start();
    await served.write(50, "lost");
    await served.equal("what the copy lacks");
    const before = served.trail();
    await served.program.stop();
    rmSync(journal(), { recursive: true });
    renameSync(journal("../copy"), journal());
    await served.database.exec(
      "delete from stock where id > 90; update stock set what = 'changed' where id < 10",
    );
    served.program.start();
    await served.program.ready();
    await served.equal("after the copy was put back");
    expect(served.program.log).toContain("POSTGRES_HISTORY_LOST");
    expect(served.program.log).toContain("the slot stands behind what was read");
    await served.write(5, "after");
    await served.equal("what comes now");
    // The copy holds nothing of the trail: what the client had of it is another history's.
    expect(before).toEqual(numbers(51, 100));
    expect(served.gaps[0]).toEqual({ channel: "trail", from: 50, to: 0 });
    expect(served.trail()).toEqual(numbers(101, 105));
  });

  it("tells a gap in events that it holds in part", async () => {
    await served.up();
    await served.write(20, "kept");
    await served.equal("before the copy");
    await served.program.stop();
    cpSync(journal(), journal("../copy"), { recursive: true, filter: isFile });
    served.program.start();
    await served.write(20, "lost");
    await served.equal("what the copy lacks");
    await served.program.stop();
    rmSync(journal(), { recursive: true });
    renameSync(journal("../copy"), journal());
    served.program.start();
    await served.write(5, "after");
    await served.equal("after the copy was put back");
    await expect.poll(() => served.trail().at(-1)).toBe(45);
    expect(served.gaps.map(({ channel }) => channel)).toContain("trail");
    // Told as serials: what lies in the gap may come again only as what it is.
    const trail = served.trail();
    expect(new Set(trail).size).toBe(trail.length);
    expect(trail.slice(-5)).toEqual(numbers(41, 45));
  });
});
