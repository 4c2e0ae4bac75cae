/**
 * Cuts what the server sends while it streams: messages of the copy go to us where they lie, without a copy
 * or an object for each; everything else goes to the driver as it came. The frames are those of
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import type { Socket } from "node:net";
import { unreadable } from "./pgoutput.js";

const COPY_DATA = 0x64;
/** Its kind, and its length without the kind. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;

export interface FrameHandlers {
  /** What stands in `bytes` between the two places is one message. The bytes stay as they are. */
  copyData(bytes: Buffer, from: number, to: number): void;
  /** A whole frame. */
  other(frame: Buffer): void;
}

export interface SocketHandlers {
  /** What one reading of the socket brought is done with. */
  rest(): void;
  failed(error: unknown): void;
}

export class CopyFrames {
  readonly #handlers: FrameHandlers;
  /** A frame that is not whole yet: at most one, whose size the server bounds (1 GiB). */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes without which nothing more can be cut. */
  #wanted = HEADER_BYTES;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  take(chunk: Buffer): void {
    this.#heldBytes += chunk.length;
    this.#held.push(chunk);
    if (this.#heldBytes < this.#wanted) return;
    const bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held);
    const rest = this.#cut(bytes);
    this.#held = rest === bytes.length ? [] : [bytes.subarray(rest)];
    this.#heldBytes = bytes.length - rest;
  }

  /** Where the frame begins that is not whole. */
  #cut(bytes: Buffer): number {
    let at = 0;
    for (;;) {
      this.#wanted = HEADER_BYTES;
      if (at + HEADER_BYTES > bytes.length) return at;
      const length = bytes.readUInt32BE(at + 1);
      if (length < LENGTH_BYTES) throw unreadable(`a frame of ${String(length)} bytes`);
      const end = at + 1 + length;
      this.#wanted = end - at;
      if (end > bytes.length) return at;
      if (bytes[at] === COPY_DATA) this.#handlers.copyData(bytes, at + HEADER_BYTES, end);
      else this.#handlers.other(bytes.subarray(at, end));
      at = end;
    }
  }
}

/** From now on `handlers.copyData` gets the socket's copy messages, and the driver, which is idle, the rest. */
export function cutFrames(
  socket: Socket,
  handlers: Pick<FrameHandlers, "copyData"> & SocketHandlers,
): void {
  const driver = socket.listeners("data") as ((chunk: Buffer) => void)[];
  const frames = new CopyFrames({
    copyData: (bytes, from, to) => {
      handlers.copyData(bytes, from, to);
    },
    other: (frame) => {
      for (const listener of driver) listener(frame);
    },
  });
  // Without `removeAllListeners`: the socket must not stop flowing in between.
  const cut = (chunk: Buffer): void => {
    try {
      frames.take(chunk);
      handlers.rest();
    } catch (error) {
      handlers.failed(error);
    }
  };
  socket.on("data", cut);
  for (const listener of driver) socket.removeListener("data", listener);
}
