/**
 * Goal: the connection keeps time as it should: backoff, hints, silence, pings, tokens, goaway, the platform's
 * online and offline. Method: the server is the test, time and chance are virtual.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Cast, type CastOptions, changecast } from "../../../src/client/client.js";
import { memoryStore } from "../../../src/client/stores/memory-store.js";
import { ScriptedServer } from "../../support/scripted-server.js";
import { settled, VirtualClock } from "../../support/virtual-clock.js";

let clock: VirtualClock;
let server: ScriptedServer;
const casts: Cast[] = [];

beforeEach(() => {
  clock = new VirtualClock();
  server = new ScriptedServer();
});

afterEach(async () => {
  vi.unstubAllGlobals();
  for (const cast of casts.splice(0)) await cast.close();
  expect(clock.timers).toBe(0);
});

async function connected(
  options: Partial<CastOptions> = {},
  welcome: object | null = {},
): Promise<Cast> {
  const { WebSocket } = server;
  const cast = changecast({
    url: "ws://test/v1",
    WebSocket,
    clock,
    random: { next: () => 0.5 },
    ...options,
  });
  casts.push(cast);
  cast.sync(memoryStore(), ["a"]);
  await settled();
  if (welcome !== null) server.socket.welcome(welcome);
  await settled();
  return cast;
}

describe("connecting", () => {
  it("begins with the first sync, says hello with the token, and rests after the last", async () => {
    const { WebSocket } = server;
    const cast = changecast({ url: "ws://test/v1", WebSocket, clock, token: "key-1" });
    casts.push(cast);
    await settled();
    expect(server.sockets).toHaveLength(0);
    expect(cast.status).toEqual({ state: "idle" });
    const sync = cast.sync(memoryStore(), ["a"]);
    await settled();
    expect(cast.status).toEqual({ state: "connecting" });
    expect(server.socket).toMatchObject({ url: "ws://test/v1", protocol: "changecast.v1" });
    server.socket.welcome();
    expect(server.socket.last("hello")).toEqual({
      t: "hello",
      v: 1,
      client: "@changecast/client",
      token: "key-1",
    });
    expect(cast.status).toEqual({ state: "live" });
    await sync.stop();
    expect(cast.status).toEqual({ state: "idle" });
    expect(server.socket.closedWith).toBe(1000);
  });

  it("gives up a socket that does not open, and one that is not welcomed", async () => {
    const cast = await connected({}, null);
    await clock.pass(15_000);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_SILENT" });
    await clock.pass(1_000);
    expect(server.sockets).toHaveLength(2);
    server.socket.open();
    await clock.pass(10_000);
    expect(cast.status).toMatchObject({ state: "waiting", attempt: 2 });
  });

  it("takes code and hint from the error before the close, and believes no hint of a day", async () => {
    const cast = await connected();
    const full = { t: "error", code: "BROKER_SESSIONS_FULL", message: "no room" };
    server.socket.say({ ...full, retryInMs: 8_000 });
    server.socket.shut(4003);
    expect(cast.status).toMatchObject({
      state: "waiting",
      code: "BROKER_SESSIONS_FULL",
      delayMs: 8_250,
    });
    await clock.pass(8_000);
    expect(server.sockets).toHaveLength(1);
    await clock.pass(300);
    expect(server.sockets).toHaveLength(2);
    server.socket.open();
    server.socket.say({ ...full, retryInMs: 86_400_000 });
    server.socket.shut(4003);
    await clock.pass(601_000);
    expect(server.sockets).toHaveLength(3);
  });

  it("stays away when it is refused, says why, and comes back when the app asks", async () => {
    const cast = await connected({}, null);
    server.socket.open();
    const cure = "Give another token, then call reconnect().";
    server.socket.say({ t: "error", code: "AUTH_TOKEN_INVALID", message: "who are you?", cure });
    server.socket.shut(4501);
    await clock.pass(3_600_000);
    expect(server.sockets).toHaveLength(1);
    expect(cast.status).toMatchObject({
      state: "refused",
      code: "AUTH_TOKEN_INVALID",
      message: "who are you?",
      cure,
    });
    cast.reconnect();
    await settled();
    expect(server.sockets).toHaveLength(2);
  });

  it("starts the backoff over after 30 s of life, not before", async () => {
    const cast = await connected();
    for (const attempt of [1, 2, 3]) {
      server.socket.shut(1006);
      expect(cast.status).toMatchObject({ attempt });
      await clock.pass(2_000);
      server.socket.welcome({ heartbeatMs: 60_000 });
    }
    await clock.pass(30_001);
    server.socket.shut(1006);
    expect(cast.status).toMatchObject({ attempt: 1 });
  });

  it("leaves at a random moment of the window after `goaway`, and works until then", async () => {
    await connected();
    const [first] = server.sockets;
    first?.say({ t: "goaway", reconnectWithinMs: 10_000 });
    await clock.pass(4_900);
    expect(server.sockets).toHaveLength(1);
    await clock.pass(200);
    expect(server.sockets).toHaveLength(2);
    expect(first?.closedWith).toBe(1000);
  });
});

describe("silence", () => {
  it("of twice the heartbeat ends the session", async () => {
    const cast = await connected({}, { heartbeatMs: 10_000 });
    await clock.pass(15_000);
    server.socket.say({ t: "heartbeat" });
    await clock.pass(20_000);
    expect(cast.status.state).toBe("live");
    await clock.pass(5_001);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_SILENT" });
  });

  it("of this side is broken by a ping", async () => {
    await connected({}, { heartbeatMs: 10_000 });
    await clock.pass(15_001);
    expect(server.socket.all("ping")).toHaveLength(1);
  });
});

describe("tokens", () => {
  it("are asked for at each connect", async () => {
    let count = 0;
    const token = async (): Promise<string> => `token-${(count += 1)}`;
    await connected({ token });
    expect(server.socket.last("hello")?.token).toBe("token-1");
    server.socket.shut(4005);
    await clock.pass(1_000);
    server.socket.welcome();
    expect(server.socket.last("hello")?.token).toBe("token-2");
  });

  it("are renewed in band before they end, over and over", async () => {
    let count = 0;
    const token = (): string => `token-${(count += 1)}`;
    const expiresAt = clock.now() + 600_000;
    await connected({ token }, { expiresAt, heartbeatMs: 3_600_000 });
    await clock.pass(539_000);
    expect(server.socket.all("token")).toHaveLength(0);
    await clock.pass(2_000);
    expect(server.socket.last("token")).toEqual({ t: "token", token: "token-2" });
    server.socket.say({ t: "renewed", expiresAt: clock.now() + 100_000 });
    await clock.pass(76_000);
    expect(server.socket.last("token")).toEqual({ t: "token", token: "token-3" });
    expect(server.sockets).toHaveLength(1);
  });

  it("that cannot be fetched are asked for again, later and later, and while a session lives", async () => {
    let isBroken = true;
    const token = async (): Promise<string> => {
      if (isBroken) throw new Error("login server down");
      return "good";
    };
    const cast = await connected({ token }, null);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_TOKEN_FAILED" });
    expect(cast.status).toHaveProperty("message", expect.stringContaining("login server down"));
    isBroken = false;
    await clock.pass(1_000);
    server.socket.welcome({ expiresAt: clock.now() + 60_000, heartbeatMs: 3_600_000 });
    isBroken = true;
    await clock.pass(50_000);
    expect(server.socket.all("token")).toHaveLength(0);
    isBroken = false;
    await clock.pass(6_000);
    expect(server.socket.all("token")).toHaveLength(1);
  });

  it("that never come are given up after 30 s", async () => {
    const cast = await connected({ token: () => new Promise<string>(() => undefined) }, null);
    await clock.pass(30_000);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_TOKEN_FAILED" });
  });
});

describe("the platform", () => {
  class Listened {
    readonly listeners = new Map<string, (() => void)[]>();
    addEventListener = (name: string, listener: () => void): void => {
      this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
    };
    removeEventListener = (name: string, listener: () => void): void => {
      const rest = (this.listeners.get(name) ?? []).filter((other) => other !== listener);
      if (rest.length === 0) this.listeners.delete(name);
      else this.listeners.set(name, rest);
    };
    tell(name: string): void {
      for (const listener of this.listeners.get(name) ?? []) listener();
    }
  }

  it("says offline and online: no tries between, one at once after", async () => {
    const page = new Listened();
    vi.stubGlobal("addEventListener", page.addEventListener);
    vi.stubGlobal("removeEventListener", page.removeEventListener);
    const cast = await connected();
    page.tell("offline");
    expect(cast.status).toEqual({ state: "offline" });
    await clock.pass(29_000);
    expect(server.sockets).toHaveLength(1);
    page.tell("online");
    await settled();
    expect(server.sockets).toHaveLength(2);
    await cast.close();
    expect(page.listeners.size).toBe(0);
  });

  it("wakes up: a connection that only looks open is found out in seconds", async () => {
    const document = Object.assign(new Listened(), { visibilityState: "visible" });
    vi.stubGlobal("document", document);
    const cast = await connected();
    document.tell("visibilitychange");
    expect(server.socket.all("ping")).toHaveLength(1);
    server.socket.say({ t: "pong" });
    await clock.pass(5_000);
    expect(cast.status.state).toBe("live");
    document.tell("visibilitychange");
    await clock.pass(5_001);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_SILENT" });
  });

  it("wakes up while it waits for the next try: it tries at once", async () => {
    const document = Object.assign(new Listened(), { visibilityState: "visible" });
    vi.stubGlobal("document", document);
    const cast = await connected();
    server.socket.shut(1006);
    expect(cast.status.state).toBe("waiting");
    document.tell("visibilitychange");
    await settled();
    expect(server.sockets).toHaveLength(2);
  });

  it("slept, or had its clock set: the connection is asked, and goes on where it answers", async () => {
    const cast = await connected();
    clock.jump(3_600_000);
    await clock.pass(1);
    expect(server.socket.all("ping").length).toBeGreaterThan(0);
    server.socket.say({ t: "pong" });
    await clock.pass(5_000);
    expect(cast.status.state).toBe("live");
    clock.jump(3_600_000);
    await clock.pass(5_001);
    expect(cast.status).toMatchObject({ state: "waiting", code: "CLIENT_SILENT" });
  });

  it("without a WebSocket is told so at once", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => changecast({ url: "ws://test" })).toThrow(
      expect.objectContaining({ code: "CLIENT_WEBSOCKET_MISSING" }),
    );
  });

  it("whose WebSocket cannot take the address refuses it", async () => {
    class Picky {
      constructor() {
        throw new SyntaxError("bad address");
      }
    }
    const cast = await connected({ WebSocket: Picky }, null);
    expect(cast.status).toMatchObject({
      state: "refused",
      message: expect.stringContaining("bad address") as string,
    });
  });
});
