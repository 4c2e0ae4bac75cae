/**
 * 1,000 one-row transactions a second: from a row's statement, just before its commit, to the callback of a client; beside the
 * same transactions read from a slot in Node and nothing else.
 */
import { Program } from "../support/end-to-end-program.js";
import { startPostgres } from "../support/postgres-server.js";
import type { PostgresServer } from "../support/postgres-server.js";
import { lowest, ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { FarProcess } from "./fan/far-process.js";
import { Spread } from "./fan/spread.js";
import { pauseMs } from "./fan/time.js";

const RATE = 1_000;
const ROWS = 1_000;
/** What the median may take beyond the reference, and what the slowest hundredth may take. */
const BEYOND_MS = 1;
const P99_MS = 8;
/** It is looked so often whether everything came, and waited for so long. */
const SETTLE_MS = 500;
const WAIT_MS = 20_000;
const WARM_SECONDS = 2;

const publication = "bench";

export const latency: Bench = {
  name: "latency",
  run: async (isQuick) => {
    const seconds = isQuick ? 8 : 30;
    const settings = { max_replication_slots: "10", max_wal_senders: "10" };
    const server = await startPostgres({ version: 18, exclusive: true, settings });
    try {
      await setUp(server);
      const raw = await measureRaw(server, seconds);
      const ours = await measureOurs(server, seconds);
      const figure = figureOf(ours, raw);
      return isQuick ? { ...figure, reduced: "8 s instead of 30 s" } : figure;
    } finally {
      await server.close();
    }
  },
};

/** A backend of the database makes the load: its statements are paced by the clock that stamps the rows. */
async function setUp(server: PostgresServer): Promise<void> {
  await server.exec(`create table ticks (id bigint primary key, note text, at bigint);
    insert into ticks select i, repeat('x', 150), 0 from generate_series(0, ${String(ROWS - 1)}) i;
    create publication ${publication} for table ticks`);
  await server.exec(`create procedure tick(ticks int) language plpgsql as $$
    declare
      began timestamptz := clock_timestamp();
      early double precision;
    begin for nth in 1 .. ticks loop
      early := nth / ${String(RATE)}.0 - extract(epoch from clock_timestamp() - began);
      if early > 0 then perform pg_sleep(early); end if;
      update ticks set at = (extract(epoch from clock_timestamp()) * 1000000)::bigint
        where id = nth % ${String(ROWS)};
      commit; end loop; end $$`);
}

async function measureRaw(server: PostgresServer, seconds: number): Promise<Spread> {
  const slot = "raw";
  await server.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const reader = new FarProcess("commit-reader");
  try {
    const { host, port, user, password, database } = server;
    await reader.ask("open", { host, port, user, password, database, slot, publication });
    return await watched(server, reader, seconds);
  } finally {
    await reader.end();
    await dropSlot(server, slot);
  }
}

async function dropSlot(server: PostgresServer, slot: string): Promise<void> {
  for (;;) {
    const sql =
      "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active";
    if ((await server.query(sql, [slot])).length > 0) return;
    await pauseMs(50);
  }
}

interface Ours {
  readonly spread: Spread;
  readonly cpuUs: number;
  readonly rssAnonMb: number;
}

async function measureOurs(server: PostgresServer, seconds: number): Promise<Ours> {
  const program = await Program.create(`
journal: { path: journal }
sources:
  shop: { connector: postgres, url: "${server.url}", slot: ours, publication: ${publication} }
rules:
  - name: ticks
    source: shop
    from: public.ticks
    channel: ticks
`);
  program.write(program.configText.replace("level: debug", "level: info"));
  const client = new FarProcess("commit-client");
  try {
    program.start();
    await program.ready();
    await client.ask("open", { url: program.url, channel: "ticks" });
    const pid = program.pid ?? 0;
    const before = usageOf(pid).cpuMs;
    const spread = await watched(server, client, seconds);
    const { cpuMs, rssAnonMb } = usageOf(pid);
    const cpuUs = Math.round(((cpuMs - before) * 1_000) / ((seconds + WARM_SECONDS) * RATE));
    return { spread, cpuUs, rssAnonMb };
  } finally {
    await client.end();
    await program.close();
  }
}

async function watched(
  server: PostgresServer,
  receiver: FarProcess,
  seconds: number,
): Promise<Spread> {
  await server.exec(`call tick(${String(WARM_SECONDS * RATE)})`);
  await calm(receiver);
  await receiver.ask("watch");
  await server.exec(`call tick(${String(seconds * RATE)})`);
  const spread = await arrived(receiver, seconds * RATE);
  process.stderr.write(`  p50 ${String(spread.at(0.5))} p99 ${String(spread.at(0.99))} ms\n`);
  return spread;
}

/** Nothing comes any more. (What was written while content was still copied may come folded.) */
async function calm(receiver: FarProcess): Promise<void> {
  for (let before = -1; ;) {
    await pauseMs(SETTLE_MS);
    const now = (await seenBy(receiver)).count;
    if (now === before) return;
    before = now;
  }
}

async function seenBy(receiver: FarProcess): Promise<Spread> {
  const spread = new Spread();
  spread.addAll(await receiver.ask<ReadonlyMap<number, number>>("latencies"));
  return spread;
}

async function arrived(receiver: FarProcess, rows: number): Promise<Spread> {
  for (let waited = 0; ; waited += SETTLE_MS) {
    const spread = await seenBy(receiver);
    if (spread.count === rows) return spread;
    if (spread.count > rows || waited > WAIT_MS) {
      throw new Error(`${String(spread.count)} of ${String(rows)} rows came`);
    }
    await pauseMs(SETTLE_MS);
  }
}

function figureOf(ours: Ours, raw: Spread): Figure {
  const [p50, p99] = [ours.spread.at(0.5), ours.spread.at(0.99)];
  const allowed = Number((raw.at(0.5) + BEYOND_MS).toFixed(2));
  const variants: Variant[] = [
    {
      name: "p50 ms, of the reference's and one more",
      figure: p50,
      reference: allowed,
      ratio: ratioOf(allowed, p50),
      mark: 1,
    },
    {
      name: "p99 ms, of those allowed",
      figure: p99,
      reference: P99_MS,
      ratio: ratioOf(P99_MS, p99),
      mark: 1,
    },
    {
      name: "p99 ms beside the reference's",
      figure: p99,
      reference: raw.at(0.99),
      ratio: ratioOf(raw.at(0.99), p99),
    },
  ];
  return {
    ...{ bench: "latency", figure: p50, unit: "ms" },
    reference: { what: "the same transactions read from a slot in Node", figure: raw.at(0.5) },
    ratio: lowest(variants).ratio,
    ...{ p50, p99, cpuUsPerItem: ours.cpuUs, rssAnonMb: ours.rssAnonMb, variants },
  };
}
