/**
 * A WebSocket client that does as little as it can: it finds the commits in what arrives and looks at nothing else,
 * so that thousands of them cost less than the server that they measure. All read into one buffer.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";

const shared = Buffer.allocUnsafe(256 * 1024);

/** A commit of some channels stands within so many bytes of a chunk's end. */
const TAIL_BYTES = 400;
const NEWLINE = 0x0a;
const PING = 0x89;
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

export interface Opening {
  readonly port: number;
  readonly query: string;
  /** Said at once when the socket is open; nothing where it is empty. */
  readonly hello: string;
}

export interface Heard {
  opened(): void;
  /** A commit that names the channel: it is held up to `to`. */
  commit(channel: string, place: { epoch: number; to: number; log: number }): void;
  ready(): void;
  run(run: string): void;
  closed(): void;
}

export class RawSocket {
  readonly #socket: Socket;
  readonly #heard: Heard;
  readonly #hello: string;
  /** Where one socket has several channels every commit counts, otherwise the last of a chunk tells. */
  readonly #readsAll: boolean;
  #isOpen = false;
  #tail = "";

  constructor(opening: Opening, readsAll: boolean, heard: Heard) {
    this.#heard = heard;
    this.#hello = opening.hello;
    this.#readsAll = readsAll;
    this.#socket = connect({
      host: "127.0.0.1",
      port: opening.port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (bytes) => {
          this.#read(bytes);
          return true;
        },
      },
    });
    this.#socket.write(
      `GET /v1${opening.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n" +
        "Sec-WebSocket-Protocol: changecast.v1\r\n\r\n",
    );
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      heard.closed();
    });
  }

  /** Gone at once, without a goodbye. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  say(text: string): void {
    this.#socket.write(maskedText(text));
  }

  #read(bytes: number): void {
    if (!this.#isOpen) {
      const text = shared.toString("latin1", 0, bytes);
      if (!text.startsWith("HTTP/1.1 101")) {
        this.#socket.destroy();
        return;
      }
      this.#isOpen = true;
      if (this.#hello !== "") this.say(this.#hello);
      this.#heard.opened();
      return;
    }
    if (shared[0] === PING || shared[bytes - 2] === PING) this.#socket.write(PONG);
    const from = this.#readsAll || this.#tail !== "" ? 0 : Math.max(0, bytes - TAIL_BYTES);
    const text = this.#tail + shared.toString("latin1", from, bytes);
    // A commit that is cut by the chunk's end is read with the next chunk.
    const isWhole = shared[bytes - 1] === NEWLINE;
    this.#tail = isWhole ? "" : text.slice(text.lastIndexOf("\n") + 1).slice(-TAIL_BYTES);
    if (this.#readsAll) this.#readCommits(text);
    else this.#readCommit(text, text.lastIndexOf('"t":"commit"'));
  }

  #readCommits(text: string): void {
    for (
      let at = text.indexOf('"t":"commit"');
      at >= 0;
      at = text.indexOf('"t":"commit"', at + 1)
    ) {
      this.#readCommit(text, at);
    }
  }

  #readCommit(text: string, at: number): void {
    if (at < 0) return;
    const end = text.indexOf("\n", at);
    if (end < 0) return;
    const start = text.lastIndexOf("{", at);
    const commit = JSON.parse(text.slice(start, end)) as {
      readonly at: number;
      readonly run?: string;
      readonly moved: readonly (readonly [string, number, number, number])[];
      readonly ready?: readonly string[];
    };
    if (commit.run !== undefined) this.#heard.run(commit.run);
    for (const [channel, epoch, , to] of commit.moved) {
      this.#heard.commit(channel, { epoch, to, log: commit.at });
    }
    if (commit.ready !== undefined) this.#heard.ready();
  }
}

function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head =
    length < 126
      ? Buffer.from([0x81, 0x80 | length, 0, 0, 0, 0])
      : Buffer.from([0x81, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0]);
  // Masked with zeros: as it is.
  return Buffer.concat([head, payload]);
}
