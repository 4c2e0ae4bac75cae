/**
 * Goal: what happens around the rows on a real broker: tokens, other journals, schemas, dead networks, servers
 * that leave, places of two processes. Method: real sockets, a scripted journal, a proxy that can fail.
 */
import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import { eventually } from "../support/broker-world.js";
import {
  channelIs,
  ClientWorld,
  holds,
  put,
  rowsSchema,
  storeKinds,
} from "../support/client-world.js";

const worlds: ClientWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function open(...options: ConstructorParameters<typeof ClientWorld>): Promise<ClientWorld> {
  const world = new ClientWorld(...options);
  worlds.push(world);
  return world.open();
}

const secret = "a secret of at least thirty-two bytes";

function jwt(channels: string[], seconds: number): Promise<string> {
  return new SignJWT({ channels })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(secret));
}

describe("tokens", () => {
  it("are renewed in band: the session outlives its first token", async () => {
    const world = await open({ auth: { jwt: { secret } } });
    const expiries: number[] = [];
    const token = (): Promise<string> => {
      expiries.push(Date.now() + 4_000);
      return jwt(["store:*"], 4);
    };
    const store = memoryStore();
    const sync = world.cast({ token }).sync(store, ["store:1"]);
    await sync.live();
    await eventually(() => expiries.length >= 3, 12_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    world.reader.append([put("store:1", 1)]);
    await eventually(() => store.rows("rows").length === 1);
    expect(world.network.accepted).toBe(1);
  });

  it("that are not trusted refuse the connection, and others the channels they do not cover", async () => {
    const world = await open({ auth: { keys: [{ key: "k".repeat(20), channels: ["store:1"] }] } });
    const stranger = world.cast({ token: "nobody" });
    const refused = stranger.sync(memoryStore(), ["store:1"]);
    await expect(refused.ready()).rejects.toMatchObject({ code: "CLIENT_REFUSED" });
    expect(stranger.status).toMatchObject({ state: "refused", code: "AUTH_TOKEN_INVALID" });
    const sync = world.cast({ token: "k".repeat(20) }).sync(memoryStore(), ["store:1", "store:2"]);
    await sync.live(["store:1"]);
    await eventually(() => sync.status.channels.get("store:2")?.state === "refused");
    expect(sync.status.channels.get("store:2")?.trouble).toMatchObject({
      code: "AUTH_CHANNEL_FORBIDDEN",
    });
  });
});

describe.each(storeKinds)("a %s store", (_kind, create) => {
  it("follows another journal with a snapshot, and a new run of its own with nothing", async () => {
    const first = await open();
    const store = await first.store(create);
    first.reader.append([put("store:1", 1), put("store:1", 2)]);
    first.reader.newRun("elsewhere");
    first.reader.append([put("store:1", 3)]);
    const cast = first.cast();
    await cast.sync(store.store, ["store:1"]).live();
    first.reader.newRun("elsewhere-2");
    first.reader.append([put("store:1", 4)]);
    await holds(store, { 1: "v1", 2: "v2", 3: "v3", 4: "v4" });
    await cast.close();

    const second = await open();
    second.reader.append([put("store:1", 2, "restored"), put("store:1", 5)]);
    const sync = second.cast().sync(store.again(), ["store:1"]);
    await sync.live();
    await holds(store, { 2: "restored", 5: "v5" });
    second.reader.append([put("store:1", 2, "goes on")]);
    await holds(store, { 2: "goes on", 5: "v5" });
  });

  it("takes a new column in the commit that brings it", async () => {
    const world = await open();
    const store = await world.store(create);
    world.reader.schema = async (table, version) => ({
      ...rowsSchema,
      table,
      version,
      columns: [
        { name: "id", type: "int" },
        ...(version === 2 ? [{ name: "more", type: "text" as const }] : []),
        { name: "value", type: "text" },
      ],
    });
    world.reader.append([put("store:1", 1), put("store:1", 2)]);
    const sync = world.cast().sync(store.store, ["store:1"]);
    await sync.live();
    world.reader.append([{ ...put("store:1", 3, "m"), schema: 2 }]);
    // The scripted body holds two values: the third column of version 2 is missing, and so null.
    await eventually(() => sync.status.channels.get("store:1")?.state === "live");
    await holds(store, { 1: "v1", 2: "v2", 3: null });
  });
});

describe("dead networks", () => {
  it("are found out by silence, and nothing is lost when they come back", async () => {
    const world = await open({ limits: { heartbeatMs: 150 } });
    const store = memoryStore();
    world.reader.append([put("store:1", 1)]);
    const sync = world.cast().sync(store, ["store:1"]);
    await sync.live();
    world.network.freeze();
    world.reader.append([put("store:1", 2)]);
    await eventually(() => sync.status.connection.state !== "live");
    await channelIs(sync, "store:1", "waiting");
    world.network.mend();
    await sync.live();
    await eventually(() => store.rows("rows").length === 2);
  });

  it("and a server that leaves on purpose cost nothing but time", async () => {
    const world = await open({ limits: { drainMs: 300 } });
    const store = memoryStore();
    const sync = world.cast().sync(store, ["store:1"]);
    await sync.live();
    await world.broker.stop();
    await eventually(() => sync.status.connection.state === "waiting");
    expect(sync.status.channels.get("store:1")).toMatchObject({ state: "waiting", ready: true });
  });
});

describe("the example of the README", () => {
  it("is ten lines that follow a channel into SQLite", async () => {
    const world = await open();
    const [, create] = storeKinds[1] ?? [];
    if (create === undefined) throw new Error("no store");
    const store = await world.store(create);
    world.reader.append([put("store:1", 1)]);
    const sync = world.cast().sync(store.store, ["store:1"]);
    await sync.ready();
    const changed = new Promise((resolve) => sync.on("changed", resolve));
    world.reader.append([put("store:1", 2)]);
    expect(await changed).toEqual(
      new Map([["rows", { inserted: 1, updated: 0, deleted: 0, keys: [[2]] }]]),
    );
    await holds(store, { 1: "v1", 2: "v2" });
  });
});
