/** History, positions, staleness, copy status and signs of life, over real sockets. */
import { afterEach, describe, expect, test } from "vitest";
import { BrokerWorld, eventually } from "../support/broker-world.js";
import type { Write } from "../support/scripted-reader.js";

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

const events = (count: number): Write[] =>
  Array.from({ length: count }, (_, key) => ({
    channel: "events:1",
    op: "i",
    key,
    value: `v${key}`,
    table: "log",
  }));

describe("history", () => {
  test.each([
    ["the newest", {}, [8, 9, 10], true],
    ["those before a serial", { before: 5 }, [3, 4], false],
    ["those after a serial", { after: 4 }, [5, 6, 7], true],
    ["those after the floor", { after: 0 }, [3, 4, 5], true],
    ["none beyond the head", { after: 10 }, [], false],
  ])("gives %s, in serial order, within what is retained", async (_name, range, serials, more) => {
    world = new BrokerWorld();
    world.reader.append(events(10));
    world.reader.raiseFloor("events:1", 2);
    const client = await world.join();
    client.say({ t: "history", id: 1, channel: "events:1", limit: 3, ...range });
    await client.until(() => client.find("historyPage").length === 1);
    const [page] = client.find("historyPage");
    expect(page).toMatchObject({ id: 1, floor: 2, head: 10, more });
    const entries = page?.groups.flatMap((group) => group.entries) ?? [];
    expect(entries.map(([serial]) => serial)).toEqual(serials);
    for (const group of page?.groups ?? []) expect(group).toMatchObject({ table: "log", base: 1 });
    if (serials.length > 0) expect(client.find("schema")).toHaveLength(1);
  });

  test("of a state channel is refused, and so is too much of it at once", async () => {
    world = new BrokerWorld({ limits: { histories: { perSecond: 1, burst: 2 } } });
    world.reader.append([{ channel: "store:1", op: "i", key: 1 }]);
    const client = await world.join();
    for (const id of [1, 2, 3]) client.say({ t: "history", id, channel: "store:1", limit: 3 });
    await client.until(() => client.find("error").length === 3);
    const codes = client.find("error").map(({ id, code }) => [id, code]);
    expect(new Map(codes as [number, string][])).toEqual(
      new Map([
        [1, "BROKER_CHANNEL_KIND"],
        [2, "BROKER_CHANNEL_KIND"],
        [3, "BROKER_RATE_LIMITED"],
      ]),
    );
    expect(client.find("error").find(({ id }) => id === 3)?.retryInMs).toBeGreaterThan(0);
  });
});

describe("until", () => {
  test("is answered when the position has passed, by idle progress too, behind its commit", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.append([{ channel: "a", op: "i", key: 1 }]);
    reader.source("shop", "0000000010", {});
    const client = await world.join();
    client.attach([{ channel: "a", from: "start" }]);
    await client.ready("a");
    client.say({ t: "until", id: 50, source: "shop", position: "10" });
    await client.until(() => client.find("reached").length === 1);
    client.say({ t: "until", id: 51, source: "shop", position: "30" });
    client.say({ t: "until", id: 52, source: "shop", position: "20" });
    reader.append([{ channel: "a", op: "i", key: 2 }], false);
    reader.source("shop", "0000000020", {});
    await client.until(() => client.find("reached").length === 2);
    const order = client.frames.map(({ t }) => t);
    expect(order.lastIndexOf("commit")).toBeLessThan(order.lastIndexOf("reached"));
    expect(client.at).toBe(2);
    reader.source("shop", "0000000031", {});
    await client.until(() => client.find("reached").length === 3);
    expect(client.find("reached").map(({ id }) => id)).toEqual([50, 52, 51]);
  });

  test("is refused for unknown sources, malformed positions, lost histories and too many", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.source("shop", "0000000010", {});
    const client = await world.join();
    client.say({ t: "until", id: 1, source: "mill", position: "10" });
    client.say({ t: "until", id: 2, source: "shop", position: "0/16B3748" });
    for (let id = 3; id <= 19; id++) client.say({ t: "until", id, source: "shop", position: "99" });
    await client.until(() => client.find("error").length === 3);
    expect(client.find("error").map(({ id, code }) => [id, code])).toEqual([
      [1, "BROKER_SOURCE_UNKNOWN"],
      [2, "BROKER_POSITION_INVALID"],
      [19, "BROKER_UNTIL_FULL"],
    ]);
    reader.source("shop", "0000000001", { generation: 2 });
    await client.until(() => client.find("error").length === 19);
    expect(client.find("error")[18]).toMatchObject({ id: 18, code: "BROKER_POSITION_LOST" });
  });
});

describe("what a session is told about its data", () => {
  test("sources go stale by age of their last proof, not of their last change, and fresh again", async () => {
    world = new BrokerWorld({
      sources: ["shop", "mill"],
      limits: { heartbeatMs: 400, staleAfterMs: 300 },
    });
    const client = await world.join();
    const proof = setInterval(() => {
      world.reader.source("shop", "0000000001", { provenAt: Date.now() });
    }, 50);
    try {
      await client.until(() => client.find("stale").length > 0);
      expect(client.find("stale")).toEqual([{ t: "stale", source: "mill", since: 0 }]);
      const late = await world.join();
      expect(late.find("stale")).toMatchObject([{ source: "mill" }]);
    } finally {
      clearInterval(proof);
    }
    await client.until(() => client.find("stale").length === 2);
    expect(client.find("stale")[1]?.source).toBe("shop");
    world.reader.source("shop", "0000000001", { provenAt: Date.now() });
    await client.until(() => client.find("fresh").length === 1);
  });

  test("content that is being copied is told when attached and when it is done", async () => {
    world = new BrokerWorld({ limits: { heartbeatMs: 400 } });
    const { reader } = world;
    const copy = { rule: "r", channels: ["store:*"], rowsTotal: 100 };
    reader.copying = [{ ...copy, state: "copying", rowsDone: 10 }];
    reader.append([{ channel: "store:1", op: "i", key: 1 }]);
    const client = await world.join();
    client.attach([
      { channel: "store:1", from: "start" },
      { channel: "other", from: "start" },
    ]);
    await client.ready("store:1", "other");
    const told = client.find("attached").flatMap(({ channels }) => channels);
    expect(told.map(({ channel, status }) => [channel, status])).toEqual([
      ["store:1", { state: "copying", rowsDone: 10, rowsTotal: 100 }],
      ["other", { state: "ready" }],
    ]);
    reader.copying = [];
    const log = reader.append([{ channel: "store:1", op: "i", key: 2 }]);
    await client.until(() => client.find("status").length === 1);
    expect(client.find("status")).toEqual([{ t: "status", channel: "store:1", state: "ready" }]);
    expect(client.at).toBe(log);
  });

  test("an idle session hears a heartbeat and is answered ping by pong", async () => {
    world = new BrokerWorld({ limits: { heartbeatMs: 100 } });
    const client = await world.join();
    await client.until(() => client.find("heartbeat").length >= 3);
    client.say({ t: "ping" });
    await client.until(() => client.find("pong").length === 1);
    // A client that says nothing but whose WebSocket answers pings is alive.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(client.socket.readyState).toBe(client.socket.OPEN);
  });

  test("a half-open client is closed after two silent heartbeats", async () => {
    world = new BrokerWorld({ limits: { heartbeatMs: 100 } });
    const client = await world.join();
    client.socket.pause();
    await eventually(() => world.broker.statistics().live === 0);
    client.socket.resume();
    expect((await client.closed).code).toBe(4002);
  });
});
