/**
 * Goal: a sync does right by a server that cuts, refuses, hints, restarts and lies, and by a store that fails.
 * Method: the server is the test (support/scripted-server.ts), time is virtual, the store is in memory.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AppError } from "../../../src/base/errors.js";
import { type Cast, type CastOptions, changecast } from "../../../src/client/client.js";
import { type MemoryStore, memoryStore } from "../../../src/client/stores/memory-store.js";
import type { Store } from "../../../src/client/stores/store.js";
import type { Sync } from "../../../src/client/sync.js";
import { ScriptedServer, type ScriptedSocket } from "../../support/scripted-server.js";
import { settled, VirtualClock } from "../../support/virtual-clock.js";

let clock: VirtualClock;
let server: ScriptedServer;
let store: MemoryStore;
const casts: Cast[] = [];

beforeEach(() => {
  clock = new VirtualClock();
  server = new ScriptedServer();
  store = memoryStore();
});

afterEach(async () => {
  for (const cast of casts.splice(0)) await cast.close();
  expect(clock.timers).toBe(0);
});

const schema = {
  t: "schema",
  table: "rows",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int" },
    { name: "value", type: "text" },
  ],
  key: ["id"],
};

function changes(channel: string, ...entries: unknown[][]): object {
  return { t: "changes", channel, table: "rows", schema: 1, base: 0, entries };
}

function commit(at: number, ...moved: unknown[][]): object {
  return { t: "commit", at, moved };
}

function castOf(options: Partial<CastOptions> = {}): Cast {
  const { WebSocket } = server;
  const cast = changecast({
    url: "ws://test/v1",
    WebSocket,
    clock,
    random: { next: () => 0.5 },
    ...options,
  });
  casts.push(cast);
  return cast;
}

/** A sync whose channels are live at log 1, each with the row id 1. */
async function live(
  channels: string[],
  options: Partial<CastOptions> = {},
  of: Store = store,
): Promise<Sync> {
  const sync = castOf(options).sync(of, channels);
  await settled();
  await welcome(channels);
  await sync.live();
  return sync;
}

async function welcome(channels: string[]): Promise<ScriptedSocket> {
  const { socket } = server;
  socket.welcome();
  await settled();
  socket.accept();
  socket.say(schema, ...channels.map((channel) => changes(channel, [1, 1, 0, "i", 1, "one"])), {
    t: "commit",
    at: 1,
    run: "r1",
    moved: channels.map((channel) => [channel, 1, 0, 1]),
    ready: channels,
  });
  await settled();
  return socket;
}

function values(): unknown[] {
  return store.rows("rows").map(({ id, value }) => [id, value]);
}

describe("attaching", () => {
  it("offers everything in one list, then the places it has", async () => {
    await live(["a", "b"]);
    expect(server.socket.all("attach").map(({ channels }) => channels)).toEqual([
      [
        { channel: "a", from: "start", loading: true },
        { channel: "b", from: "start", loading: true },
      ],
    ]);
    server.socket.shut(1006);
    await clock.pass(1_000);
    server.socket.welcome();
    await settled();
    const from = { epoch: 1, serial: 1, log: 1, run: "r1" };
    expect(server.socket.last("attach")?.channels).toEqual([
      { channel: "a", from },
      { channel: "b", from },
    ]);
  });

  it("splits lists at the session's limits", async () => {
    const channels = Array.from({ length: 7 }, (_, index) => `c${index}`);
    castOf().sync(store, channels);
    await settled();
    const limits = {
      frameBytesMax: 65_536,
      channelsMax: 1_000,
      attachChannelsMax: 3,
      historyLimitMax: 10,
    };
    server.socket.welcome({ limits });
    await settled();
    const lists = server.socket.all("attach");
    expect(lists.map(({ channels: list }) => list.length)).toEqual([3, 3, 1]);
    expect(lists.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("goes on loading from the place of the last page", async () => {
    castOf().sync(store, ["a"]);
    await settled();
    server.socket.welcome();
    await settled();
    server.socket.accept();
    server.socket.say(
      schema,
      changes("a", [1, 1, 0, "i", 1, "one"]),
      { t: "page", channel: "a", epoch: 1, from: 0, to: 1, log: 1 },
      changes("a", [2, 2, 0, "i", 2, "two"]),
    );
    server.socket.shut(4001);
    await clock.pass(1_000);
    expect(values()).toEqual([[1, "one"]]);
    server.socket.welcome();
    await settled();
    expect(server.socket.last("attach")?.channels).toEqual([
      { channel: "a", from: { epoch: 1, serial: 1, log: 1, run: "r1" }, loading: true },
    ]);
  });

  it("begins events where the app says", async () => {
    castOf().sync(store, [
      { channel: "a", from: "now" },
      { channel: "b", from: { last: 5 } },
    ]);
    await settled();
    server.socket.welcome();
    await settled();
    expect(server.socket.last("attach")?.channels.map(({ from }) => from)).toEqual([
      "now",
      { last: 5 },
    ]);
  });

  it("is ready before it is live while the server copies, and stopping ends the wait", async () => {
    const sync = castOf().sync(store, ["a"]);
    await settled();
    const socket = await welcome(["a"]);
    await sync.ready();
    socket.say({ t: "status", channel: "a", state: "copying", rowsDone: 10, rowsTotal: 20 });
    await settled();
    const ended: string[] = [];
    const wait = (name: string): Promise<unknown> =>
      sync.live().then(
        () => ended.push(name),
        (error: unknown) => ended.push(`${name} ${(error as AppError).code}`),
      );
    const copied = wait("copied");
    await settled();
    expect(ended).toEqual([]);
    socket.say({ t: "status", channel: "a", state: "ready" });
    await copied;
    socket.say({ t: "status", channel: "a", state: "rederiving" });
    await settled();
    const stopped = wait("stopped");
    await sync.stop();
    await stopped;
    expect(ended).toEqual(["copied", "stopped CLIENT_CLOSED"]);
  });

  it("refuses names that are none, channels that are taken, and a store in use", async () => {
    const cast = castOf();
    expect(() => cast.sync(store, ["no spaces"])).toThrow(
      expect.objectContaining({ code: "CLIENT_CHANNEL_INVALID" }),
    );
    const sync = cast.sync(store, ["a"]);
    expect(() => cast.sync(store, ["b"])).toThrow(
      expect.objectContaining({ code: "CLIENT_STORE_IN_USE" }),
    );
    expect(() => cast.sync(memoryStore(), ["a"])).toThrow(
      expect.objectContaining({ code: "CLIENT_CHANNEL_TAKEN" }),
    );
    await sync.stop();
    expect(() => sync.attach(["b"])).toThrow(expect.objectContaining({ code: "CLIENT_CLOSED" }));
    await cast.sync(store, ["a"]).stop();
  });
});

describe("a server that lies", () => {
  it.each([
    ["a hole in the serials", changes("a", [9, 2, 0, "i", 2, "two"]), ["a", 1, 8, 9]],
    ["another epoch", changes("a", [2, 2, 0, "i", 2, "two"]), ["a", 7, 1, 2]],
    ["serials that go back", changes("a", [2, 2, 0, "i", 2, "two"]), ["a", 1, 1, 0]],
  ])(
    "with %s is not believed: that channel is attached again, others go on",
    async (_name, entries, moved) => {
      const sync = await live(["a", "b"]);
      const { socket } = server;
      socket.say(entries, changes("b", [2, 2, 1, "i", 3, "three"]), {
        t: "commit",
        at: 2,
        moved: [moved, ["b", 1, 1, 2]],
      });
      await settled();
      expect(values()).toEqual([
        [1, "one"],
        [3, "three"],
      ]);
      expect(sync.status.channels.get("a")?.trouble?.code).toMatch(/^CLIENT_/);
      expect(sync.status.channels.get("b")?.state).toBe("live");
      await clock.pass(1_000);
      const again = socket.last("attach");
      expect(again?.channels).toEqual([
        { channel: "a", from: { epoch: 1, serial: 1, log: 1, run: "r1" } },
      ]);
      // Frames of the attachment before mean nothing until the answer.
      socket.say(changes("a", [2, 2, 0, "i", 2, "lie"]), commit(3, ["a", 1, 1, 2]));
      socket.accept({ how: "delta", after: 1 });
      socket.say(changes("a", [2, 2, 0, "i", 2, "two"]), {
        t: "commit",
        at: 4,
        moved: [["a", 1, 1, 2]],
        ready: ["a"],
      });
      await settled();
      expect(values()).toContainEqual([2, "two"]);
      expect(sync.status.channels.get("a")?.state).toBe("live");
    },
  );

  it("in the same way again and again is asked ever later", async () => {
    await live(["a"]);
    const waits: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const before = server.socket.all("attach").length;
      server.socket.say({ t: "commit", at: 2 + turn, moved: [["a", 1, 500, 501]] });
      let waited = 0;
      while (server.socket.all("attach").length === before) {
        await clock.pass(50);
        waited += 50;
      }
      waits.push(waited);
      server.socket.accept({ how: "delta", after: 1 });
      await settled();
    }
    expect(waits.at(-1)).toBeGreaterThan(4_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_050);
  });

  it.each([
    ["no JSON", "{"],
    ["a known field of another type", JSON.stringify({ t: "commit", at: "9", moved: [] })],
    ["a binary message", new ArrayBuffer(4)],
    [
      "a version that was never told",
      JSON.stringify({ ...changes("a", [2, 2, 0, "i", 2, "x"]), schema: 9 }),
    ],
  ])("with %s is left, and the places stay", async (_name, raw) => {
    const sync = await live(["a"]);
    server.socket.raw(raw);
    await settled();
    expect(sync.status.connection).toMatchObject({ state: "waiting" });
    expect(values()).toEqual([[1, "one"]]);
    await clock.pass(1_000);
    expect(server.sockets).toHaveLength(2);
  });

  it("with a frame or a page beyond all bounds is left, and nothing of it is shown", async () => {
    const sync = castOf().sync(store, ["a"]);
    await settled();
    server.socket.welcome();
    await settled();
    server.socket.accept();
    server.socket.say(schema, changes("a", [1, 1, 0, "i", 1, "one"]), {
      ...{ t: "page", channel: "a", epoch: 1, from: 0, to: 1, log: 1 },
    });
    await settled();
    const row = "x".repeat(1024 * 1024);
    const rows = Array.from({ length: 33 }, (_, at) => [at + 2, 1, at, "i", at + 2, row]);
    server.socket.say(changes("a", ...rows));
    await settled();
    expect(sync.status.connection).toMatchObject({
      state: "waiting",
      code: "CLIENT_FRAME_INVALID",
    });
    expect(values()).toEqual([[1, "one"]]);
    await clock.pass(1_000);
    expect(server.sockets).toHaveLength(2);
  });

  it("with frames and fields that nobody knows is understood as far as it goes", async () => {
    await live(["a"]);
    server.socket.say(
      { t: "fanfare", loud: true },
      { ...changes("a", [2, 2, 0, "u", 1, "new"]), extra: 1 },
      {
        t: "commit",
        at: 2,
        moved: [["a", 1, 1, 2]],
        mood: "good",
      },
    );
    await settled();
    expect(values()).toEqual([[1, "new"]]);
  });

  it("about channels that nobody attached changes nothing", async () => {
    await live(["a"]);
    const moved = { ...commit(2, ["z", 1, 0, 1]), ready: ["z"] };
    server.socket.say(changes("z", [1, 2, 0, "i", 9, "x"]), moved);
    await settled();
    expect(values()).toEqual([[1, "one"]]);
  });

  it("never shows half a transaction: what no commit named is forgotten with the session", async () => {
    await live(["a"]);
    server.socket.say(changes("a", [2, 2, 0, "u", 1, "half"]));
    server.socket.shut(1006);
    await clock.pass(1_000);
    expect(values()).toEqual([[1, "one"]]);
  });
});

describe("channels that are refused", () => {
  it("say why and what to do, while the others go on", async () => {
    const sync = castOf().sync(store, ["a", "b"]);
    await settled();
    server.socket.welcome();
    await settled();
    const id = server.socket.last("attach")?.id ?? 0;
    server.socket.say(
      {
        ...{ t: "error", id, code: "AUTH_CHANNEL_FORBIDDEN", message: "not yours" },
        ...{ cure: "Get another token.", channels: ["a"] },
      },
      {
        t: "attached",
        id,
        channels: [
          { channel: "b", epoch: 0, how: "snapshot", after: 0, status: { state: "ready" } },
        ],
      },
      { t: "commit", at: 1, run: "r1", moved: [], ready: ["b"] },
    );
    await sync.ready(["b"]);
    await expect(sync.ready()).rejects.toMatchObject({ code: "CLIENT_REFUSED" });
    expect(sync.status.channels.get("a")).toMatchObject({
      state: "refused",
      trouble: {
        code: "AUTH_CHANNEL_FORBIDDEN",
        message: "not yours",
        cure: "Get another token.",
      },
    });
    sync.attach(["a"]);
    await settled();
    expect(server.socket.last("attach")?.channels).toMatchObject([{ channel: "a" }]);
  });

  it("for a while are tried again after it, and after a new session in any case", async () => {
    const sync = castOf().sync(store, ["a"]);
    await settled();
    server.socket.welcome();
    await settled();
    const { socket } = server;
    socket.say({
      t: "error",
      id: 1,
      code: "BROKER_RATE_LIMITED",
      message: "slower",
      channels: ["a"],
      retryInMs: 5_000,
    });
    await clock.pass(4_900);
    expect(socket.all("attach")).toHaveLength(1);
    await clock.pass(1_000);
    expect(socket.all("attach")).toHaveLength(2);
    socket.say({
      t: "error",
      id: 2,
      code: "AUTH_CHANNEL_FORBIDDEN",
      message: "no",
      channels: ["a"],
    });
    await settled();
    expect(sync.status.channels.get("a")?.state).toBe("refused");
    socket.shut(1001);
    await clock.pass(1_000);
    server.socket.welcome();
    await settled();
    expect(server.socket.all("attach")).toHaveLength(1);
  });

  it("after a renewed token that does not cover them keep their rows", async () => {
    const sync = await live(["a", "b"]);
    server.socket.say({
      t: "error",
      code: "AUTH_CHANNEL_FORBIDDEN",
      message: "no more",
      channels: ["a"],
    });
    await settled();
    expect(sync.status.channels.get("a")).toMatchObject({ state: "refused", ready: true });
    expect(values()).toEqual([[1, "one"]]);
    await sync.ready();
  });
});

describe("what the server says of itself", () => {
  it("shows in the status: copying with progress, stale sources", async () => {
    const sync = await live(["a"]);
    const told: unknown[] = [];
    sync.on("status", (status) => told.push(status.channels.get("a")));
    server.socket.say(
      { t: "status", channel: "a", state: "copying", rowsDone: 10, rowsTotal: 100 },
      { t: "stale", source: "shop", since: 5 },
    );
    await clock.pass(0);
    expect(sync.status.channels.get("a")).toEqual({
      state: "copying",
      ready: true,
      done: 10,
      total: 100,
    });
    expect(sync.status.staleSources).toEqual(new Map([["shop", 5]]));
    server.socket.say(
      { t: "status", channel: "a", state: "ready" },
      { t: "fresh", source: "shop" },
    );
    await clock.pass(0);
    expect(sync.status.channels.get("a")).toEqual({ state: "live", ready: true });
    expect(sync.status.staleSources.size).toBe(0);
    expect(told).toEqual([
      { state: "copying", ready: true, done: 10, total: 100 },
      { state: "live", ready: true },
    ]);
  });

  it("lets a session begin a channel again: what was collected goes, the old content shows until the commit", async () => {
    await live(["a"]);
    const { socket } = server;
    socket.say(changes("a", [2, 2, 0, "i", 2, "dropped"]));
    socket.accept({ how: "snapshot", after: 0 });
    socket.say(changes("a", [4, 3, 0, "i", 3, "three"]));
    await settled();
    expect(values()).toEqual([[1, "one"]]);
    socket.say({ t: "commit", at: 4, moved: [["a", 1, 0, 4]] });
    await settled();
    expect(values()).toEqual([[3, "three"]]);
  });
});

describe("a store that fails", () => {
  it("gets the same units again after a delay, from the places it has", async () => {
    let failures = 0;
    const broken: Store = {
      ...bound(store),
      apply: async (unit) => {
        if (failures > 0) {
          failures -= 1;
          throw new AppError("CLIENT_STORE_FAILED", "disk full");
        }
        return store.apply(unit);
      },
    };
    const sync = await live(["a"], {}, broken);
    failures = 2;
    server.socket.say(changes("a", [2, 2, 0, "u", 1, "two"]), {
      t: "commit",
      at: 2,
      moved: [["a", 1, 1, 2]],
    });
    await settled();
    expect(sync.status.trouble).toMatchObject({
      code: "CLIENT_STORE_FAILED",
      message: "disk full",
    });
    expect(server.socket.last("detach")?.channels).toEqual(["a"]);
    for (let turn = 0; turn < 2; turn += 1) {
      await clock.pass(2_000);
      expect(server.socket.last("attach")?.channels).toMatchObject([{ from: { serial: 1 } }]);
      server.socket.accept({ how: "delta", after: 1 });
      server.socket.say(changes("a", [2, 2, 0, "u", 1, "two"]), {
        t: "commit",
        at: 2,
        moved: [["a", 1, 1, 2]],
        ready: ["a"],
      });
      await settled();
    }
    expect(values()).toEqual([[1, "two"]]);
    expect(sync.status.trouble).toBeUndefined();
  });

  it("lets a channel go in its turn: a unit that waits before it does not bring it back", async () => {
    let go: () => void = () => undefined;
    let isSlow = false;
    const slow: Store = {
      ...bound(store),
      apply: async (unit) => {
        if (isSlow) await new Promise<void>((resolve) => (go = resolve));
        isSlow = false;
        return store.apply(unit);
      },
    };
    const sync = await live(["a", "b", "c"], {}, slow);
    isSlow = true;
    server.socket.say(changes("c", [2, 2, 0, "u", 1, "two"]), commit(2, ["c", 1, 1, 2]));
    await settled();
    const gone = [sync.detach(["a"])];
    server.socket.say(changes("b", [2, 3, 0, "u", 1, "three"]), commit(3, ["b", 1, 1, 2]));
    await settled();
    gone.push(sync.detach(["b"]));
    go();
    await Promise.all(gone);
    // What waited is in the store too: one that left too early would be back.
    await settled();
    expect((await store.open()).map(({ channel }) => channel)).toEqual(["c"]);
  });

  it("for want of room gives up the channels that the app names, and goes on with the others", async () => {
    let isFull = false;
    const narrow: Store = {
      ...bound(store),
      apply: async (unit) => {
        if (isFull) throw new AppError("CLIENT_STORE_FULL", "no room");
        return store.apply(unit);
      },
      detach: async (channels) => {
        isFull = false;
        return store.detach(channels);
      },
    };
    const asked: unknown[] = [];
    const sync = castOf().sync(narrow, ["old", "new"], {
      onFull: (channels) => {
        asked.push(channels.map(({ channel }) => channel));
        return channels.slice(0, 1).map(({ channel }) => channel);
      },
    });
    await settled();
    await welcome(["old", "new"]);
    await sync.live();
    isFull = true;
    const frames = [
      changes("new", [2, 2, 0, "u", 1, "two"]),
      { t: "commit", at: 2, moved: [["new", 1, 1, 2]] },
    ];
    server.socket.say(...frames);
    await settled();
    expect(sync.status.trouble).toMatchObject({ code: "CLIENT_STORE_FULL" });
    await clock.pass(2_000);
    server.socket.accept({ how: "delta", after: 1 });
    server.socket.say(frames[0] ?? {}, { ...frames[1], ready: ["new"] });
    await settled();
    expect(asked).toEqual([["old", "new"]]);
    expect([...sync.status.channels.keys()]).toEqual(["new"]);
    expect(values()).toEqual([[1, "two"]]);
    expect(sync.status.trouble).toBeUndefined();
  });

  it("at the unit that made a channel whole has a channel that loads again, and is not whole yet", async () => {
    let failures = 1;
    const broken: Store = {
      ...bound(store),
      apply: async (unit) => {
        if (failures-- > 0) throw new AppError("CLIENT_STORE_FAILED", "disk full");
        return store.apply(unit);
      },
    };
    const sync = castOf().sync(broken, ["a"]);
    await settled();
    const socket = await welcome(["a"]);
    await clock.pass(2_000);
    socket.accept();
    const page = { t: "page", channel: "a", epoch: 1, from: 0, to: 1, log: 1 };
    socket.say(changes("a", [1, 1, 0, "i", 1, "one"]), page);
    await settled();
    expect(values()).toEqual([[1, "one"]]);
    expect(sync.status.channels.get("a")).toMatchObject({ state: "loading", ready: false });
    expect(await store.open()).toMatchObject([{ channel: "a", ready: false }]);
  });

  it("because another instance has it now ends the sync for good, and says so", async () => {
    const taken: Store = {
      ...bound(store),
      apply: async () => {
        throw new AppError("CLIENT_STORE_TAKEN", "opened again elsewhere", { cure: "let it" });
      },
    };
    const sync = castOf().sync(taken, ["a"]);
    const ready = sync.ready();
    await settled();
    const outcome = expect(ready).rejects.toMatchObject({ code: "CLIENT_STORE_TAKEN" });
    await welcome(["a"]);
    await outcome;
    await clock.pass(60_000);
    expect(server.sockets.flatMap((socket) => socket.all("attach"))).toHaveLength(1);
    expect(sync.status.trouble).toMatchObject({ code: "CLIENT_STORE_TAKEN", cure: "let it" });
  });

  it("because a table does not fit refuses the channels that feed it, and nothing else", async () => {
    let isMended = false;
    const picky: Store = {
      ...bound(store),
      check: async ({ table }) => {
        if (table !== "bad" || isMended) return;
        throw new AppError("CLIENT_TABLE_MISFIT", "no room", { cure: "make room" });
      },
    };
    const sync = await live(["a", "b"], {}, picky);
    const bad = { ...changes("a", [2, 2, 0, "i", 5, "x"]), table: "bad" };
    server.socket.say({ ...schema, table: "bad" }, bad, changes("b", [2, 2, 1, "u", 1, "two"]), {
      t: "commit",
      at: 2,
      moved: [
        ["a", 1, 1, 2],
        ["b", 1, 1, 2],
      ],
    });
    // Already in line behind it: must not move the channel past what was refused.
    server.socket.say(changes("a", [3, 3, 0, "u", 1, "three"]), {
      t: "commit",
      at: 3,
      moved: [["a", 1, 2, 3]],
    });
    await settled();
    expect(sync.status.channels.get("a")).toMatchObject({
      state: "refused",
      trouble: { code: "CLIENT_TABLE_MISFIT", cure: "make room" },
    });
    expect(sync.status.channels.get("b")?.state).toBe("live");
    expect(values()).toEqual([[1, "two"]]);
    expect(server.socket.last("detach")?.channels).toEqual(["a"]);
    isMended = true;
    sync.attach(["a"]);
    await settled();
    expect(server.socket.last("attach")?.channels).toEqual([
      { channel: "a", from: { epoch: 1, serial: 1, log: 1, run: "r1" } },
    ]);
  });

  it("at its opening is opened again", async () => {
    let failures = 1;
    const locked: Store = {
      ...bound(store),
      open: async () => {
        failures -= 1;
        if (failures >= 0) throw new AppError("CLIENT_STORE_FAILED", "locked");
        return store.open();
      },
    };
    const sync = castOf().sync(locked, ["a"]);
    await settled();
    expect(sync.status.trouble?.message).toBe("locked");
    await clock.pass(1_000);
    await welcome(["a"]);
    await sync.ready();
  });
});

describe("the app's listeners", () => {
  it("may throw and change nothing", async () => {
    const sync = castOf().sync(store, ["a"]);
    sync.on("changed", () => {
      throw new Error("app");
    });
    sync.on("status", () => {
      throw new Error("app");
    });
    await settled();
    await welcome(["a"]);
    await clock.pass(0);
    expect(values()).toEqual([[1, "one"]]);
    expect(sync.status.channels.get("a")?.state).toBe("live");
  });
});

describe("units too large for memory", () => {
  it("go aside piece by piece and take effect at their commit", async () => {
    await live(["a"]);
    const big = "x".repeat(900_000);
    for (let id = 2; id < 20; id += 1) {
      server.socket.say(changes("a", [id, 2, id, "i", id, big]));
      await settled();
    }
    expect(values()).toHaveLength(1);
    server.socket.say({ t: "commit", at: 2, moved: [["a", 1, 1, 19]] });
    await settled();
    expect(values()).toHaveLength(19);
  });

  it("that never came to their commit leave nothing behind", async () => {
    await live(["a"]);
    const big = "x".repeat(9_000_000);
    server.socket.say(changes("a", [2, 2, 0, "i", 2, big]));
    await settled();
    server.socket.shut(1006);
    await clock.pass(1_000);
    server.socket.welcome();
    await settled();
    server.socket.accept({ how: "delta", after: 1 });
    server.socket.say(changes("a", [3, 3, 0, "i", 3, "three"]), {
      t: "commit",
      at: 3,
      moved: [["a", 1, 1, 3]],
      ready: ["a"],
    });
    await settled();
    expect(values()).toEqual([
      [1, "one"],
      [3, "three"],
    ]);
  });
});

describe("a store slower than the server", () => {
  const slow = (until: Promise<void>): Store => ({
    ...bound(store),
    apply: async (unit) => {
      if (unit.at > 1) await until;
      return store.apply(unit);
    },
  });
  const flood = (at: number): object[] => [
    changes("a", [at, at, 0, "u", 1, "x".repeat(7_000_000)]),
    { t: "commit", at, moved: [["a", 1, at - 1, at]] },
  ];

  it("stops reading from a socket that can be stopped, and goes on when half is applied", async () => {
    let finish: () => void = () => undefined;
    await live(["a"], {}, slow(new Promise((resolve) => (finish = resolve))));
    const asked: string[] = [];
    Object.assign(server.socket, {
      pause: () => asked.push("pause"),
      resume: () => asked.push("resume"),
    });
    for (const at of [2, 3, 4]) server.socket.say(...flood(at));
    await settled();
    expect(asked).toEqual(["pause"]);
    await clock.pass(60_000);
    expect(server.sockets).toHaveLength(1);
    finish();
    await settled();
    expect(asked).toEqual(["pause", "resume"]);
  });

  it("gives up a socket that cannot be stopped, and comes back when all is applied", async () => {
    let finish: () => void = () => undefined;
    const sync = await live(["a"], {}, slow(new Promise((resolve) => (finish = resolve))));
    for (const at of [2, 3, 4, 5, 6]) server.socket.say(...flood(at));
    await settled();
    expect(sync.status.connection).toMatchObject({ state: "waiting", code: "CLIENT_QUEUE_FULL" });
    await clock.pass(1_000);
    server.socket.welcome();
    await settled();
    expect(server.socket.all("attach")).toHaveLength(0);
    finish();
    await settled();
    expect(server.socket.last("attach")?.channels).toMatchObject([{ from: { serial: 6 } }]);
  });
});

/** The store's methods as plain functions, so that single ones can be replaced. */
function bound(of: MemoryStore): Store {
  return {
    open: () => of.open(),
    check: (schema_) => of.check(schema_),
    apply: (unit) => of.apply(unit),
    stage: (batches) => of.stage(batches),
    unstage: (channels) => of.unstage(channels),
    detach: (channels) => of.detach(channels),
    watch: (tables, listener) => of.watch(tables, listener),
    close: () => of.close(),
  };
}
