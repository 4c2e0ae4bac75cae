/** Who is let in, to which channels and for how long, over real sockets with real JWTs. */
import { SignJWT } from "jose";
import { WebSocket } from "ws";
import { afterEach, describe, expect, test } from "vitest";
import { createBroker } from "../../src/broker/broker.js";
import { SUBPROTOCOL } from "../../src/protocol/frames.js";
import { BrokerWorld } from "../support/broker-world.js";
import { ScriptedReader } from "../support/scripted-reader.js";

let world: BrokerWorld;

afterEach(async () => {
  await world.close();
});

const secret = "a secret of thirty-two bytes, and more";
const auth = {
  keys: [{ key: "key-of-the-first-shop", channels: ["store:1", "events:*"] }],
  jwt: { secret, issuer: "shop", audience: "changecast" },
};

interface Claims {
  channels?: unknown;
  expiresInS?: number;
  issuer?: string;
  secret?: string;
}

async function sign(claims: Claims): Promise<string> {
  const { channels = ["store:*"], expiresInS = 60, issuer = "shop" } = claims;
  return new SignJWT({ channels })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer(issuer)
    .setAudience("changecast")
    .setSubject("ann")
    .setExpirationTime(Math.floor(Date.now() / 1_000) + expiresInS)
    .sign(new TextEncoder().encode(claims.secret ?? secret));
}

async function refusal(token: string | undefined): Promise<unknown> {
  const client = await world.connect();
  client.say({ t: "hello", v: 1, ...(token === undefined ? {} : { token }) });
  const { code, reason } = await client.closed;
  expect(client.find("welcome")).toHaveLength(0);
  expect(client.find("error")).toHaveLength(1);
  return [code, (JSON.parse(reason) as { code: string }).code];
}

describe("hello", () => {
  test("is let in with a key or a token, and no other way", async () => {
    world = new BrokerWorld({ auth });
    const byKey = await world.join("key-of-the-first-shop");
    expect(byKey.find("welcome")[0]?.expiresAt).toBeUndefined();
    const byToken = await world.join(await sign({}));
    expect(byToken.find("welcome")[0]?.expiresAt).toBeGreaterThan(Date.now());
    expect(await refusal(undefined)).toEqual([4501, "AUTH_REQUIRED"]);
    expect(await refusal("key-of-the-first-shop!")).toEqual([4501, "AUTH_TOKEN_INVALID"]);
  });

  test.each([
    [
      "another secret",
      { secret: "another secret of thirty-two bytes" },
      4501,
      "AUTH_TOKEN_INVALID",
    ],
    ["another issuer", { issuer: "mill" }, 4501, "AUTH_TOKEN_INVALID"],
    ["no patterns", { channels: "store:1" }, 4501, "AUTH_TOKEN_INVALID"],
    ["a malformed pattern", { channels: ["a b"] }, 4501, "AUTH_TOKEN_INVALID"],
    ["no channel at all", { channels: [] }, 4502, "AUTH_CHANNEL_FORBIDDEN"],
    ["a past end", { expiresInS: -60 }, 4005, "AUTH_TOKEN_EXPIRED"],
  ])("with a token of %s is refused", async (_name, claims, close, code) => {
    world = new BrokerWorld({ auth });
    expect(await refusal(await sign(claims))).toEqual([close, code]);
  });

  test("with a token that is unsigned, signed otherwise or without end is refused", async () => {
    world = new BrokerWorld({ auth });
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = part({ channels: ["*"], iss: "shop", aud: "changecast", exp: 9_999_999_999 });
    const unsigned = `${part({ alg: "none" })}.${claims}.`;
    expect(await refusal(unsigned)).toEqual([4501, "AUTH_TOKEN_INVALID"]);
    const endless = await new SignJWT({ channels: ["*"] })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer("shop")
      .setAudience("changecast")
      .sign(new TextEncoder().encode(secret));
    expect(await refusal(endless)).toEqual([4501, "AUTH_TOKEN_INVALID"]);
    const stronger = await new SignJWT({ channels: ["*"] })
      .setProtectedHeader({ alg: "HS512" })
      .setIssuer("shop")
      .setAudience("changecast")
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode(secret));
    expect(await refusal(stronger)).toEqual([4501, "AUTH_TOKEN_INVALID"]);
  });

  test("may be followed by attach in the same message", async () => {
    world = new BrokerWorld({ auth });
    world.reader.append([{ channel: "store:1", op: "i", key: 1, value: "v" }]);
    const client = await world.connect();
    const token = await sign({});
    const attach = { t: "attach" as const, id: 1, channels: [] as never[] };
    client.channels.clear();
    client.socket.send(
      `${JSON.stringify({ t: "hello", v: 1, token })}\n${JSON.stringify({
        ...attach,
        channels: [{ channel: "store:1", from: "start" }],
      })}`,
    );
    await client.until(() => client.find("commit").length === 1);
    expect(client.frames[0]?.t).toBe("welcome");
  });
});

describe("an open session", () => {
  test("attaches what its patterns cover, and is told of the rest", async () => {
    world = new BrokerWorld({ auth });
    world.reader.append([{ channel: "store:1", op: "i", key: 1, value: "v" }]);
    const client = await world.join("key-of-the-first-shop");
    const id = client.attach([
      { channel: "store:1", from: "start" },
      { channel: "store:2", from: "start" },
      { channel: "secret", from: "start" },
    ]);
    await client.ready("store:1");
    expect(client.find("error")).toMatchObject([
      { id, code: "AUTH_CHANNEL_FORBIDDEN", channels: ["store:2", "secret"] },
    ]);
    client.say({ t: "history", id: 9, channel: "secret", limit: 1 });
    await client.until(() => client.find("error").length === 2);
    expect(client.find("error")[1]).toMatchObject({ id: 9, code: "AUTH_CHANNEL_FORBIDDEN" });
  });

  test("ends with its token, unless it is renewed in time", async () => {
    world = new BrokerWorld({ auth, limits: { heartbeatMs: 400 } });
    const [ends, stays] = [
      await world.join(await sign({ expiresInS: 2 })),
      await world.join(await sign({ expiresInS: 2 })),
    ];
    stays.say({ t: "token", token: await sign({ expiresInS: 60 }) });
    await stays.until(() => stays.find("renewed").length === 1);
    const { code, reason } = await ends.closed;
    expect(code).toBe(4005);
    expect(reason).toContain("AUTH_TOKEN_EXPIRED");
    expect(stays.socket.readyState).toBe(WebSocket.OPEN);
    stays.say({ t: "ping" });
    await stays.until(() => stays.find("pong").length === 1);
  });

  test("loses the channels that a new token does not cover, and gets nothing more of them", async () => {
    world = new BrokerWorld({ auth });
    const { reader } = world;
    reader.append([
      { channel: "store:1", op: "i", key: 1, value: "v" },
      { channel: "store:2", op: "i", key: 1, value: "v" },
    ]);
    const client = await world.join(await sign({ channels: ["store:*"] }));
    client.attach([
      { channel: "store:1", from: "start" },
      { channel: "store:2", from: "start" },
    ]);
    await client.ready("store:1", "store:2");
    client.say({ t: "token", token: await sign({ channels: ["store:2"] }) });
    await client.until(() => client.find("error").length === 1);
    expect(client.find("error")[0]).toMatchObject({
      code: "AUTH_CHANNEL_FORBIDDEN",
      channels: ["store:1"],
    });
    const log = reader.append([
      { channel: "store:1", op: "i", key: 2, value: "v" },
      { channel: "store:2", op: "i", key: 2, value: "v" },
    ]);
    await client.until(() => client.at === log);
    const last = client.find("changes").slice(-1);
    expect(last.map(({ channel }) => channel)).toEqual(["store:2"]);
    client.say({ t: "token", token: "nonsense" });
    await client.until(() => client.find("error").length === 2);
    expect(client.find("error")[1]).toMatchObject({ code: "AUTH_TOKEN_INVALID" });
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe("what is refused before anything runs", () => {
  const options = {
    reader: new ScriptedReader(),
    sources: [],
    parsePosition: (_source: string, text: string) => text,
  };

  test("weak secrets, short keys and malformed patterns", () => {
    world = new BrokerWorld();
    const listen = { host: "127.0.0.1", port: 0 };
    for (const weak of [
      { jwt: { secret: "short" } },
      { keys: [{ key: "short", channels: ["*"] }] },
      { keys: [{ key: "long enough, a key", channels: ["a b"] }] },
    ]) {
      expect(() => createBroker({ ...options, listen, auth: weak })).toThrow(
        expect.objectContaining({ code: "AUTH_SECRET_WEAK" }) as Error,
      );
    }
  });

  test("listening beyond this machine without authentication, or on a port in use", async () => {
    world = await new BrokerWorld().open();
    const { signal } = new AbortController();
    const open = createBroker({ ...options, listen: { host: "0.0.0.0", port: 0 } });
    await expect(open.run(signal)).rejects.toMatchObject({ code: "BROKER_LISTEN_OPEN" });
    const taken = createBroker({ ...options, listen: { host: "127.0.0.1", port: world.port } });
    await expect(taken.run(signal)).rejects.toMatchObject({ code: "BROKER_LISTEN_FAILED" });
  });

  test("web pages of other origins, unless they are listed", async () => {
    world = await new BrokerWorld().open();
    const status = (origin: string): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(world.url, SUBPROTOCOL, { origin });
        socket.on("unexpected-response", (_request, response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
          socket.terminate();
        });
        socket.on("error", () => undefined);
        socket.on("open", () => {
          resolve(101);
          socket.terminate();
        });
      });
    expect(await status("https://evil.example")).toBe(403);
    expect(await status("null")).toBe(403);
    expect(await status("http://localhost:5173")).toBe(101);
    await world.close();
    world = await new BrokerWorld({ auth, origins: ["https://shop.example"] }).open();
    expect(await status("https://shop.example")).toBe(101);
    expect(await status("http://localhost:5173")).toBe(403);
  });
});
