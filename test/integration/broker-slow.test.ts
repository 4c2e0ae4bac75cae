/**
 * Slow readers over real sockets: what waits is bounded, what comes when they read again is a delta of the
 * newest content, and nobody else notices.
 */
import { afterEach, expect, test } from "vitest";
import { noMetrics } from "../../src/broker/metrics.js";
import { BrokerWorld, eventually } from "../support/broker-world.js";
import { memoryInUse } from "../support/memory-in-use.js";
import type { Write } from "../support/scripted-reader.js";

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

const row = "x".repeat(8_000);

/** Appends ten rows of 8 kB under the same ten keys, again and again, until `stop` holds. */
async function write(units: number, stop: () => boolean): Promise<number> {
  let unit = 0;
  for (; unit < units && !stop(); unit++) {
    world.reader.append(
      Array.from({ length: 10 }, (_, key) => ({
        channel: "a",
        op: "u" as const,
        key,
        value: `${unit} ${row}`,
      })),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return unit;
}

/** Writes until so many sessions are behind and stay so: the kernel's buffers grow for a while. */
async function writeUntilBehind(sessions: number): Promise<void> {
  let units = 0;
  const written = await write(3_000, () => {
    units = world.broker.statistics().behind === sessions ? units + 1 : 0;
    return units === 100;
  });
  expect(units, `${String(written)} units were written`).toBe(100);
}

test("a session whose socket is full gets a delta when it reads again, within a byte bound", async () => {
  let slow = 0;
  world = new BrokerWorld({
    limits: { socketBytesMax: 256 * 1024 },
    metrics: {
      ...noMetrics,
      slow: () => {
        slow += 1;
      },
    },
  });
  world.reader.append([{ channel: "a", op: "i", key: 0, value: "first" }]);
  const [lazy, quick] = [await world.join(), await world.join()];
  for (const client of [lazy, quick]) client.attach([{ channel: "a", from: "start" }]);
  await Promise.all([lazy.ready("a"), quick.ready("a")]);

  lazy.socket.pause();
  // The kernel swallows some megabytes before the server's own buffer fills.
  await writeUntilBehind(1);
  expect(slow).toBeGreaterThan(0);
  expect(world.broker.statistics()).toMatchObject({ sessions: 2, live: 1, behind: 1 });
  const written = await write(100, () => false);
  expect(written).toBe(100);
  const newest = world.reader.notice.log;
  await quick.until(() => quick.at === newest);
  expect(world.broker.statistics()).toMatchObject({ live: 1, behind: 1 });

  const before = lazy.held("a").entries;
  lazy.socket.resume();
  await lazy.until(() => lazy.at === newest);
  expect(lazy.rows("a")).toEqual(quick.rows("a"));
  const all = quick.held("a").entries;
  const got = lazy.held("a").entries - before;
  // At least the 100 units that came while it lagged were folded to one row per key.
  expect(got).toBeLessThanOrEqual(all - before - 900);
  world.reader.append([{ channel: "a", op: "d", key: 3 }]);
  await lazy.until(() => lazy.at === newest + 1);
  expect(world.broker.statistics()).toMatchObject({ live: 2, behind: 0 });
});

test("many stalled sessions cost shared frames and one page each, not their backlog", async () => {
  world = new BrokerWorld({ limits: { socketBytesMax: 256 * 1024 } });
  world.reader.append([{ channel: "a", op: "i", key: 0, value: "first" }]);
  const clients = [];
  for (let n = 0; n < 20; n++) {
    const client = await world.join();
    client.attach([{ channel: "a", from: "start" }]);
    await client.ready("a");
    client.socket.pause();
    clients.push(client);
  }
  await writeUntilBehind(20);
  const before = memoryInUse();
  const appended = await write(300, () => false);
  expect(appended).toBe(300);
  const after = memoryInUse();
  // The test's own journal keeps 300 × 80 kB; twenty queues of that would be 480 MB.
  const grown = after.heapUsed + after.external - before.heapUsed - before.external;
  expect(grown).toBeLessThan(100 * 1024 * 1024);
  const newest = world.reader.notice.log;
  for (const client of clients) client.socket.resume();
  await Promise.all(clients.map((client) => client.until(() => client.at === newest)));
});

test("what one page brings is read only after the page before has left", async () => {
  world = new BrokerWorld({ limits: { pageBytes: 64 * 1024 } });
  world.reader.append(
    Array.from({ length: 3_000 }, (_, key) => ({
      channel: "a",
      op: "i" as const,
      key,
      value: row,
    })),
  );
  const client = await world.join();
  client.socket.pause();
  client.attach([{ channel: "a", from: "start" }]);
  await eventually(() => world.reader.reads > 3);
  // 24 MB are due; reading stops when the kernel's buffers and one page are full.
  let reads = 0;
  await eventually(() => {
    const same = reads === world.reader.reads;
    reads = world.reader.reads;
    return same && world.broker.statistics().behind === 1;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(world.reader.reads).toBeLessThan(300);
  client.socket.resume();
  await client.ready("a");
  expect(client.held("a").rows.size).toBe(3_000);
  // All of it is of one unit, and nothing moves: however many pages, it is one pass and needs no view that stands still.
  expect(world.reader.holds).toBe(0);
});

test("a channel attached while a view of the journal is held comes after it", async () => {
  world = new BrokerWorld({ limits: { pageBytes: 200 } });
  const { reader } = world;
  const rows = (channel: string, value: string): Write[] =>
    Array.from({ length: 20 }, (_, key) => ({ channel, op: "u", key, value }));
  reader.append([...rows("a", "first"), ...rows("b", "first")]);
  const client = await world.join();
  const hold = reader.hold.bind(reader);
  reader.hold = () => {
    const view = hold();
    if (view === undefined) return undefined;
    // The writer that never rested rests now; its work made the view necessary.
    reader.beforeRead = () => undefined;
    const read: typeof view.read = async (requests, bytesMax) => {
      if (!client.channels.has("b")) {
        client.attach([{ channel: "b", from: "start" }]);
        // Long enough for the request to arrive.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return view.read(requests, bytesMax);
    };
    return { ...view, read };
  };
  reader.beforeRead = () => {
    reader.append(rows("a", "again and again"), false);
  };
  client.attach([{ channel: "a", from: "start" }]);
  await client.ready("a");
  expect(reader.holds).toBe(1);
  await client.ready("b");
  expect(client.rows("a")).toEqual(Object.fromEntries(reader.content("a")));
  expect(client.rows("b")).toEqual(Object.fromEntries(reader.content("b")));
});
