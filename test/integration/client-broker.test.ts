/**
 * Goal: a store follows a real broker over real sockets, whatever happens between. Method: the broker reads a
 * scripted journal, every test runs for each kind of store, and ends by comparing the store with the journal.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Gap } from "../../src/client/feed-sink.js";
import type { StoreChanges } from "../../src/client/stores/store.js";
import { subscribe } from "../../src/client/subscription.js";
import {
  channelIs,
  ClientWorld,
  holds,
  put,
  storeKinds,
  type WorldStore,
} from "../support/client-world.js";
import { eventually } from "../support/broker-world.js";

let world: ClientWorld;

beforeEach(async () => {
  world = await new ClientWorld().open();
});

afterEach(async () => {
  await world.close();
});

describe.each(storeKinds)("a sync with a %s store", (_kind, create) => {
  let store: WorldStore;

  beforeEach(async () => {
    store = await world.store(create);
  });

  const many = (channel: string, count: number): Record<number, string> => {
    const rows: Record<number, string> = {};
    for (let key = 1; key <= count; key += 100) {
      const writes = Array.from({ length: Math.min(100, count - key + 1) }, (_, index) =>
        put(channel, key + index, `${"x".repeat(300)} ${key + index}`),
      );
      for (const { key: id, value } of writes) rows[id ?? 0] = value ?? "";
      world.reader.append(writes);
    }
    return rows;
  };

  it("loads a channel page by page and then follows it", async () => {
    const rows = many("store:1", 2_500);
    const sync = world.cast().sync(store.store, ["store:1"]);
    const changes: StoreChanges[] = [];
    sync.on("changed", (change) => changes.push(change));
    await sync.ready();
    expect(await store.rows()).toEqual(rows);
    expect(changes.length).toBeGreaterThan(1);
    world.reader.append([put("store:1", 1, "live"), { channel: "store:1", op: "d", key: 2 }]);
    delete rows[2];
    await holds(store, { ...rows, 1: "live" });
    expect(sync.status.channels.get("store:1")).toEqual({ state: "live", ready: true });
    expect(changes.at(-1)?.get("rows")).toMatchObject({ inserted: 1, deleted: 1 });
  });

  it("is ready for a channel that never had an entry, and follows it from its birth", async () => {
    const sync = world.cast().sync(store.store, ["store:1"]);
    await sync.ready();
    world.reader.append([put("store:1", 1)]);
    await holds(store, { 1: "v1" });
  });

  it("resumes after a cut with what it missed, newest per row", async () => {
    world.reader.append([put("store:1", 1), put("store:1", 2)]);
    const sync = world.cast().sync(store.store, ["store:1"]);
    await sync.live();
    world.network.cut();
    await channelIs(sync, "store:1", "waiting");
    for (let turn = 0; turn < 10; turn += 1)
      world.reader.append([put("store:1", 1, `turn ${turn}`)]);
    world.reader.append([{ channel: "store:1", op: "d", key: 2 }, put("store:1", 3)]);
    expect(sync.status.channels.get("store:1")).toMatchObject({ ready: true, state: "waiting" });
    expect(sync.status.channels.get("store:1")?.staleSince).toBeGreaterThan(0);
    world.network.mend();
    await sync.live();
    await holds(store, { 1: "turn 9", 3: "v3" });
  });

  it("goes on loading after a cut where it stopped", async () => {
    const rows = many("store:1", 3_000);
    const { reader } = world;
    // The third page waits for the cut, so that loading is not over before it.
    let goOn: () => void = () => undefined;
    const isCut = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const read = reader.read.bind(reader);
    reader.read = async (requests, bytesMax) => {
      if (reader.reads >= 2) await isCut;
      return read(requests, bytesMax);
    };
    const sync = world.cast().sync(store.store, ["store:1"]);
    await eventually(() => (sync.status.channels.get("store:1")?.done ?? 0) > 0);
    world.network.cut();
    goOn();
    await channelIs(sync, "store:1", "waiting");
    const before = Object.keys(await store.rows()).length;
    expect(before).toBeGreaterThan(0);
    world.network.mend();
    await sync.ready();
    expect(await store.rows()).toEqual(rows);
  });

  it("comes back in a new process at the place it had, with nothing sent twice", async () => {
    world.reader.append([put("store:1", 1)]);
    const first = world.cast();
    await first.sync(store.store, ["store:1"]).live();
    await first.close();
    world.reader.append([put("store:1", 2)]);
    const again = store.again();
    const sync = world.cast().sync(again, ["store:1"]);
    const changes: StoreChanges[] = [];
    sync.on("changed", (change) => changes.push(change));
    await sync.live();
    await holds(store, { 1: "v1", 2: "v2" });
    expect(changes).toHaveLength(1);
    expect(changes[0]?.get("rows")?.keys).toEqual([[2]]);
  });

  it("is ready at once, offline, with what it has", async () => {
    world.reader.append([put("store:1", 1)]);
    const first = world.cast();
    await first.sync(store.store, ["store:1"]).live();
    await first.close();
    world.network.cut();
    const sync = world.cast().sync(store.again(), ["store:1"]);
    await sync.ready();
    expect(await store.rows()).toEqual({ 1: "v1" });
  });

  it("keeps a row that moves between two attached channels, and drops one that leaves both", async () => {
    world.reader.append([put("store:1", 1), put("store:1", 2), put("store:2", 3)]);
    const sync = world.cast().sync(store.store, ["store:1", "store:2"]);
    await sync.live();
    const seen: number[] = [];
    store.store.watch("rows", (changes) => seen.push(changes.get("rows")?.deleted ?? 0));
    world.reader.append([{ channel: "store:1", op: "m", key: 1 }, put("store:2", 1, "moved")]);
    await holds(store, { 1: "moved", 2: "v2", 3: "v3" });
    world.reader.append([{ channel: "store:1", op: "m", key: 2 }, put("store:9", 2)]);
    await holds(store, { 1: "moved", 3: "v3" });
    expect(seen).toEqual([0, 1]);
  });

  it("replaces a channel whole when its place no longer counts", async () => {
    world.reader.append([put("store:1", 1), put("store:1", 2), put("store:2", 9)]);
    const sync = world.cast().sync(store.store, ["store:1", "store:2"]);
    await sync.live();
    world.network.cut();
    await channelIs(sync, "store:1", "waiting");
    world.reader.append([{ channel: "store:1", op: "d", key: 1 }, put("store:1", 3)]);
    world.reader.raiseFloor("store:1", 4);
    world.network.mend();
    await sync.live();
    await holds(store, { 2: "v2", 3: "v3", 9: "v9" });
  });

  it("removes the rows of a detached channel and can attach it again", async () => {
    world.reader.append([put("store:1", 1), put("store:2", 2)]);
    const sync = world.cast().sync(store.store, ["store:1", "store:2"]);
    await sync.live();
    await sync.detach(["store:1"]);
    expect(await store.rows()).toEqual({ 2: "v2" });
    world.reader.append([put("store:1", 4), put("store:2", 5)]);
    await holds(store, { 2: "v2", 5: "v5" });
    sync.attach(["store:1"]);
    await sync.live();
    await holds(store, { 1: "v1", 2: "v2", 4: "v4", 5: "v5" });
  });

  it("holds just the channels of its list when it starts", async () => {
    world.reader.append([put("store:1", 1), put("store:2", 2)]);
    const first = world.cast();
    await first.sync(store.store, ["store:1", "store:2"]).live();
    await first.close();
    const second = world.cast();
    await second.sync(store.again(), ["store:2"]).live();
    expect(await store.rows()).toEqual({ 2: "v2" });
  });

  it("keeps events with serial and op, and tells of gaps", async () => {
    world.reader.append([
      { channel: "events:1", op: "i", key: 1, value: "a", table: "happened" },
      { channel: "events:1", op: "i", key: 2, value: "b", table: "happened" },
    ]);
    const sync = world.cast().sync(store.store, ["events:1"]);
    const gaps: Gap[] = [];
    sync.on("gap", (gap) => gaps.push(gap));
    await sync.live();
    world.reader.append([{ channel: "events:1", op: "g", table: "happened" }]);
    await eventually(() => gaps.length === 1);
    expect(gaps).toEqual([{ channel: "events:1", from: 3, to: 3 }]);
    world.network.cut();
    await channelIs(sync, "events:1", "waiting");
    for (let key = 3; key < 8; key += 1) {
      world.reader.append([{ channel: "events:1", op: "i", key, value: "c", table: "happened" }]);
    }
    world.reader.raiseFloor("events:1", 6);
    world.network.mend();
    await sync.live();
    expect(gaps[1]).toEqual({ channel: "events:1", from: 3, to: 6 });
  });

  it("resolves `until` when the position's changes are in the store", async () => {
    world.reader.append([put("store:1", 1)]);
    const sync = world.cast().sync(store.store, ["store:1"]);
    const reached = sync.until("shop", "50");
    await sync.live();
    world.reader.append([put("store:1", 2)]);
    world.reader.source("shop", "50".padStart(10, "0"), { provenAt: 1 });
    await reached;
    expect(await store.rows()).toEqual({ 1: "v1", 2: "v2" });
    await expect(sync.until("nowhere", "50")).rejects.toMatchObject({
      code: "CLIENT_REQUEST_REFUSED",
    });
    await expect(sync.until("shop", "99", { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  });

  it("brings a wide transaction to a ready channel whole", async () => {
    const sync = world.cast().sync(store.store, ["store:1"]);
    await sync.live();
    const seen: number[] = [];
    store.store.watch("rows", (changes) => seen.push(changes.get("rows")?.inserted ?? 0));
    const rows: Record<number, string> = {};
    const writes = Array.from({ length: 3_000 }, (_, key) =>
      put("store:1", key, "y".repeat(4_000)),
    );
    for (const { key, value } of writes) rows[key ?? 0] = value ?? "";
    world.reader.append(writes);
    await holds(store, rows);
    expect(seen).toEqual([3_000]);
  });
});

describe("two readers of one cast", () => {
  it("share a connection, each with channels of its own", async () => {
    const [, create] = storeKinds[0] ?? [];
    if (create === undefined) throw new Error("no store");
    const store = await world.store(create);
    world.reader.append([put("store:1", 1), put("store:2", 2)]);
    const cast = world.cast();
    const sync = cast.sync(store.store, ["store:1"]);
    const units: unknown[] = [];
    const subscription = subscribe(cast, ["store:2"], (unit) => {
      units.push(...unit.entries.map(({ op, values }) => [op, values]));
    });
    await Promise.all([sync.live(), subscription.ready()]);
    expect(() => subscribe(cast, ["store:1"], () => undefined)).toThrow(/follows it already/);
    world.reader.append([put("store:1", 3), put("store:2", 4)]);
    await holds(store, { 1: "v1", 3: "v3" });
    await eventually(() => units.length === 2);
    expect(units).toEqual([
      ["i", { id: 2, value: "v2" }],
      ["i", { id: 4, value: "v4" }],
    ]);
    expect(world.network.accepted).toBe(1);
    await subscription.stop();
    await sync.stop();
    expect(cast.status).toEqual({ state: "idle" });
  });
});
