/** What breaks the protocol or its bounds, over real sockets: each gets its code, and nobody else notices. */
import { connect } from "node:net";
import { WebSocket } from "ws";
import { afterEach, describe, expect, test } from "vitest";
import { SUBPROTOCOL } from "../../src/protocol/frames.js";
import { BrokerWorld, eventually } from "../support/broker-world.js";

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

const attach = (channels: unknown, id: unknown = 1): string =>
  JSON.stringify({ t: "attach", id, channels });
const hello = '{"t":"hello","v":1}';
const place = { epoch: 1, serial: 1, log: 1, run: "r" };
const one = (from: unknown, more: object = {}): unknown[] => [{ channel: "a", from, ...more }];

describe("a frame that breaks the protocol closes its session with a code", () => {
  test.each<[string, string | Buffer, string]>([
    ["no JSON", "{", "PROTOCOL_JSON"],
    ["a list", "[]", "PROTOCOL_JSON"],
    ["a number", "7", "PROTOCOL_JSON"],
    ["a binary message", Buffer.from('{"t":"ping"}'), "PROTOCOL_JSON"],
    ["no type", "{}", "PROTOCOL_FRAME_UNKNOWN"],
    ["an unknown type", '{"t":"publish"}', "PROTOCOL_FRAME_UNKNOWN"],
    ["a type of Object's", '{"t":"constructor"}', "PROTOCOL_FRAME_UNKNOWN"],
    ["a server's frame", '{"t":"commit","at":1,"moved":[]}', "PROTOCOL_FRAME_UNKNOWN"],
    ["an unknown field", '{"t":"ping","extra":1}', "PROTOCOL_FIELD"],
    ["a field named __proto__", '{"t":"ping","__proto__":{}}', "PROTOCOL_FIELD"],
    ["a missing field", '{"t":"attach","id":1}', "PROTOCOL_FIELD"],
    ["channels that are no list", attach("a"), "PROTOCOL_FIELD"],
    ["a channel that is no object", attach(["a"]), "PROTOCOL_FIELD"],
    ["no channel", attach([]), "PROTOCOL_COUNT"],
    ["a channel twice", attach([...one("start"), ...one("start")]), "PROTOCOL_COUNT"],
    ["an empty name", attach([{ channel: "", from: "start" }]), "PROTOCOL_CHANNEL"],
    ["a name with a space", attach([{ channel: "a b", from: "start" }]), "PROTOCOL_CHANNEL"],
    ["a pattern for a name", attach([{ channel: "a*", from: "start" }]), "PROTOCOL_CHANNEL"],
    [
      "a name of 201 bytes",
      attach([{ channel: "é".repeat(101), from: "start" }]),
      "PROTOCOL_CHANNEL",
    ],
    ["from an unknown word", attach(one("end")), "PROTOCOL_FIELD"],
    ["from null", attach(one(null)), "PROTOCOL_FIELD"],
    ["from a place without run", attach(one({ epoch: 1, serial: 1, log: 1 })), "PROTOCOL_FIELD"],
    ["a negative serial", attach(one({ ...place, serial: -1 })), "PROTOCOL_FIELD"],
    ["a serial in text", attach(one({ ...place, serial: "1" })), "PROTOCOL_FIELD"],
    ["a serial with a fraction", attach(one({ ...place, serial: 1.5 })), "PROTOCOL_FIELD"],
    ["a serial beyond 2^53", attach(one({ ...place, serial: 2 ** 53 })), "PROTOCOL_FIELD"],
    ["a place with more in it", attach(one({ ...place, extra: 1 })), "PROTOCOL_FIELD"],
    ["last nothing", attach(one({ last: 0 })), "PROTOCOL_FIELD"],
    ["last too many", attach(one({ last: 10_001 })), "PROTOCOL_FIELD"],
    ["loading in text", attach(one("start", { loading: "yes" })), "PROTOCOL_FIELD"],
    ["an id in text", attach(one("start"), "1"), "PROTOCOL_FIELD"],
    [
      "before and after",
      '{"t":"history","id":1,"channel":"a","limit":1,"before":1,"after":1}',
      "PROTOCOL_FIELD",
    ],
    ["a limit too high", '{"t":"history","id":1,"channel":"a","limit":1001}', "PROTOCOL_FIELD"],
    ["nesting", attach(one({ last: [[1]] })), "PROTOCOL_DEPTH"],
    ["a thousand brackets", "[".repeat(1_000), "PROTOCOL_DEPTH"],
    ["65 frames", '{"t":"ping"}\n'.repeat(65), "PROTOCOL_COUNT"],
    ["a second hello", hello, "PROTOCOL_ORDER"],
    [
      "an id that does not rise",
      `${attach(one("start"), 5)}\n${attach(one("start"), 5)}`,
      "PROTOCOL_ORDER",
    ],
    ["too many bytes", `{"t":"token","token":"${"x".repeat(66_000)}"}`, "PROTOCOL_SIZE"],
    ["a later line that is broken", '{"t":"ping"}\nnonsense', "PROTOCOL_JSON"],
  ])("%s", async (_name, message, code) => {
    world = new BrokerWorld();
    const [client, other] = [await world.join(), await world.join()];
    client.socket.send(message);
    const closed = await client.closed;
    expect(closed.code).toBe(4500);
    expect(JSON.parse(closed.reason)).toEqual({ code });
    expect(client.find("error")).toMatchObject([{ code }]);
    expect(client.find("pong")).toHaveLength(0);
    other.say({ t: "ping" });
    await other.until(() => other.find("pong").length === 1);
  });
});

describe("before hello", () => {
  test.each([
    ["another frame", '{"t":"ping"}', 4500, "PROTOCOL_ORDER"],
    ["another version", '{"t":"hello","v":2}', 4503, "PROTOCOL_VERSION"],
    [
      "more than 8 KiB",
      `{"t":"hello","v":1,"token":"${"x".repeat(9_000)}"}`,
      4500,
      "PROTOCOL_SIZE",
    ],
  ])("%s is refused", async (_name, message, close, code) => {
    world = new BrokerWorld();
    const client = await world.connect();
    client.socket.send(message);
    const closed = await client.closed;
    expect([closed.code, JSON.parse(closed.reason)]).toEqual([close, { code }]);
  });

  test("silence is closed within the deadline", async () => {
    world = new BrokerWorld({ limits: { helloMs: 100, heartbeatMs: 200 } });
    const client = await world.connect();
    expect((await client.closed).code).toBe(4002);
  });

  test("too many strangers are turned away, and those who said hello are not strangers", async () => {
    world = new BrokerWorld({ limits: { unknownMax: 2 } });
    await world.join();
    await world.connect();
    await world.connect();
    await expect(world.connect()).rejects.toThrow();
  });
});

describe("bounds", () => {
  test("frames faster than a session may send close it with a hint", async () => {
    world = new BrokerWorld({ limits: { frames: { perSecond: 10, burst: 20 } } });
    const client = await world.join();
    client.say(...Array.from({ length: 21 }, () => ({ t: "ping" as const })));
    const { code, reason } = await client.closed;
    expect(code).toBe(4006);
    expect((JSON.parse(reason) as { retryInMs: number }).retryInMs).toBeGreaterThan(0);
  });

  test("channels beyond those that a session may hold, or attached too fast, are refused by name", async () => {
    world = new BrokerWorld({
      limits: { channelsMax: 3, attaches: { perSecond: 1, burst: 5 } },
    });
    const client = await world.join();
    const channels = ["a", "b", "c", "d"].map((channel) => ({ channel, from: "start" as const }));
    client.attach(channels);
    await client.ready("a", "b", "c");
    expect(client.find("error")).toMatchObject([
      { id: 1, code: "BROKER_CHANNELS_FULL", channels: ["d"] },
    ]);
    client.attach(channels.slice(0, 2));
    await client.until(() => client.find("error").length === 2);
    expect(client.find("error")[1]).toMatchObject({
      id: 2,
      code: "BROKER_RATE_LIMITED",
      channels: ["a", "b"],
    });
    expect(world.broker.statistics().attachments).toBe(1);
  });

  test("sessions beyond the limit: browsers are told in a close, others by HTTP", async () => {
    world = new BrokerWorld({ limits: { sessionsMax: 1 } });
    const first = await world.join();
    const browser = await world.connect({ origin: "http://localhost" });
    const { code, reason } = await browser.closed;
    expect(code).toBe(4003);
    expect((JSON.parse(reason) as { retryInMs: number }).retryInMs).toBeGreaterThanOrEqual(5_000);
    const answer = await new Promise<string>((resolve) => {
      const socket = new WebSocket(world.url, SUBPROTOCOL);
      socket.on("error", () => undefined);
      socket.on("unexpected-response", (_request, response) => {
        response.resume();
        resolve(`${response.statusCode ?? 0} ${response.headers["retry-after"] ?? ""}`);
        socket.terminate();
      });
    });
    expect(answer).toBe("503 5");
    first.socket.terminate();
    await eventually(() => world.broker.statistics().sessions === 0);
    await world.join();
  });

  test("sessions of one address", async () => {
    world = new BrokerWorld({ limits: { sessionsPerAddressMax: 2 } });
    const first = await world.join();
    await world.join();
    await expect(world.connect()).rejects.toThrow();
    first.socket.terminate();
    await eventually(() => world.broker.statistics().sessions === 1);
    await world.join();
  });

  test("plain HTTP, other paths and other subprotocols do not become sessions", async () => {
    world = await new BrokerWorld({
      onRequest: (request, response) => {
        response.end(`asked ${request.url ?? ""}`);
      },
    }).open();
    const base = `http://127.0.0.1:${world.port}`;
    expect(await (await fetch(`${base}/healthz`)).text()).toBe("asked /healthz");
    const status = (url: string, protocol: string): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, protocol);
        socket.on("error", () => undefined);
        socket.on("unexpected-response", (_request, response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
          socket.terminate();
        });
      });
    expect(await status(`ws://127.0.0.1:${world.port}/v2`, SUBPROTOCOL)).toBe(404);
    expect(await status(world.url, "graphql-ws")).toBe(400);
    expect(world.broker.statistics().sessions).toBe(0);
  });
});

describe("the end", () => {
  test("a graceful stop says goaway, spreads the closes, and ends within its window", async () => {
    world = new BrokerWorld({ limits: { drainMs: 400 } });
    world.reader.append([{ channel: "a", op: "i", key: 1, value: "v" }]);
    const clients = [
      await world.join(),
      await world.join(),
      await world.join(),
      await world.join(),
    ];
    for (const client of clients) client.attach([{ channel: "a", from: "start" }]);
    await Promise.all(clients.map((client) => client.ready("a")));
    const began = performance.now();
    const stopped = world.stop();
    await Promise.all(
      clients.map((client) => client.until(() => client.find("goaway").length > 0)),
    );
    // What is released while clients leave still reaches those that have not.
    world.reader.append([{ channel: "a", op: "i", key: 2, value: "v" }]);
    await clients[3]?.until(() => clients[3]?.at === 2);
    const at: number[] = [];
    await Promise.all(
      clients.map(async (client) => {
        expect((await client.closed).code).toBe(4000);
        at.push(performance.now() - began);
      }),
    );
    await stopped;
    expect(Math.max(...at)).toBeLessThan(5_000);
    expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(50);
    await expect(world.connect()).rejects.toThrow();
  });

  test("a connection that never speaks HTTP, and one that is cut half way, leave nothing behind", async () => {
    world = await new BrokerWorld().open();
    const mute = connect(world.port, "127.0.0.1");
    mute.on("error", () => undefined);
    const client = await world.join();
    client.attach([{ channel: "a", from: "start" }]);
    await client.ready("a");
    client.socket.terminate();
    await eventually(() => world.broker.statistics().sessions === 0);
    expect(world.broker.statistics().attachments).toBe(0);
    await world.stop();
    mute.destroy();
  });

  test("a journal that fails closes the sessions that read it, and the server stays", async () => {
    world = new BrokerWorld();
    const client = await world.join();
    world.reader.beforeRead = () => {
      throw new Error("disk on fire");
    };
    client.attach([{ channel: "a", from: "start" }]);
    const { code, reason } = await client.closed;
    expect([code, reason]).toEqual([4004, '{"code":"BROKER_INTERNAL"}']);
    world.reader.beforeRead = () => undefined;
    const next = await world.join();
    next.attach([{ channel: "a", from: "start" }]);
    await next.ready("a");
  });
});
