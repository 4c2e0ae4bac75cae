/**
 * A TCP proxy on loopback whose network can fail: cut (connections die, new ones are refused), or frozen
 * (connections stay open and nothing moves, as when a cable is pulled).
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

export class TcpProxy {
  /** Where connections are passed on to; may be set anew when the server is another. */
  target: ProxyTarget;
  readonly #server: Server;
  #cutAfterBytes = Infinity;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #state: "open" | "cut" | "frozen" = "open";
  /** Connections accepted and passed on so far. */
  accepted = 0;

  private constructor(target: ProxyTarget) {
    this.target = target;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  static async start(target: ProxyTarget): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Every connection dies with a reset, and new ones do too. */
  cut(): void {
    this.#state = "cut";
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /**
   * Every connection dies once the server has sent so many more bytes, in the middle of a frame if need be;
   * new ones live.
   */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes;
  }

  /** Nothing moves any more, and nobody is told. New connections are accepted and stay silent. */
  freeze(): void {
    this.#state = "frozen";
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Connections that were frozen go on; what was cut stays dead. */
  mend(): void {
    this.#state = "open";
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    if (this.#state === "cut") {
      near.resetAndDestroy();
      return;
    }
    this.accepted += 1;
    const far = connect(this.target);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    this.#pass(near, far, pair);
    this.#pass(far, near, pair);
    if (this.#state === "frozen") for (const socket of pair) socket.pause();
  }

  #pass(from: Socket, to: Socket, pair: readonly [Socket, Socket]): void {
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      if (from === pair[0] || chunk.length < this.#cutAfterBytes) {
        // Who is not read is not read from; a frozen pair rests until it is mended.
        if (!to.write(chunk)) {
          from.pause();
          to.once("drain", () => {
            if (this.#state === "open") from.resume();
          });
        }
        if (from === pair[1]) this.#cutAfterBytes -= chunk.length;
        return;
      }
      const left = this.#cutAfterBytes;
      this.#cutAfterBytes = Infinity;
      to.write(chunk.subarray(0, left), () => {
        for (const each of [...this.#pairs]) for (const socket of each) socket.destroy();
      });
    });
    from.on("end", () => {
      to.end();
    });
    // A reset of one side is the proxy's own doing or the peer's: the pair ends either way.
    from.on("error", () => {
      to.destroy();
    });
    from.on("close", () => {
      this.#pairs.delete(pair);
      to.destroy();
    });
  }
}
