/**
 * Goal: a database that was restored to an earlier moment, behind the same URL, is never taken for the one
 * that was read before (I7): channels end with what it holds now. Method: the data folder of a stopped server
 * is copied away and put back, as a file-system backup would be; what happens before and after the moment of
 * the copy is such that log positions fit.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FollowedTables } from "../support/followed-tables.js";
import { pause } from "../support/postgres-machine.js";
import { type PostgresServer, startPostgres } from "../support/postgres-server.js";
import type { PostgresVersion } from "../support/postgres-server.js";

describe.each<PostgresVersion>([18, 15])(
  "a database of Postgres %i that is restored",
  (version) => {
    let server: PostgresServer;
    let followed: FollowedTables;
    let backup: string;

    beforeEach(async () => {
      // Nothing but the test moves the log on.
      const settings = { autovacuum: "off", checkpoint_timeout: "1h" };
      server = await startPostgres({ version, exclusive: true, settings });
      backup = mkdtempSync(join(tmpdir(), "changecast-backup-"));
      await server.exec(`create table logs (id int primary key, what text);
      create schema apart; create table apart.noise (n int);
      insert into logs values (1, 'first')`);
      followed = new FollowedTables(server);
      await followed.start();
      await followed.follow("the first copy");
    });

    afterEach(async () => {
      await followed.stop();
      await server.close();
      rmSync(backup, { recursive: true, force: true });
    });

    const dataDir = (): string => {
      if (server.dataDir === undefined) throw new Error("this needs a Postgres of this machine");
      return server.dataDir;
    };

    const copy = (from: string, to: string): void => {
      rmSync(to, { recursive: true, force: true });
      const { status, stderr } = spawnSync("cp", ["-a", from, to], { encoding: "utf8" });
      expect(status, stderr).toBe(0);
    };

    async function keepBackup(): Promise<void> {
      await server.stop("fast");
      copy(dataDir(), join(backup, "data"));
      await server.restart("fast");
    }

    async function restore(): Promise<void> {
      await server.stop("fast");
      copy(join(backup, "data"), dataDir());
      await server.restart("fast");
    }

    const head = async (): Promise<string> =>
      String((await server.query("select pg_current_wal_lsn()::text as lsn"))[0]?.["lsn"]);

    /** Until the slot knows that everything up to here is durable. */
    async function acknowledged(lsn: string): Promise<void> {
      for (let tries = 0; tries < 600; tries += 1) {
        const [slot] = await server.query(
          "select confirmed_flush_lsn >= $1::pg_lsn as there from pg_replication_slots",
          [lsn],
        );
        if (slot?.["there"] === true) return;
        await pause(25);
      }
      throw new Error(`${lsn} is not acknowledged`);
    }

    /** Writes that no rule reads, beyond that place. */
    async function writeApart(beyond?: string): Promise<void> {
      do await server.exec("insert into apart.noise select generate_series(1, 2000)");
      while (beyond !== undefined && (await head()) <= beyond);
    }

    it("while it is read, is copied again: rows of the lost part go", async () => {
      await keepBackup();
      await server.exec("insert into logs values (2, 'lost'); update logs set what = 'late'");
      await followed.follow("what came after the backup");
      const { copies } = followed;
      await restore();
      await followed.follow("what the backup held");
      expect(followed.copies).toBeGreaterThan(copies);
      await server.exec("insert into logs values (3, 'after')");
      await followed.follow("what comes now");
    });

    it("and written beyond where it was read, shows by its commits that it is another", async () => {
      await keepBackup();
      await server.exec("insert into logs values (2, 'lost')");
      await followed.follow("what came after the backup");
      await followed.stop();
      const before = await head();
      await restore();
      await server.exec("insert into logs values (4, 'other')");
      await writeApart(before);
      await followed.start();
      await followed.follow("what the restored database holds");
      expect(followed.lost).toEqual([expect.stringContaining("restored to an earlier moment")]);
    });

    it("to a moment behind the last commit that was read, loses nothing of what is written now", async () => {
      await server.exec("insert into logs values (2, 'kept')");
      await followed.follow("the last commit");
      await keepBackup();
      await writeApart();
      const idle = await head();
      await acknowledged(idle);
      await followed.stop();
      await restore();
      // These stand where the lost history had nothing to read.
      await server.exec("insert into logs values (5, 'new')");
      await writeApart(idle);
      await followed.start();
      await followed.follow("what the restored database holds");
      expect(followed.lost).toEqual([expect.stringContaining("restored to an earlier moment")]);
    });

    it("is not suspected where it was only stopped, or crashed", async () => {
      await server.exec("insert into logs values (2, 'kept')");
      await writeApart();
      await followed.follow("before");
      const { copies } = followed;
      await server.restart("immediate");
      await server.exec("insert into logs values (3, 'after')");
      await followed.follow("after a crash");
      await followed.stop();
      await server.exec("insert into logs values (4, 'away')");
      await writeApart();
      await server.restart("immediate");
      await followed.start();
      await followed.follow("after another, while nobody read");
      expect([followed.copies, followed.lost]).toEqual([copies, []]);
    });
  },
);
