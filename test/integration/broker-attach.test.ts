/**
 * Attaching over real sockets: what follows for every kind of place, content that comes in pages while it
 * changes, and the one log number at which all channels of a session meet. WireClient throws on any hole.
 */
import { afterEach, describe, expect, test } from "vitest";
import { noMetrics } from "../../src/broker/metrics.js";
import { BrokerWorld } from "../support/broker-world.js";
import type { Write } from "../support/scripted-reader.js";

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

function put(channel: string, key: number, value = `v${key}`): Write {
  return { channel, op: "i", key, value };
}

describe("attaching a state channel", () => {
  test("from start loads everything and ends in one commit that makes it ready", async () => {
    world = new BrokerWorld();
    world.reader.append([put("store:1", 1), put("store:1", 2)]);
    world.reader.append([{ channel: "store:1", op: "d", key: 1 }, put("store:1", 3)]);
    const client = await world.join();
    client.attach([{ channel: "store:1", from: "start" }]);
    await client.ready("store:1");
    expect(client.rows("store:1")).toEqual({ 2: "v2", 3: "v3" });
    expect(client.held("store:1")).toMatchObject({ how: "snapshot", serial: 4, log: 2, epoch: 1 });
    expect(client.find("commit")).toMatchObject([
      { at: 2, run: "run-1", moved: [["store:1", 1, 0, 4]], ready: ["store:1"] },
    ]);
  });

  test("at its head is resumed and gets what comes live, schema first and once", async () => {
    world = new BrokerWorld();
    world.reader.append([put("store:1", 1)]);
    const client = await world.join();
    client.attach([{ channel: "store:1", from: { epoch: 1, serial: 1, log: 1, run: "run-1" } }]);
    await client.ready("store:1");
    expect(client.held("store:1").how).toBe("resumed");
    expect(client.find("schema")).toHaveLength(0);
    world.reader.append([put("store:1", 2)]);
    await client.until(() => client.at === 2);
    world.reader.append([put("store:1", 3)]);
    await client.until(() => client.at === 3);
    expect(client.find("schema")).toHaveLength(1);
    expect(client.held("store:1").serial).toBe(3);
  });

  test("behind its head gets a delta with the newest entry per key", async () => {
    world = new BrokerWorld();
    world.reader.append([put("store:1", 1), put("store:1", 2)]);
    for (let n = 0; n < 20; n++) world.reader.append([put("store:1", 2, `changed ${n}`)]);
    const client = await world.join();
    client.attach([{ channel: "store:1", from: { epoch: 1, serial: 2, log: 1, run: "run-1" } }]);
    await client.ready("store:1");
    expect(client.held("store:1")).toMatchObject({ how: "delta", entries: 1, serial: 22 });
    expect(client.rows("store:1")).toEqual({ 2: "changed 19" });
  });

  test.each([
    ["of an unknown run", { epoch: 1, serial: 2, log: 2, run: "other" }],
    ["of another epoch", { epoch: 7, serial: 2, log: 2, run: "run-1" }],
    ["above the head", { epoch: 1, serial: 9, log: 2, run: "run-1" }],
    ["written after its run had ended", { epoch: 1, serial: 2, log: 5, run: "run-1" }],
    ["below the floor", { epoch: 1, serial: 1, log: 2, run: "run-1" }],
  ])("with a place %s gets a snapshot that replaces what it held", async (_name, from) => {
    world = new BrokerWorld();
    world.reader.append([put("store:1", 1), put("store:1", 2)]);
    world.reader.append([put("store:1", 3)]);
    world.reader.raiseFloor("store:1", 2);
    world.reader.newRun("run-2");
    const client = await world.join();
    client.channels.set("store:1", { rows: new Map([[99, "stale"]]) } as never);
    client.attach([{ channel: "store:1", from }]);
    await client.ready("store:1");
    expect(client.held("store:1").how).toBe("snapshot");
    expect(client.held("store:1").pages).toBe(0);
    expect(client.rows("store:1")).toEqual({ 1: "v1", 2: "v2", 3: "v3" });
  });
});

describe("content that changes while it is loaded", () => {
  test("comes in pages, is joined to the live feed without a hole, and is equal in the end", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 400 } });
    const keys = 200;
    world.reader.append(Array.from({ length: keys }, (_, key) => put("store:1", key)));
    let left = 300;
    world.reader.beforeRead = () => {
      if (left-- > 0) world.reader.append([put("store:1", left % keys, `late ${left}`)]);
    };
    const client = await world.join();
    client.attach([{ channel: "store:1", from: "start", loading: true }]);
    await client.ready("store:1");
    await client.until(() => client.held("store:1").serial === world.reader.serial("store:1"));
    expect(client.held("store:1").pages).toBeGreaterThan(10);
    expect(client.rows("store:1")).toEqual(Object.fromEntries(world.reader.content("store:1")));
  });

  test("goes on from the page it reached when the connection is cut", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 400 } });
    world.reader.append(Array.from({ length: 300 }, (_, key) => put("store:1", key)));
    const first = await world.join();
    first.attach([{ channel: "store:1", from: "start" }]);
    await first.until(() => first.held("store:1").pages > 3);
    first.socket.terminate();
    const place = first.place("store:1");
    const before = first.held("store:1").rows.size;
    const second = await world.join();
    second.channels.set("store:1", first.held("store:1"));
    second.attach([{ channel: "store:1", from: place, loading: true }]);
    await second.ready("store:1");
    expect(second.held("store:1").how).toBe("delta");
    expect(second.held("store:1").entries).toBe(300 - before);
    expect(second.held("store:1").rows.size).toBe(300);
  });

  test("of a ready channel is not paged: it is replaced at the commit that names it", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 400 } });
    world.reader.append(Array.from({ length: 100 }, (_, key) => put("store:1", key)));
    const client = await world.join();
    client.attach([{ channel: "store:1", from: { epoch: 1, serial: 5, log: 1, run: "unknown" } }]);
    await client.ready("store:1");
    expect(client.held("store:1")).toMatchObject({ how: "snapshot", pages: 0 });
    expect(client.find("commit")[0]?.moved).toEqual([["store:1", 1, 0, 100]]);
  });

  test("under a writer that never rests is taken from a view that stands still", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 200 } });
    const { reader } = world;
    reader.append(Array.from({ length: 40 }, (_, key) => put("store:1", key)));
    reader.beforeRead = () => {
      reader.append(Array.from({ length: 20 }, (_, key) => put("store:1", key, "again and again")));
    };
    const client = await world.join();
    client.attach([{ channel: "store:1", from: "start" }]);
    await client.ready("store:1");
    expect(reader.holds).toBe(1);
    await client.until(() => client.held("store:1").serial === reader.serial("store:1"));
    expect(client.rows("store:1")).toEqual(Object.fromEntries(reader.content("store:1")));
  });

  test("whose floor rises above what was sent begins again", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 200 } });
    const { reader } = world;
    reader.append(Array.from({ length: 60 }, (_, key) => put("store:1", key)));
    reader.beforeRead = () => {
      if (reader.reads === 3) reader.raiseFloor("store:1", 50);
    };
    const client = await world.join();
    client.attach([{ channel: "store:1", from: "start" }]);
    await client.ready("store:1");
    expect(client.find("attached").map(({ channels }) => channels[0]?.how)).toEqual([
      "snapshot",
      "snapshot",
    ]);
    expect(client.held("store:1").rows.size).toBe(60);
  });
});

describe("several channels of one session", () => {
  test("become ready at one log number although they change all the while", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 300 } });
    const { reader } = world;
    const names = ["a", "b", "c"];
    // Every unit moves one apple between two channels: 30 in all at each log number.
    reader.append(names.map((name) => put(name, 1, "10")));
    const apples = [10, 10, 10];
    let left = 60;
    reader.beforeRead = () => {
      if (left-- <= 0) return;
      const [from, to] = [left % 3, (left + 1) % 3];
      apples[from] = (apples[from] ?? 0) - 1;
      apples[to] = (apples[to] ?? 0) + 1;
      reader.append([
        put(names[from] ?? "", 1, `${apples[from] ?? 0}`),
        put(names[to] ?? "", 1, `${apples[to] ?? 0}`),
        put(names[left % 3] ?? "", 2 + (left % 7), "filler ".repeat(10)),
      ]);
    };
    const client = await world.join();
    let checked = 0;
    client.onCommit = () => {
      const ready = names.filter((name) => client.channels.get(name)?.stage === "ready");
      if (ready.length < 3) return;
      checked += 1;
      const sum = ready.reduce((all, name) => all + Number(client.held(name).rows.get(1)), 0);
      expect(sum).toBe(30);
    };
    client.channels.set("b", { rows: new Map([[1, "10"]]) } as never);
    client.attach([
      { channel: "a", from: "start" },
      { channel: "b", from: { epoch: 1, serial: 1, log: 1, run: "run-1" } },
    ]);
    client.attach([{ channel: "c", from: "start" }]);
    await client.ready(...names);
    await client.until(() =>
      names.every((name) => client.held(name).serial === reader.serial(name)),
    );
    expect(checked).toBeGreaterThan(0);
    for (let n = 0; n < 20; n++) {
      reader.append([put("a", 1, `${10 + n}`), put("b", 1, `${10 - n}`), put("c", 1, "10")]);
      if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await client.until(() => client.held("c").serial === reader.serial("c"));
    expect(checked).toBeGreaterThan(2);
  });

  test("that are ready go on while another is loaded", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 200 } });
    const { reader } = world;
    reader.append([put("small", 1)]);
    reader.append(Array.from({ length: 200 }, (_, key) => put("large", key)));
    const client = await world.join();
    client.attach([{ channel: "small", from: "start" }]);
    await client.ready("small");
    let n = 0;
    reader.beforeRead = () => {
      if (n < 30) reader.append([put("small", 1, `${n++}`)]);
    };
    client.attach([{ channel: "large", from: "start" }]);
    await client.until(() => client.held("large").pages >= 5);
    expect(client.held("small").entries).toBeGreaterThan(3);
    expect(client.held("large").stage).toBe("loading");
    await client.ready("large");
    await client.until(() => client.held("small").serial === reader.serial("small"));
    expect(client.rows("small")).toEqual({ 1: "29" });
  });

  test("are detached one by one, and attached again from their places", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.append([put("a", 1), put("b", 1)]);
    const client = await world.join();
    client.attach([
      { channel: "a", from: "start" },
      { channel: "b", from: "start" },
    ]);
    await client.ready("a", "b");
    client.say({ t: "detach", channels: ["a", "never"] });
    await client.until(() => client.find("detached").length === 1);
    expect(client.find("detached")[0]?.channels).toEqual(["a", "never"]);
    const log = reader.append([put("a", 2), put("b", 2)]);
    await client.until(() => client.at === log);
    expect(client.rows("a")).toEqual({ 1: "v1" });
    client.attach([{ channel: "a", from: client.place("a") }]);
    await client.ready("a");
    expect(client.rows("a")).toEqual({ 1: "v1", 2: "v2" });
    expect(world.broker.statistics()).toMatchObject({ sessions: 1, attachments: 2, live: 1 });
  });

  test("one that never had an entry is ready at once and takes the epoch of its first", async () => {
    world = new BrokerWorld();
    world.reader.append([put("a", 1)]);
    const client = await world.join();
    client.attach([{ channel: "unborn", from: "start" }]);
    await client.ready("unborn");
    expect(client.place("unborn")).toMatchObject({ epoch: 0, serial: 0 });
    const log = world.reader.append([put("unborn", 1)]);
    await client.until(() => client.at === log);
    expect(client.place("unborn")).toEqual({ epoch: 2, serial: 1, log: 2, run: "run-1" });
  });

  test("one that is gone from the journal is emptied on the client", async () => {
    world = new BrokerWorld();
    world.reader.append([put("a", 1)]);
    const client = await world.join();
    client.channels.set("gone", { rows: new Map([[1, "old"]]) } as never);
    client.attach([{ channel: "gone", from: { epoch: 1, serial: 4, log: 1, run: "other" } }]);
    await client.ready("gone");
    expect(client.rows("gone")).toEqual({});
    expect(client.place("gone")).toMatchObject({ epoch: 0, serial: 0 });
  });
});

describe("units that are not sent from memory", () => {
  test("a huge one is read from the journal, after its merge, by those whom it concerns", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.append([put("a", 1), put("b", 1)]);
    const a = await world.join();
    const b = await world.join();
    a.attach([{ channel: "a", from: "start" }]);
    b.attach([{ channel: "b", from: "start" }]);
    await Promise.all([a.ready("a"), b.ready("b")]);
    const readsBefore = reader.reads;
    reader.huge.add(2);
    reader.merging = true;
    reader.append(Array.from({ length: 50 }, (_, key) => put("a", key, "huge")));
    reader.append([put("b", 2)]);
    await b.until(() => b.at === 3);
    expect(a.at).toBe(1);
    reader.merging = false;
    await a.until(() => a.at === 3);
    expect(a.held("a").rows.size).toBe(50);
    expect(reader.reads).toBeGreaterThan(readsBefore);
  });

  test("what is too much of all channels together is read page by page", async () => {
    const reasons: string[] = [];
    const catchUp = (reason: string): number => reasons.push(reason);
    world = new BrokerWorld({
      limits: { deliveryBytesMax: 2_000, pageBytes: 200 },
      metrics: { ...noMetrics, catchUp },
    });
    const { reader } = world;
    const names = ["a", "b", "c"];
    reader.append(names.map((name) => put(name, 1)));
    const client = await world.join();
    client.attach(names.map((channel) => ({ channel, from: "start" })));
    await client.ready(...names);
    reader.append([put("a", 2, "x".repeat(1_000))]);
    await client.until(() => client.at === 2);
    expect(reasons).toEqual(["attach"]);
    reader.append(names.map((name) => put(name, 3, "x".repeat(1_000))));
    await client.until(() => client.at === 3);
    expect(reasons).toEqual(["attach", "huge"]);
    for (const name of names) expect(client.held(name).rows).toEqual(reader.content(name));
  });

  test("a range that memory has forgotten is read by everybody", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.append([put("a", 1)]);
    const client = await world.join();
    client.attach([{ channel: "a", from: "start" }]);
    await client.ready("a");
    reader.append([put("a", 2)], false);
    reader.memoryFrom = 2;
    reader.announce();
    await client.until(() => client.at === 2);
    expect(client.rows("a")).toEqual({ 1: "v1", 2: "v2" });
    reader.append([put("a", 3)]);
    await client.until(() => client.at === 3);
  });

  test("a lap that somebody read before is not told behind pages that are newer", async () => {
    world = new BrokerWorld({ limits: { pageBytes: 30 } });
    const { reader } = world;
    reader.append([put("a", 9)]);
    reader.append([put("a", 1, "old"), put("a", 2)]);
    const first = await world.join();
    first.attach([{ channel: "a", from: { epoch: 1, serial: 3, log: 2, run: "run-1" } }]);
    await first.ready("a");
    // Pages show it before the hub is told of it.
    reader.append([put("a", 1, "new")], false);
    const second = await world.join();
    second.channels.set("a", { rows: new Map([[9, "v9"]]) } as never);
    const from = { epoch: 1, serial: 1, log: 1, run: "run-1" };
    second.attach([{ channel: "a", from, loading: true }]);
    await second.ready("a");
    expect(second.held("a").pages).toBe(1);
    expect(second.at).toBe(3);
    expect(second.rows("a")).toEqual({ 1: "new", 2: "v2", 9: "v9" });
  });

  test("a new run of the writer is told with the next commit", async () => {
    world = new BrokerWorld();
    const { reader } = world;
    reader.append([put("a", 1)]);
    const client = await world.join();
    client.attach([{ channel: "a", from: "start" }]);
    await client.ready("a");
    reader.newRun("run-2");
    reader.append([put("a", 2)]);
    await client.until(() => client.at === 2);
    expect(client.run).toBe("run-2");
    expect(client.find("commit").map(({ run }) => run)).toEqual(["run-1", "run-2"]);
  });
});

describe("attaching an events channel", () => {
  const events = (count: number): Write[] =>
    Array.from({ length: count }, (_, key) => put("events:1", key));

  test.each([
    ["start", "start" as const, 10],
    ["last 3", { last: 3 }, 3],
    ["last more than there is", { last: 100 }, 10],
    ["now", "now" as const, 0],
    ["a place", { epoch: 1, serial: 6, log: 1, run: "run-1" }, 4],
  ])("from %s replays just what it says", async (_name, from, count) => {
    world = new BrokerWorld();
    world.reader.append(events(10));
    const client = await world.join();
    client.attach([{ channel: "events:1", from }]);
    await client.ready("events:1");
    expect(client.held("events:1")).toMatchObject({ how: "resumed", entries: count });
    const log = world.reader.append([put("events:1", 11)]);
    await client.until(() => client.at === log);
    expect(client.held("events:1")).toMatchObject({ entries: count + 1, serial: 11 });
  });

  test("from a place older than what is retained tells the gap and goes on from the floor", async () => {
    world = new BrokerWorld();
    world.reader.append(events(10));
    world.reader.raiseFloor("events:1", 7);
    const client = await world.join();
    client.attach([{ channel: "events:1", from: { epoch: 1, serial: 2, log: 1, run: "run-1" } }]);
    await client.ready("events:1");
    expect(client.held("events:1")).toMatchObject({ how: "gap", entries: 3, serial: 10 });
    expect([...client.held("events:1").rows.keys()]).toEqual([8, 9, 10]);
  });

  test("now and last are refused for a state channel, which leaves the others alone", async () => {
    world = new BrokerWorld();
    world.reader.append([put("store:1", 1), put("events:1", 1)]);
    const client = await world.join();
    const id = client.attach([
      { channel: "store:1", from: "now" },
      { channel: "events:1", from: { last: 1 } },
    ]);
    await client.ready("events:1");
    expect(client.find("error")).toMatchObject([
      { id, code: "BROKER_CHANNEL_KIND", channels: ["store:1"] },
    ]);
  });
});
