/**
 * Bytes that many sessions share: frames are made once for what sessions are owed, and the envelope
 * that we write ourselves is the one that the library would have made (looked at for each version of it).
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as wsPackage from "ws";
import { WebSocket } from "ws";
import { describe, expect, test } from "vitest";
import { Attachment } from "../../../src/broker/attachment.js";
import { Deliveries } from "../../../src/broker/deliveries.js";
import { HubChannel } from "../../../src/broker/hub-channel.js";
import type { Piece } from "../../../src/broker/hub-channel.js";
import { RecentRanges } from "../../../src/broker/recent-ranges.js";
import type { Session } from "../../../src/broker/session.js";
import type { SessionSocket } from "../../../src/broker/session-socket.js";
import { frameText } from "../../../src/broker/transports/preframed.js";
import { WebSocketUpgrades } from "../../../src/broker/transports/websocket.js";
import { textMessage } from "../../../src/broker/wire-message.js";
import type { LiveChannel } from "../../../src/journal/journal.js";
import { parseServerMessage } from "../../../src/protocol/client-codec.js";

/** The library's own way to make a frame; its types leave it out. */
const { Sender } = wsPackage as unknown as {
  Sender: { frame(data: Buffer, options: object): Buffer[] };
};

describe("a frame made by hand", () => {
  test.each([0, 1, 125, 126, 127, 65_535, 65_536, 300_000])("of %i bytes equals ws's", (length) => {
    const payload = Buffer.alloc(length, "x");
    const options = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true };
    const wanted = Buffer.concat(Sender.frame(payload, options));
    expect(Buffer.from(frameText(payload)).equals(wanted)).toBe(true);
  });

  test.each([true, false])(
    "reaches a client in order with others (preframed: %s)",
    async (preframed) => {
      const upgrades = new WebSocketUpgrades({ messageBytesMax: 1_000, preframed });
      const server = createServer();
      const taken = new Promise<SessionSocket>((resolve) => {
        server.on("upgrade", (request, stream, head) => {
          upgrades.upgrade(request, stream, head, (socket) => {
            resolve(socket);
            const ignore = (): void => undefined;
            return {
              onText: ignore,
              onBinary: ignore,
              onAlive: ignore,
              onDrained: ignore,
              onClosed: ignore,
            };
          });
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const client = new WebSocket(
        `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
        "changecast.v1",
      );
      const got: string[] = [];
      client.on("message", (data: Buffer, isBinary) => {
        got.push(`${isBinary ? "binary" : "text"} ${data.toString().slice(0, 5)} ${data.length}`);
      });
      client.on("ping", () => got.push("ping"));
      const closed = new Promise<number>((resolve) => client.on("close", resolve));
      const socket = await taken;
      const large = textMessage("é".repeat(40_000));
      socket.send([textMessage("one"), large, textMessage("two")]);
      socket.ping();
      socket.send([large]);
      socket.close(4000, "{}");
      socket.send([textMessage("late")]);
      expect(await closed).toBe(4000);
      expect(got).toEqual(
        ["text one 3", "text ééééé 80000", "text two 3", "ping", "text ééééé 80000"].map(
          (line) => line,
        ),
      );
      expect(large.framed === undefined).toBe(!preframed);
      server.close();
    },
  );
});

describe("a channel of the hub", () => {
  const live = (from: number, count: number, size = 10): LiveChannel => ({
    kind: "state",
    epoch: 1,
    from,
    to: from + count,
    entries: Array.from({ length: count }, (_, n) => ({
      ...{ serial: from + n + 1, log: 8, index: n, op: "u" as const, table: "t", schema: 1 },
      body: new TextEncoder().encode(`${n},"${"x".repeat(size)}"`),
    })),
  });
  /** Nothing is sent: nobody asks for the session. */
  const join = (to: HubChannel): void => {
    const request = { id: 1, from: "start", loading: false } as const;
    to.members.add(new Attachment(undefined as unknown as Session, to, request));
  };
  const channel = (name: string, id: number, ...ranges: LiveChannel[]): HubChannel => {
    const made = new HubChannel(name, id);
    join(made);
    join(made);
    for (const [at, range] of ranges.entries()) made.take(8 + at, range, ["1:t"]);
    return made;
  };
  const pieceOf = (of: HubChannel, serial: number): Piece => {
    const piece = of.after(1, serial);
    if (typeof piece === "string") throw new Error(piece);
    return piece;
  };
  const read = (messages: readonly { payload: Uint8Array }[]): unknown[] =>
    messages.flatMap(({ payload }) => parseServerMessage(new TextDecoder().decode(payload)));

  test("gives every session that is owed the same the very same messages", () => {
    const deliveries = new Deliveries();
    const [a, b] = [channel("a", 1, live(4, 2)), channel("b", 2, live(0, 1))];
    const one = deliveries.of([pieceOf(a, 4)], 9);
    expect(deliveries.of([pieceOf(a, 4)], 9)).toBe(one);
    expect(one.messages).toHaveLength(1);
    expect(read(one.messages)).toMatchObject([
      { t: "changes", channel: "a" },
      { t: "commit", at: 9, moved: [["a", 1, 4, 6]] },
    ]);
    const both = deliveries.of([pieceOf(a, 4), pieceOf(b, 0)], 9);
    expect(deliveries.of([pieceOf(b, 0), pieceOf(a, 4)], 9)).toBe(both);
    expect(both).toMatchObject({ entries: 3 });
    expect(read(both.messages)).toHaveLength(3);
    expect(read(deliveries.of([pieceOf(a, 4)], 10).messages)).toMatchObject([{}, { at: 10 }]);
  });

  test("keeps nothing of what is made for a member that is alone", () => {
    const deliveries = new Deliveries();
    const alone = new HubChannel("a", 1);
    join(alone);
    alone.take(8, live(4, 2), ["1:t"]);
    expect(pieceOf(alone, 4)).not.toBe(pieceOf(alone, 4));
    const [a, b] = [pieceOf(alone, 4), pieceOf(channel("b", 2, live(0, 1)), 0)];
    expect(deliveries.of([a, b], 9)).not.toBe(deliveries.of([a, b], 9));
    expect(deliveries.of([a, b], 9)).toEqual(deliveries.of([a, b], 9));
  });

  test("does not copy large frames for a set of channels, but shares them behind one commit", () => {
    const deliveries = new Deliveries();
    const a = channel("a", 1, live(0, 100, 1_000));
    const b = channel("b", 2, live(0, 100, 1_000));
    const ab = deliveries.of([pieceOf(a, 0), pieceOf(b, 0)], 9);
    expect(ab.messages.length).toBeGreaterThanOrEqual(3);
    expect(pieceOf(a, 0).messages?.[0]).toBe(ab.messages[0]);
    expect(read(ab.messages.slice(-1))).toMatchObject([{ t: "commit", at: 9 }]);
  });

  test("leaves to the journal what is huge", () => {
    const huge = { ...live(0, 5), entries: undefined };
    expect(channel("a", 1, huge).after(1, 0)).toBe("huge");
    expect(channel("b", 1, live(0, 5, 1024 * 1024)).after(1, 0)).toBe("huge");
    expect(channel("c", 1, live(0, 3), live(3, 2, 3 * 1024 * 1024)).after(1, 0)).toBe("huge");
  });

  test("goes on from any serial that it remembers, inside a range too", () => {
    const a = channel("a", 1, live(2, 3), live(5, 2), live(7, 1));
    for (const from of [2, 3, 4, 5, 6, 7]) {
      const { lines, entries, to } = pieceOf(a, from);
      expect([entries, to]).toEqual([8 - from, 8]);
      const told = read(lines.map((payload) => ({ payload }))) as { entries: [number][] }[];
      expect(told.flatMap((frame) => frame.entries.map(([serial]) => serial))).toEqual(
        Array.from({ length: 8 - from }, (_, n) => from + n + 1),
      );
    }
    expect(a.isAhead(1, 7)).toBe(true);
    expect(a.isAhead(1, 8)).toBe(false);
  });

  test("says that it is lost what it forgot, what has a hole, and what is of another epoch", () => {
    const a = channel("a", 1, live(2, 3), live(5, 2));
    expect(a.after(1, 1)).toBe("lost");
    expect(a.after(2, 5)).toBe("lost");
    expect(typeof a.after(0, 5)).toBe("object");
    a.forget(8);
    expect(a.after(1, 2)).toBe("lost");
    expect(a.isAhead(1, 2)).toBe(true);
    expect(pieceOf(a, 5).entries).toBe(2);
    a.forget(Infinity);
    expect(a.after(1, 5)).toBe("lost");
    const torn = channel("b", 2, live(2, 3), live(6, 2));
    expect(torn.after(1, 2)).toBe("lost");
    expect(pieceOf(torn, 6).entries).toBe(2);
  });

  test("is forgotten by age and by bytes, the newest range never", () => {
    const recent = new RecentRanges();
    const a = new HubChannel("a", 1);
    const take = (log: number, range: LiveChannel, now: number): void => {
      a.take(log, range, []);
      recent.add(log, new Map([[a, range]]), now);
    };
    take(1, live(0, 1), 0);
    take(2, live(1, 1), 4_000);
    expect(pieceOf(a, 0).entries).toBe(2);
    take(3, live(2, 1), 5_001);
    expect(a.after(1, 0)).toBe("lost");
    expect(pieceOf(a, 1).entries).toBe(2);
    take(4, live(3, 1, 100 * 1024 * 1024), 5_002);
    expect(a.after(1, 2)).toBe("lost");
    expect(a.after(1, 3)).toBe("huge");
  });
});
