/**
 * Bytes that many sessions share: frames are made once for a range and a set of channels, and the envelope
 * that we write ourselves is the one that the library would have made (looked at for each version of it).
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as wsPackage from "ws";
import { WebSocket } from "ws";
import { describe, expect, test } from "vitest";
import type { Attachment } from "../../../src/broker/attachment.js";
import { LiveView } from "../../../src/broker/live-view.js";
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

describe("a range", () => {
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
  const attachment = (name: string, id: number): Attachment =>
    ({ channel: { name, id, members: new Set() } }) as unknown as Attachment;
  const [a, b] = [attachment("a", 1), attachment("b", 2)];
  const read = (messages: readonly { payload: Uint8Array }[]): unknown[] =>
    messages.flatMap(({ payload }) => parseServerMessage(new TextDecoder().decode(payload)));

  test("gives every session with the same channels the very same messages", () => {
    const channels = new Map([
      ["a", live(4, 2)],
      ["b", live(0, 1)],
    ]);
    const view = new LiveView({ after: 7, to: 9, channels });
    const one = view.delivery([a]);
    expect(view.delivery([attachment("a", 1)])).toBe(one);
    expect(one.messages).toHaveLength(1);
    expect(read(one.messages)).toMatchObject([
      { t: "changes", channel: "a" },
      { t: "commit", at: 9, moved: [["a", 1, 4, 6]] },
    ]);
    const both = view.delivery([a, b]);
    expect(view.delivery([b, a])).toBe(both);
    expect(both).toMatchObject({ entries: 3 });
    expect(read(both.messages)).toHaveLength(3);
  });

  test("does not copy large frames for a set of channels, but shares them behind one commit", () => {
    const channels = new Map([
      ["a", live(0, 100, 1_000)],
      ["b", live(0, 100, 1_000)],
    ]);
    const view = new LiveView({ after: 7, to: 9, channels });
    const ab = view.delivery([a, b]);
    const abc = view.delivery([a, b, attachment("a", 1)].slice(0, 2));
    expect(abc).toBe(ab);
    expect(ab.messages.length).toBeGreaterThanOrEqual(3);
    expect(view.piece("a")?.messages?.[0]).toBe(ab.messages[0]);
    expect(read(ab.messages.slice(-1))).toMatchObject([{ t: "commit", at: 9 }]);
  });

  test("leaves to the journal what is huge", () => {
    const huge = { ...live(0, 5), entries: undefined };
    const channels = new Map([
      ["a", huge],
      ["b", live(0, 5, 1024 * 1024)],
    ]);
    const view = new LiveView({ after: 7, to: 9, channels });
    expect(view.piece("a")).toBeUndefined();
    expect(view.piece("b")).toBeUndefined();
  });
});
