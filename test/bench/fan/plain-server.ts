/**
 * The reference: a minimal `ws` server that writes the same pre-framed bytes. Broadcasts are flushed adaptively:
 * what comes while a pass runs is written together by the next one.
 */
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { frameText } from "../../../src/broker/transports/preframed.js";
import { encodeServerFrame } from "../../../src/protocol/codec.js";
import { concatBytes, encodeChanges } from "../../../src/protocol/wire-entries.js";
import { answerParent } from "./far-process.js";
import { bodyOf, noteDue, publishLoad, SHARED } from "./publishing.js";
import type { DueTimes, Load } from "./publishing.js";
import { sharedNow } from "./time.js";

/** Sockets written between two turns of the event loop. */
const SOCKETS_PER_TURN = 2_000;
const SHARED_ROWS = 1_000;

const due: DueTimes = new Map();
const sockets = new Set<Socket>();
const owners = new Map<string, Socket>();
const serials = new Map<string, number>();
let pending: Uint8Array[] = [];
let isFlushing = false;
let log = 0;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
});
const http = createServer();
http.on("upgrade", (request, stream, head) => {
  server.handleUpgrade(request, stream, head, (webSocket) => {
    const socket = stream as Socket;
    socket.setNoDelay(true);
    sockets.add(socket);
    const own = new URL(request.url ?? "", "http://localhost").searchParams.get("own");
    if (own !== null) owners.set(own, socket);
    webSocket.on("close", () => {
      sockets.delete(socket);
      if (own !== null && owners.get(own) === socket) owners.delete(own);
    });
    webSocket.on("error", () => undefined);
  });
});

function frameOf(channel: string): Uint8Array {
  const serial = (serials.get(channel) ?? 0) + 1;
  serials.set(channel, serial);
  log += 1;
  const key = channel === SHARED ? serial % SHARED_ROWS : 0;
  const place = { serial, log, index: 0 };
  const entry = { ...place, op: "u" as const, table: "rows", schema: 1, body: bodyOf(key) };
  const moved = [[channel, 1, serial - 1, serial]] as const;
  const line = encodeServerFrame({ t: "commit", at: log, moved });
  return frameText(concatBytes([...encodeChanges(channel, [entry]), Buffer.from(line)]));
}

function publish(channels: readonly string[]): void {
  for (const channel of channels) {
    const frame = frameOf(channel);
    if (channel === SHARED) pending.push(frame);
    else owners.get(channel)?.write(frame);
  }
  if (pending.length === 0 || isFlushing) return;
  isFlushing = true;
  setImmediate(flush);
}

function flush(): void {
  const bytes = concatBytes(pending);
  pending = [];
  writeFrom([...sockets], 0, bytes);
}

function writeFrom(all: readonly Socket[], start: number, bytes: Uint8Array): void {
  const stop = Math.min(all.length, start + SOCKETS_PER_TURN);
  for (let at = start; at < stop; at += 1) all[at]?.write(bytes);
  if (stop < all.length) {
    setImmediate(() => {
      writeFrom(all, stop, bytes);
    });
  } else if (pending.length > 0) setImmediate(flush);
  else isFlushing = false;
}

answerParent({
  open: () =>
    new Promise<number>((resolve) => {
      http.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
        resolve((http.address() as AddressInfo).port);
      });
    }),
  seed: ({ owners: count }: { owners: number }) => {
    const channels = [SHARED, ...Array.from({ length: count }, (_, nth) => `own:${String(nth)}`)];
    for (const channel of channels) {
      noteDue(due, channel, sharedNow());
      serials.set(channel, 1);
    }
  },
  publish: (load: Load) => publishLoad(load, due, publish),
  due: () => due,
  collect: () => {
    globalThis.gc?.();
  },
});
