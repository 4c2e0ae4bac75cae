/**
 * What one huge transaction takes in memory, beside a small one in the same run, and that a client which is
 * attached meanwhile sees it whole or not at all.
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import { ratioOf } from "./figure.js";
import type { Bench, Figure } from "./figure.js";
import { IngestWorld, itemValues } from "./ingest-world.js";
import type { Reading } from "./ingest-world.js";

const SMALL_ROWS = 10_000;
const CHANNELS = 100;
const PING_MS = 5_000;

export const ingestHuge: Bench = {
  name: "ingest-huge",
  run: async (isQuick) => {
    const rows = isQuick ? 200_000 : 2_000_000;
    const small = await measure(SMALL_ROWS);
    const huge = await measure(rows);
    const what = `MB of anonymous memory with a transaction of ${String(SMALL_ROWS)} rows`;
    const figure: Figure = {
      ...{ bench: "ingest-huge", figure: huge.rssAnonMb, unit: "MB of anonymous memory" },
      reference: { what, figure: small.rssAnonMb },
      ratio: ratioOf(small.rssAnonMb, huge.rssAnonMb),
      cpuUsPerItem: Math.round((huge.cpuMs * 1_000) / rows),
      rssAnonMb: huge.rssAnonMb,
    };
    return isQuick ? { ...figure, reduced: "200,000 rows instead of 2,000,000" } : figure;
  },
};

async function measure(rows: number): Promise<Reading> {
  const world = await IngestWorld.open();
  try {
    const ours = await world.program();
    await world.server.exec(
      `insert into items select i, ${itemValues} from generate_series(1, ${String(rows)}) i`,
    );
    const end = await world.head();
    return await world.ingest(ours, end, watch(ours.program.url, rows / CHANNELS));
  } finally {
    await world.close();
  }
}

/** Follows one channel from before the transaction; resolves once it has all rows, and rejects at a part of them. */
async function watch(url: string, wanted: number): Promise<void> {
  const socket = await connected(url);
  const pings = setInterval(() => {
    socket.send(JSON.stringify({ t: "ping" }));
  }, PING_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      let rows = 0;
      socket.on("message", (data: Buffer) => {
        for (const line of data.toString("utf8").split("\n")) {
          if (line === "") continue;
          const frame = JSON.parse(line) as { t: string; entries?: readonly unknown[] };
          if (frame.t === "changes") rows += frame.entries?.length ?? 0;
          if (frame.t !== "commit" || rows === 0) continue;
          if (rows === wanted) resolve();
          else reject(new Error(`a commit after ${String(rows)} of ${String(wanted)} rows`));
        }
      });
      socket.on("close", () => {
        reject(new Error("the connection was closed"));
      });
      socket.send(JSON.stringify({ t: "hello", v: 1 }));
      const channels = [{ channel: "store:1", from: "start" }];
      socket.send(JSON.stringify({ t: "attach", id: 1, channels }));
    });
  } finally {
    clearInterval(pings);
    socket.terminate();
  }
}

/** The program may be starting still. */
async function connected(url: string): Promise<WebSocket> {
  for (let tries = 0; ; tries += 1) {
    const socket = new WebSocket(url, "changecast.v1", { maxPayload: 64 * 1024 * 1024 });
    try {
      await once(socket, "open");
      return socket;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
