/**
 * Many sessions that come at once with the same places: the journal is read once for all of them, each is told in one
 * write, and nobody gets less than there is, whatever changes meanwhile.
 */
import { afterEach, expect, test } from "vitest";
import { BrokerWorld } from "../support/broker-world.js";
import type { Connected } from "../support/broker-world.js";
import type { Write } from "../support/scripted-reader.js";

const CLIENTS = 60;

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

const put = (key: number, value = "v"): Write => ({ channel: "a", op: "u", key, value });

async function crowd(count: number): Promise<Connected[]> {
  return Promise.all(Array.from({ length: count }, () => world.join()));
}

test("are brought up by a few reads of the journal, to the same content", async () => {
  world = new BrokerWorld();
  world.reader.append(Array.from({ length: 20 }, (_, key) => put(key, "old")));
  const clients = await crowd(CLIENTS);
  const place = { epoch: 1, serial: 20, log: 1, run: world.reader.notice.run };
  for (let key = 0; key < 10; key += 1) world.reader.append([put(key, "new")]);
  const before = world.reader.reads;
  for (const client of clients) client.attach([{ channel: "a", from: place }]);
  await Promise.all(clients.map((client) => client.ready("a")));
  expect(world.reader.reads - before).toBeLessThan(5);
  for (const client of clients) {
    expect(client.held("a")).toMatchObject({ how: "delta", entries: 10, serial: 30 });
    expect(client.at).toBe(11);
  }
  // What was read before does not count for who comes after the next change.
  world.reader.append([put(3, "newest")]);
  await Promise.all(clients.map((client) => client.until(() => client.at === 12)));
  const late = await world.join();
  late.attach([{ channel: "a", from: place }]);
  await late.ready("a");
  expect(late.held("a")).toMatchObject({ entries: 10, serial: 31 });
  expect(late.rows("a")).toMatchObject({ "3": "newest" });
});

test("that hold different places, while the channel moves, all get every row", async () => {
  world = new BrokerWorld();
  const { reader } = world;
  reader.append(Array.from({ length: 50 }, (_, key) => put(key)));
  const clients = await crowd(CLIENTS);
  reader.beforeRead = () => {
    reader.append([put(reader.reads % 50, `at ${String(reader.reads)}`)]);
  };
  for (const [at, client] of clients.entries()) {
    const run = reader.notice.run;
    const from = at % 3 === 0 ? "start" : { epoch: 1, serial: (at % 3) * 10, log: 1, run };
    client.attach([{ channel: "a", from }]);
  }
  await Promise.all(clients.map((client) => client.ready("a")));
  reader.beforeRead = () => undefined;
  const newest = reader.append([put(0, "last")]);
  await Promise.all(clients.map((client) => client.until(() => client.at === newest)));
  const whole = Object.fromEntries(reader.content("a"));
  for (const [at, client] of clients.entries()) {
    const rows = client.rows("a");
    if (at % 3 === 0) expect(rows).toEqual(whole);
    // The others were not sent the rows that they had.
    for (const [key, value] of Object.entries(rows))
      expect([key, value]).toEqual([key, whole[key]]);
  }
});

test("are told welcome, answer and content in one packet each", async () => {
  world = new BrokerWorld();
  world.reader.append([put(1)]);
  world.reader.readTurns = 0;
  const client = await world.connect();
  const chunks: number[] = [];
  const { socket } = client as unknown as { socket: { _socket: NodeJS.ReadableStream } };
  socket._socket.on("data", (chunk: Buffer) => chunks.push(chunk.length));
  const attach = JSON.stringify({
    t: "attach",
    id: 1,
    channels: [{ channel: "a", from: "start" }],
  });
  client.socket.send(`{"t":"hello","v":1}\n${attach}`);
  await client.until(() => client.find("commit").length > 0);
  expect(chunks).toHaveLength(1);
  expect(client.find("welcome")).toHaveLength(1);
});
