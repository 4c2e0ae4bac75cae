/**
 * Goal: a handler gets whole units in order, with the places to keep, one at a time, however slow or broken
 * it is; history comes as entries. Method: the server is the test, time is virtual.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Cast, changecast } from "../../../src/client/client.js";
import { history } from "../../../src/client/history.js";
import {
  type SubscribeChoice,
  subscribe,
  type Subscription,
  type Unit,
} from "../../../src/client/subscription.js";
import { ScriptedServer } from "../../support/scripted-server.js";
import { settled, VirtualClock } from "../../support/virtual-clock.js";

let clock: VirtualClock;
let server: ScriptedServer;
let cast: Cast;

beforeEach(() => {
  clock = new VirtualClock();
  server = new ScriptedServer();
  cast = changecast({
    url: "ws://test",
    WebSocket: server.WebSocket,
    clock,
    random: { next: () => 0.5 },
  });
});

afterEach(async () => {
  await cast.close();
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

async function subscribed(
  channels: SubscribeChoice[],
  handler: (unit: Unit) => void | Promise<void>,
  unitBytesMax?: number,
): Promise<Subscription> {
  const options = unitBytesMax === undefined ? {} : { unitBytesMax };
  const subscription = subscribe(cast, channels, handler, options);
  await settled();
  server.socket.welcome();
  await settled();
  return subscription;
}

const place = { epoch: 1, serial: 1, log: 1, run: "r0" };
const heldBoth: SubscribeChoice[] = [
  { channel: "a", place, ready: true },
  { channel: "b", place, ready: true },
];

describe("a subscription", () => {
  it("hands over the entries of all channels of a commit in (log, index) order, with places", async () => {
    const units: Unit[] = [];
    await subscribed(heldBoth, (unit) => void units.push(unit));
    expect(server.socket.last("attach")?.channels).toEqual([
      { channel: "a", from: place },
      { channel: "b", from: place },
    ]);
    server.socket.accept({ how: "delta", after: 1 });
    server.socket.say(
      schema,
      changes("b", [2, 2, 0, "i", 5, "in b"], [3, 4, 0, "m", 5]),
      changes("a", [2, 3, 0, "u", 1, "x"], [3, 4, 1, "i", 5, "in a"], [4, 5, 0, "t"]),
      {
        t: "commit",
        at: 6,
        run: "r1",
        moved: [
          ["a", 1, 1, 4],
          ["b", 1, 1, 3],
        ],
        ready: ["a", "b"],
      },
    );
    await settled();
    expect(units).toHaveLength(1);
    const [unit] = units;
    expect(
      unit?.entries.map(({ channel, op, log, index, values }) => [channel, op, log, index, values]),
    ).toEqual([
      ["b", "i", 2, 0, { id: 5, value: "in b" }],
      ["a", "u", 3, 0, { id: 1, value: "x" }],
      ["b", "m", 4, 0, { id: 5 }],
      ["a", "i", 4, 1, { id: 5, value: "in a" }],
      ["a", "t", 5, 0, {}],
    ]);
    expect(unit).toMatchObject({ kind: "commit", at: 6, replaced: [] });
    expect(unit?.places.get("a")).toEqual({
      place: { epoch: 1, serial: 4, log: 6, run: "r1" },
      ready: true,
    });
  });

  it("hands over first content page by page, and says when it is whole", async () => {
    const units: Unit[] = [];
    const subscription = await subscribed(["a"], (unit) => void units.push(unit));
    server.socket.accept();
    server.socket.say(schema, changes("a", [1, 1, 0, "i", 1, "x"]), {
      t: "page",
      channel: "a",
      epoch: 1,
      from: 0,
      to: 1,
      log: 2,
    });
    server.socket.say({ t: "commit", at: 3, run: "r1", moved: [], ready: ["a"] });
    await subscription.ready();
    expect(units.map(({ kind, at, places }) => [kind, at, places.get("a")?.ready])).toEqual([
      ["page", 2, false],
      ["commit", 3, true],
    ]);
  });

  it("names channels whose content is replaced", async () => {
    const units: Unit[] = [];
    await subscribed(heldBoth, (unit) => void units.push(unit));
    server.socket.accept();
    server.socket.say({
      t: "commit",
      at: 9,
      run: "r1",
      moved: [
        ["a", 1, 0, 0],
        ["b", 1, 0, 0],
      ],
      ready: ["a", "b"],
    });
    await settled();
    expect(units[0]?.replaced).toEqual(["a", "b"]);
  });

  it("waits for a slow handler, and hands over together what came meanwhile", async () => {
    const begun: [number, ...number[]][] = [];
    let finish: () => void = () => undefined;
    await subscribed(heldBoth, (unit) => {
      begun.push([unit.at, ...unit.entries.map(({ serial }) => serial)]);
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    server.socket.accept({ how: "resumed", after: 1 });
    for (const at of [2, 3, 4]) {
      server.socket.say(schema, changes("a", [at, at, 0, "u", 1, "x"]), {
        t: "commit",
        at,
        moved: [["a", 1, at - 1, at]],
        ready: ["a", "b"],
      });
      await settled();
    }
    expect(begun).toEqual([[2, 2]]);
    finish();
    await settled();
    expect(begun).toEqual([
      [2, 2],
      [4, 3, 4],
    ]);
    finish();
  });

  it("hands a unit over again after its handler failed, from the place before it", async () => {
    let failures = 1;
    const taken: number[] = [];
    const subscription = await subscribed(heldBoth, async (unit) => {
      failures -= 1;
      if (failures >= 0) throw new Error("not now");
      taken.push(unit.at);
    });
    const say = (): void => {
      server.socket.accept({ how: "delta", after: 1 });
      server.socket.say(schema, changes("a", [2, 2, 0, "u", 1, "x"]), {
        t: "commit",
        at: 2,
        run: "r1",
        moved: [["a", 1, 1, 2]],
        ready: ["a", "b"],
      });
    };
    say();
    await settled();
    expect(subscription.status.trouble).toMatchObject({ code: "CLIENT_HANDLER_FAILED" });
    await clock.pass(1_000);
    expect(server.socket.last("attach")?.channels).toMatchObject([
      { from: place },
      { from: place },
    ]);
    say();
    await settled();
    expect(taken).toEqual([2]);
  });

  it("goes on page by page where a unit is too large for it", async () => {
    const units: Unit[] = [];
    await subscribed(heldBoth, (unit) => void units.push(unit), 100_000);
    server.socket.accept({ how: "delta", after: 1 });
    server.socket.say(schema, changes("a", [2, 2, 0, "u", 1, "x".repeat(200_000)]));
    await settled();
    expect(server.socket.last("attach")?.channels).toEqual([
      { channel: "a", from: place, loading: true },
    ]);
    server.socket.accept({ how: "delta", after: 1 });
    server.socket.say(changes("a", [2, 2, 0, "u", 1, "x".repeat(200_000)]), {
      t: "page",
      channel: "a",
      epoch: 1,
      from: 1,
      to: 2,
      log: 2,
    });
    server.socket.say({ t: "commit", at: 3, moved: [], ready: ["a", "b"] });
    await settled();
    expect(
      units.map(({ kind, entries, places }) => [kind, entries.length, places.get("a")?.ready]),
    ).toEqual([
      ["page", 1, false],
      ["commit", 0, true],
    ]);
  });

  it("tells of gaps of events, and stops when it is told", async () => {
    const gaps: unknown[] = [];
    let count = 0;
    const subscription = await subscribed(
      [{ channel: "a", place, ready: true }],
      () => void (count += 1),
    );
    subscription.on("gap", (gap) => gaps.push(gap));
    server.socket.accept({ how: "gap", after: 7 });
    server.socket.say({ t: "commit", at: 9, run: "r1", moved: [], ready: ["a"] });
    await settled();
    expect(gaps).toEqual([{ channel: "a", from: 1, to: 7 }]);
    await subscription.stop();
    const before = count;
    server.socket.say(schema, changes("a", [8, 10, 0, "u", 1, "x"]), {
      t: "commit",
      at: 10,
      moved: [["a", 1, 7, 8]],
    });
    await settled();
    expect(count).toBe(before);
  });
});

describe("history", () => {
  const page = { t: "historyPage", channel: "log", epoch: 1, floor: 2, head: 9, more: true };

  it("comes as entries, and is asked for again after a cut", async () => {
    const answer = history(cast, "log", { before: 9, limit: 2 });
    await settled();
    server.socket.welcome();
    await settled();
    expect(server.socket.last("history")).toEqual({
      t: "history",
      id: 1,
      channel: "log",
      before: 9,
      limit: 2,
    });
    server.socket.shut(1006);
    await clock.pass(1_000);
    server.socket.welcome();
    await settled();
    const groups = [
      {
        table: "rows",
        schema: 1,
        base: 5,
        entries: [
          [7, 0, 0, "i", 1, "x"],
          [8, 1, 0, "d", 1],
        ],
      },
    ];
    server.socket.say(schema, { ...page, id: 1, groups });
    expect(await answer).toMatchObject({
      floor: 2,
      head: 9,
      more: true,
      entries: [
        { serial: 7, log: 5, op: "i", values: { id: 1, value: "x" } },
        { serial: 8, log: 6, op: "d", values: { id: 1 } },
      ],
    });
    await settled();
    expect(cast.status).toEqual({ state: "idle" });
  });

  it.each([
    ["a floor in text", { floor: "2", groups: [] }],
    [
      "an entry without op",
      { groups: [{ table: "rows", schema: 1, base: 5, entries: [[7, 0, 0]] }] },
    ],
    ["no groups", {}],
  ])("that is malformed (%s) is not taken", async (_name, fields) => {
    const answer = history(cast, "log", { limit: 2 });
    await settled();
    server.socket.welcome();
    await settled();
    server.socket.say({ ...page, id: 1, ...fields });
    await expect(answer).rejects.toMatchObject({ code: "CLIENT_FRAME_INVALID" });
  });

  it("is refused, given up, or ended with the cast", async () => {
    const refused = history(cast, "log", { limit: 2 });
    await settled();
    server.socket.welcome();
    await settled();
    server.socket.say({
      t: "error",
      id: 1,
      code: "BROKER_CHANNEL_KIND",
      message: "a state channel",
    });
    await expect(refused).rejects.toMatchObject({ code: "CLIENT_REQUEST_REFUSED" });
    const end = new AbortController();
    const given = history(cast, "log", { limit: 2, signal: end.signal });
    end.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    const left = history(cast, "log", { limit: 2 });
    const outcome = expect(left).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
    await cast.close();
    await outcome;
    await expect(history(cast, "log", { limit: 2 })).rejects.toMatchObject({
      code: "CLIENT_CLOSED",
    });
  });
});
