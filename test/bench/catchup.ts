/**
 * How fast a client that missed 1,000,000 entries on 50,000 keys has caught up: the newest of each key from a
 * journal and broker in a process of their own, over the wire, into SQLite; beside a plain loop of as many upserts.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { changecast } from "../../src/client/client.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import { median, ratioOf, usageOf } from "./figure.js";
import type { Bench } from "./figure.js";
import type { Answer, Ask } from "./catchup-server.js";
import { itemBody, itemsSchema } from "./item-rows.js";
import { openDatabase, watchedStore } from "./local-store.js";

const CHANNEL = "items";
const KEYS = 50_000;
const ROWS_PER_TRANSACTION = 1_000;

interface Reading {
  readonly seconds: number;
  readonly cpuMs: number;
  readonly rssAnonMb: number;
}

export const catchup: Bench = {
  name: "catchup",
  run: async (isQuick) => {
    const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
    const script = fileURLToPath(new URL("catchup-server.js", import.meta.url));
    const server = fork(script, [folder]);
    try {
      return await measure({ folder, server, isQuick });
    } finally {
      server.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  },
};

async function measure({
  folder,
  server,
  isQuick,
}: {
  readonly folder: string;
  readonly server: ChildProcess;
  readonly isQuick: boolean;
}) {
  const entries = isQuick ? 200_000 : 1_000_000;
  const before = await answered(server);
  const left = join(folder, "left.db");
  await follow(left, before.port, before.log);
  const behind = await answered(server, { entries });
  const ours: Reading[] = [];
  const plain: number[] = [];
  const { cpuMs } = await answered(server, "usage");
  const rounds = isQuick ? 5 : 9;
  for (let round = 0; round < rounds; round += 1) {
    const file = join(folder, `round-${String(round)}.db`);
    copyFileSync(left, file);
    ours.push(await follow(file, behind.port, behind.log));
    copyFileSync(left, file);
    plain.push(upsertAll(file, round));
  }
  const usage = await answered(server, "usage");
  const gone = once(server, "exit");
  server.send("stop" satisfies Ask);
  await gone;
  const figure = Math.round(KEYS / median(ours.map(({ seconds }) => seconds)));
  const reference = Math.round(KEYS / median(plain));
  const what = "INSERT … ON CONFLICT of 50,000 rows, a plain loop in transactions of 1,000";
  const cpu = usage.cpuMs - cpuMs + ours.reduce((sum, one) => sum + one.cpuMs, 0);
  return {
    ...{ bench: "catchup", figure, unit: "rows/s", reference: { what, figure: reference } },
    ratio: ratioOf(figure, reference),
    cpuUsPerItem: Number(((cpu * 1_000) / (rounds * KEYS)).toFixed(2)),
    rssAnonMb: usage.rssAnonMb + Math.max(...ours.map(({ rssAnonMb }) => rssAnonMb)),
    ...(isQuick
      ? { reduced: "200,000 entries behind instead of 1,000,000, 5 rounds instead of 9" }
      : {}),
  };
}

/** From the start of the sync until the file holds log number `last`. */
async function follow(file: string, port: number, last: number): Promise<Reading> {
  const database = openDatabase(file);
  const { store, held } = watchedStore(sqliteStore(nodeSqlite(database)), last);
  const cast = changecast({ url: `ws://127.0.0.1:${String(port)}/v1`, WebSocket });
  const before = usageOf(process.pid).cpuMs;
  const begunAt = performance.now();
  cast.sync(store, [CHANNEL]);
  await held;
  const seconds = (performance.now() - begunAt) / 1_000;
  const { cpuMs, rssAnonMb } = usageOf(process.pid);
  await cast.close();
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  return { seconds, cpuMs: cpuMs - before, rssAnonMb };
}

/** Seconds for every row, in key order. */
function upsertAll(file: string, round: number): number {
  const decoder = new TextDecoder();
  const rows = Array.from({ length: KEYS }, (_, at) => {
    const body = itemBody(at, 1_000 + round);
    return JSON.parse(`[${decoder.decode(body)}]`) as (number | string)[];
  });
  const names = itemsSchema.columns.map(({ name }) => name);
  const set = names.slice(1).map((name) => `${name}=excluded.${name}`);
  const database = openDatabase(file);
  const upsert = database.prepare(
    `INSERT INTO items (${names.join()}) VALUES (${names.map(() => "?").join()})
      ON CONFLICT (id) DO UPDATE SET ${set.join()}`,
  );
  const begunAt = performance.now();
  for (let from = 0; from < KEYS; from += ROWS_PER_TRANSACTION) {
    database.exec("BEGIN IMMEDIATE");
    for (let at = from; at < from + ROWS_PER_TRANSACTION; at += 1) upsert.run(...(rows[at] ?? []));
    database.exec("COMMIT");
  }
  const seconds = (performance.now() - begunAt) / 1_000;
  database.close();
  return seconds;
}

/** What the server says next, after what it is asked. */
async function answered(server: ChildProcess, ask?: Ask): Promise<Answer> {
  const next = once(server, "message");
  if (ask !== undefined) server.send(ask);
  const [answer] = (await next) as [Answer];
  return answer;
}
