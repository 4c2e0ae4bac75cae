/** WebSockets through `ws`: the only file that knows it. Turns upgrades into SessionSockets. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { SUBPROTOCOL } from "../../protocol/frames.js";
import type { SessionSocket, SocketListener } from "../session-socket.js";
import { joined } from "../wire-message.js";
import type { WireMessage } from "../wire-message.js";
import { frameText } from "./preframed.js";

/** Pieces of one message, and reads that wait for the rest of a frame: both cost memory each. */
const FRAGMENTS_MAX = 256;
const CHUNKS_MAX = 256;

/** How long a peer may take to answer our close. */
const CLOSE_MS = 5_000;

/** What is held back leaves as one message up to here: copying costs less than a frame and a buffer for each. */
const JOIN_BYTES_MAX = 8 * 1024;

export interface WebSocketOptions {
  /** The library refuses larger ones with 1009; the session refuses smaller ones with a reason. */
  readonly messageBytesMax: number;
  /** Off: every write goes through the library. */
  readonly preframed: boolean;
}

export type Accept = (socket: SessionSocket) => SocketListener;

export class WebSocketUpgrades {
  readonly #server: WebSocketServer;
  readonly #preframed: boolean;

  constructor(options: WebSocketOptions) {
    this.#preframed = options.preframed;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.messageBytesMax,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: CHUNKS_MAX,
      closeTimeout: CLOSE_MS,
      handleProtocols: () => SUBPROTOCOL,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
  }

  /** The upgrade must be one that we want: path, origin and subprotocol were looked at. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer, accept: Accept): void {
    const socket = stream as Socket;
    this.#server.handleUpgrade(request, stream, head, (webSocket) => {
      const preframed = this.#preframed && webSocket.extensions === "";
      listen(webSocket, socket, accept(new WsSocket(webSocket, socket, preframed)));
    });
  }
}

/** The part of `ws` that its types leave out. */
type Ws = WebSocket & { pause(): void; resume(): void };

class WsSocket implements SessionSocket {
  readonly #webSocket: Ws;
  readonly #socket: Socket;
  readonly #preframed: boolean;
  #held: WireMessage[] | undefined;
  #heldBytes = 0;

  constructor(webSocket: WebSocket, socket: Socket, preframed: boolean) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#preframed = preframed;
  }

  get remote(): string {
    return this.#socket.remoteAddress ?? "";
  }

  get waitingBytes(): number {
    return this.#webSocket.bufferedAmount + this.#heldBytes;
  }

  get takenBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  send(messages: readonly WireMessage[]): void {
    if (this.#held !== undefined) {
      for (const message of messages) {
        this.#held.push(message);
        this.#heldBytes += message.bytes;
      }
      return;
    }
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    const many = messages.length > 1;
    if (many) this.#socket.cork();
    for (const message of messages) {
      if (this.#preframed) {
        message.framed ??= frameText(message.payload);
        this.#socket.write(message.framed);
      } else this.#webSocket.send(message.payload, { binary: false });
    }
    if (many) this.#socket.uncork();
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held;
    if (held === undefined) return;
    const isSmall = held.length > 1 && this.#heldBytes <= JOIN_BYTES_MAX;
    this.#held = undefined;
    this.#heldBytes = 0;
    this.send(isSmall ? [joined(held)] : held);
  }

  ping(): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  close(code: number, reason: string): void {
    this.release();
    // A paused socket would not read the peer's close.
    this.#webSocket.resume();
    this.#webSocket.close(code, reason);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }
}

/** Who is told what a socket brings. Kept on the sockets, so that the handlers are the same functions for all of them. */
const listenerOf = Symbol("listener");

interface Heard {
  [listenerOf]?: SocketListener;
}

function listen(webSocket: WebSocket, socket: Socket, listener: SocketListener): void {
  (webSocket as WebSocket & Heard)[listenerOf] = listener;
  (socket as Socket & Heard)[listenerOf] = listener;
  webSocket.on("message", onMessage);
  webSocket.on("ping", onAlive);
  webSocket.on("pong", onAlive);
  webSocket.on("close", onClose);
  webSocket.on("error", onError);
  socket.on("drain", onDrain);
}

function onMessage(this: WebSocket & Heard, data: Buffer, isBinary: boolean): void {
  if (isBinary) this[listenerOf]?.onBinary();
  else this[listenerOf]?.onText(data.toString("utf8"), data.length);
}

function onAlive(this: WebSocket & Heard): void {
  this[listenerOf]?.onAlive();
}

function onClose(this: WebSocket & Heard, code: number): void {
  this[listenerOf]?.onClosed(code);
}

/** A broken frame or connection: the library closes with the right code, and `close` follows. */
function onError(): void {
  // Nothing is left to do.
}

function onDrain(this: Socket & Heard): void {
  this[listenerOf]?.onDrained();
}
