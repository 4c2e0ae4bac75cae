/** Messages to frames and back: what each side lets in. Breaches of clients are listed in broker-breach. */
import { describe, expect, test } from "vitest";
import { encodeClientFrame, parseServerMessage } from "../../../src/protocol/client-codec.js";
import { encodeServerFrame, parseClientMessage } from "../../../src/protocol/codec.js";
import { closeCodes, mayReconnect } from "../../../src/protocol/close-codes.js";
import { errorCatalogue } from "../../../src/base/error-catalogue.js";
import type { ErrorEntry } from "../../../src/base/error-catalogue.js";

describe("a client's message", () => {
  test("holds a frame a line; empty lines and carriage returns mean nothing", () => {
    const frames = parseClientMessage('{"t":"ping"}\r\n\n{"t":"detach","channels":["a"]}\n\r\n');
    expect(frames).toEqual([{ t: "ping" }, { t: "detach", channels: ["a"] }]);
    expect(parseClientMessage("")).toEqual([]);
  });

  test("may hold brackets in strings without being deep", () => {
    const token = '[[[[[[{{{{"\\[';
    expect(parseClientMessage(encodeClientFrame({ t: "token", token }))).toEqual([
      { t: "token", token },
    ]);
  });

  test("says in its error which field was wrong, and quotes little of it", () => {
    const line = `{"t":"${"x".repeat(500)}"}`;
    expect(() => parseClientMessage(line)).toThrow(/^reading a frame: t is "x{40}"$/);
    expect(() =>
      parseClientMessage('{"t":"attach","id":1,"channels":[{"channel":"a","from":{"last":-1}}]}'),
    ).toThrow("attach.channels[0].from.last: it must be a whole number from 1 to 10000");
  });
});

describe("a server's message", () => {
  test("passes unknown frames and fields, and refuses known fields of another type", () => {
    const message = '{"t":"future","x":1}\n{"t":"fresh","source":"shop","extra":{}}\n{"t":"pong"}';
    expect(parseServerMessage(message)).toEqual([
      { t: "fresh", source: "shop", extra: {} },
      { t: "pong" },
    ]);
  });

  test.each([
    ["not JSON", "nonsense", "a line is not a JSON object"],
    ["no object", "[]", "a line is not a JSON object"],
    ["a text for a number", '{"t":"reached","id":"1"}', "reached.id"],
    ["a missing field", '{"t":"commit","at":1}', "commit.moved"],
    ["moved without serials", '{"t":"commit","at":1,"moved":[["a",1,2]]}', "commit.moved"],
    [
      "an unknown how",
      '{"t":"attached","id":1,"channels":[{"channel":"a","epoch":1,"how":"?","after":0,"status":{"state":"ready"}}]}',
      "attached.channels",
    ],
    [
      "an entry with another op",
      '{"t":"changes","channel":"a","table":"t","schema":1,"base":1,"entries":[[1,0,0,"x"]]}',
      "changes.entries",
    ],
    [
      "an entry without op",
      '{"t":"changes","channel":"a","table":"t","schema":1,"base":1,"entries":[[1,0,0]]}',
      "changes.entries",
    ],
    [
      "a serial in text",
      '{"t":"changes","channel":"a","table":"t","schema":1,"base":1,"entries":[["1",0,0,"i"]]}',
      "changes.entries",
    ],
  ])("with %s is refused", (_name, message, found) => {
    expect(() => parseServerMessage(message)).toThrow(
      expect.objectContaining({
        code: "CLIENT_FRAME_INVALID",
        message: expect.stringContaining(found) as string,
      }),
    );
  });

  test("of every small frame comes back as it was", () => {
    const frames = [
      {
        t: "welcome",
        v: 1,
        session: "s",
        run: "r",
        heartbeatMs: 1,
        limits: { frameBytesMax: 1, channelsMax: 1, attachChannelsMax: 1, historyLimitMax: 1 },
        expiresAt: 5,
      },
      {
        t: "attached",
        id: 1,
        channels: [
          {
            channel: "a",
            epoch: 1,
            how: "delta",
            after: 2,
            status: { state: "copying", rowsDone: 1, rowsTotal: 2 },
          },
        ],
      },
      { t: "detached", channels: ["a"] },
      { t: "renewed" },
      {
        t: "schema",
        table: "t",
        version: 1,
        kind: "state",
        columns: [{ name: "id", type: "array", of: "int" }],
        key: ["id"],
      },
      { t: "page", channel: "a", epoch: 1, from: 0, to: 2, log: 3 },
      { t: "commit", at: 3, run: "r", moved: [["a", 1, 0, 2]], ready: ["a"] },
      { t: "status", channel: "a", state: "rederiving" },
      { t: "stale", source: "s", since: 0 },
      { t: "fresh", source: "s" },
      { t: "reached", id: 1 },
      { t: "error", code: "X", message: "m", id: 1, channels: ["a"], retryInMs: 1 },
      { t: "goaway", reconnectWithinMs: 1 },
      { t: "pong" },
      { t: "heartbeat" },
    ] as const;
    expect(parseServerMessage(frames.map(encodeServerFrame).join(""))).toEqual(frames);
  });
});

describe("close codes", () => {
  test("of the catalogue carry the policy of their range", () => {
    const known = new Set<number>(Object.values(closeCodes));
    for (const [code, entry] of Object.entries<ErrorEntry>(errorCatalogue)) {
      if (entry.close === undefined) continue;
      expect([code, known.has(entry.close)]).toEqual([code, true]);
      expect([code, mayReconnect(entry.close)]).toEqual([code, entry.disposition === "retry"]);
    }
    expect([mayReconnect(1006), mayReconnect(1001)]).toEqual([true, true]);
  });
});
