/**
 * `changecast(…)`: one connection to one server, shared by every sync, subscription and history request made
 * with it. It connects when the first of them begins and rests when the last one ends. Subscriptions and
 * history are functions of their own files, so that an app without them does not download them.
 */
import { type Clock, type Random, systemClock, systemRandom } from "../base/clock.js";
import { type Log, silentLog } from "../base/log.js";
import type { ChannelChoice } from "./channel-choice.js";
import { Listeners } from "./listeners.js";
import { type SocketClass, socketClass } from "./socket.js";
import { type ConnectionStatus, connectionStatus } from "./status.js";
import type { Store } from "./stores/store.js";
import { StoreSync, type Sync, type SyncOptions } from "./sync.js";
import type { TokenSource } from "./token-keeper.js";
import { Wire } from "./wire.js";

export interface CastOptions {
  /** `ws://` or `wss://` address of the server's WebSocket, path included. */
  readonly url: string;
  /** API key or JWT; as a function it is called for each connect and before the token ends. */
  readonly token?: TokenSource;
  /** Where the platform has none of its own (Node before 22): the class of the package `ws`. */
  readonly WebSocket?: SocketClass;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
}

export interface Cast {
  readonly status: ConnectionStatus;
  /** Keeps the store in step with the channels. Errors: CLIENT_STORE_IN_USE, CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN, CLIENT_CLOSED. */
  sync(store: Store, channels: readonly ChannelChoice[], options?: SyncOptions): Sync;
  /** Tries at once, also after a refusal. */
  reconnect(): void;
  /** Returns the way to stop it. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void;
  /** Stops every sync and subscription, then the connection. */
  close(): Promise<void>;
}

/** Makes no connection yet. Errors: CLIENT_WEBSOCKET_MISSING. */
export function changecast(options: CastOptions): Cast {
  return new WireCast(options);
}

export class WireCast implements Cast {
  /** For the other entry points, not for apps: `Cast` does not show it. */
  readonly wire: Wire;
  readonly #listeners: Listeners<{ status: ConnectionStatus }>;
  #closed: Promise<void> | undefined;

  constructor(options: CastOptions) {
    const { url, token, clock = systemClock, random = systemRandom, log = silentLog } = options;
    const type = socketClass(options.WebSocket);
    this.wire = new Wire({ url, token, socketClass: type, clock, random, log });
    this.#listeners = new Listeners(log);
    this.wire.watch(() => {
      this.#listeners.tell("status", this.status);
    });
  }

  get status(): ConnectionStatus {
    return connectionStatus(this.wire.state);
  }

  sync(store: Store, channels: readonly ChannelChoice[], options: SyncOptions = {}): Sync {
    const sync = new StoreSync(store, channels, options, this.wire);
    sync.start();
    this.wire.open.add(sync);
    return sync;
  }

  reconnect(): void {
    this.wire.reconnect();
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    return this.#listeners.on("status", listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.wire.open].map((one) => one.stop()));
    this.wire.close();
  }
}
