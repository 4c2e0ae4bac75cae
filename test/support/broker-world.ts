/** A broker on loopback over a scripted reader, with clients of the wire protocol. Disposed with `await using`-like `close`. */
import { once } from "node:events";
import { WebSocket } from "ws";
import { createBroker } from "../../src/broker/broker.js";
import type { Broker } from "../../src/broker/broker.js";
import type { BrokerOptions } from "../../src/broker/broker-options.js";
import { SUBPROTOCOL } from "../../src/protocol/frames.js";
import { PATIENCE_MS } from "./patience.js";
import { ScriptedReader } from "./scripted-reader.js";
import { WireClient } from "./wire-client.js";

export interface Connected extends WireClient {
  readonly socket: WebSocket;
  /** Resolves with code and reason of the close. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

export class BrokerWorld {
  readonly reader = new ScriptedReader();
  readonly broker: Broker;
  port = 0;
  readonly #end = new AbortController();
  readonly #sockets: WebSocket[] = [];
  readonly #listening: Promise<void>;
  readonly running: Promise<void>;

  constructor(options: Partial<BrokerOptions> = {}) {
    let opened = (): void => undefined;
    this.#listening = new Promise((resolve) => {
      opened = resolve;
    });
    this.broker = createBroker({
      reader: this.reader,
      listen: { host: "127.0.0.1", port: 0 },
      sources: ["shop"],
      parsePosition: (_source, text) => {
        if (!/^[0-9]+$/.test(text)) throw new Error("not a number");
        return text.padStart(10, "0");
      },
      ...options,
      onListening: ({ port }) => {
        this.port = port;
        opened();
      },
    });
    this.running = this.broker.run(this.#end.signal);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1`;
  }

  async open(): Promise<this> {
    await Promise.race([this.#listening, this.running]);
    return this;
  }

  /** A client whose socket is open, before hello. */
  async connect(options: { origin?: string } = {}): Promise<Connected> {
    await this.open();
    const socket = new WebSocket(this.url, SUBPROTOCOL, { ...options });
    this.#sockets.push(socket);
    const client = new WireClient((text) => {
      socket.send(text);
    });
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        client.wake();
      });
    });
    socket.on("message", (data: Buffer) => {
      client.hear(data.toString());
    });
    socket.on("error", () => undefined);
    await once(socket, "open");
    return Object.assign(client, { socket, closed });
  }

  /** A client that was welcomed. */
  async join(token?: string): Promise<Connected> {
    const client = await this.connect();
    client.say({ t: "hello", v: 1, ...(token === undefined ? {} : { token }) });
    await client.until(() => client.find("welcome").length > 0);
    return client;
  }

  stop(): Promise<void> {
    this.#end.abort(new Error("the test stops the broker"));
    return this.running;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.stop();
  }
}

/** Waits until `test` holds, looking every few milliseconds: for what no frame tells. */
export async function eventually(test: () => boolean, withinMs = PATIENCE_MS): Promise<void> {
  const until = performance.now() + withinMs;
  while (!test()) {
    if (performance.now() > until) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
