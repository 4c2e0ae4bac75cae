/**
 * Goal: clients that do not read, a source that is silent and a journal that cannot keep up cost a bounded
 * amount of memory, and nobody else waits for them (I9). Method: the program as a process on a real Postgres;
 * the memory that is its own (not the mapped files) is measured before and while much more is written than
 * any bound allows.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { SUBPROTOCOL } from "../../src/protocol/frames.js";
import { pause } from "../support/postgres-machine.js";
import { freshDatabase } from "../support/postgres-server.js";
import { ServedTable } from "../support/served-table.js";

const STUCK_CLIENTS = 20;
/** Written while something is stuck: rows of 4 KB, as one client or queue would have to hold them. */
const ROWS = 24_000;
const ROW = "x".repeat(4_000);
/** So long that few commits fit into the time that writing takes, on a slow machine too. */
const APPEND_LATE_MS = 5_000;
const WRITTEN_MB = (ROWS * ROW.length) / 1024 ** 2;

let served: ServedTable;
const sockets: WebSocket[] = [];

beforeEach(async () => {
  served = await ServedTable.create(await freshDatabase(18));
  await served.up();
  // Code is compiled and buffers have their size.
  await served.write(500, ROW);
  await served.equal("warm");
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await served.close();
});

/** Anonymous memory of the program, in MB. */
function memory(): number {
  const status = readFileSync(`/proc/${String(served.program.pid)}/status`, "utf8");
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
}

/** The most that is seen until `done`. */
async function highest(done: Promise<unknown>): Promise<number> {
  let most = 0;
  const looking = setInterval(() => {
    most = Math.max(most, memory());
  }, 50);
  try {
    await done;
  } finally {
    clearInterval(looking);
  }
  return most;
}

/** Between that place of the log and its end. */
async function walBytes(from: string): Promise<number> {
  const [row] = await served.database.query(
    `select max(pg_current_wal_lsn() - ${from})::float8 as bytes
       from pg_replication_slots where slot_name = $1`,
    [served.database.database],
  );
  return Number(row?.["bytes"]);
}

const heldBytes = (): Promise<number> => walBytes("confirmed_flush_lsn");

/** Attaches the table from its start, and reads no more. */
async function stuckClient(): Promise<WebSocket> {
  const socket = new WebSocket(served.program.url, SUBPROTOCOL);
  sockets.push(socket);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("open", resolve));
  const frames = [
    { t: "hello", v: 1 },
    { t: "attach", id: 1, channels: [{ channel: "stock", from: "start" }] },
  ];
  socket.send(frames.map((frame) => JSON.stringify(frame)).join("\n"));
  await new Promise((resolve) => socket.once("message", resolve));
  socket.pause();
  return socket;
}

describe("memory stays bounded", () => {
  it("with clients that do not read: others get everything, they get the rest when they read", async () => {
    const before = memory();
    const stuck = await Promise.all(Array.from({ length: STUCK_CLIENTS }, stuckClient));
    const writing = served.write(ROWS, ROW).then(() => served.equal("beside stuck clients"));
    const grown = (await highest(writing)) - before;
    // Queues of their own would hold all of it for each: 1,800 MB.
    expect(grown).toBeLessThan(STUCK_CLIENTS * SOCKET_MB + SHARED_MB);
    const [socket] = stuck;
    const heard = { rows: 0 };
    socket?.on("message", (data: Buffer) => (heard.rows += data.length));
    socket?.resume();
    await expect
      .poll(() => heard.rows > WRITTEN_MB * 1024 ** 2 || socket?.readyState === WebSocket.CLOSED, {
        timeout: 120_000,
      })
      .toBe(true);
  });

  it("with a journal that cannot keep up: the source is read no further", async () => {
    await served.program.stop();
    served.program.start({
      kill: { point: "BlockAppends.append", moment: "late", count: APPEND_LATE_MS },
    });
    await served.program.ready();
    await expect.poll(async () => (await served.health()).fresh).toBe(true);
    const before = memory();
    const [from, unheld] = [await walBytes("'0/0'"), await heldBytes()];
    await served.write(ROWS, ROW);
    const grown = (await highest(pause(6_000))) - before;
    expect(grown).toBeLessThan(QUEUES_MB);
    // What is not durable here stays with the server (it compresses such rows).
    const written = (await walBytes("'0/0'")) - from;
    expect((await heldBytes()) - unheld).toBeGreaterThan(written / 2);
    await served.program.kill();
    served.program.start();
    await served.equal("once the disk is fast again");
  });

  it("with a source that is silent", async () => {
    const before = memory();
    served.proxy.freeze();
    await served.write(ROWS, ROW);
    const grown = (await highest(pause(5_000))) - before;
    expect(grown).toBeLessThan(QUEUES_MB);
    served.proxy.mend();
    await served.equal("when it speaks again");
  });
});

/** socketBytesMax and what the kernel and a page under way hold beside it. */
const SOCKET_MB = 4;
/**
 * Units for live sessions (64), what moved channels of late (64), units that are not written back (32), a held
 * view (64), and garbage between two collections. Seen: 345, with 2 clients and with 40, with 90 MB and with 180.
 */
const SHARED_MB = 400;
/** Queue of the connector (2), a block (1), a transaction (1), what one reading of the socket brought, garbage. */
const QUEUES_MB = 60;
