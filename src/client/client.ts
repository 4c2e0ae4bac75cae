/**
 * `changecast(…)`: one connection to one server, shared by every sync, subscription and history request made
 * with it. It connects when the first of them begins and rests when the last one ends.
 */
import { type Clock, type Random, systemClock, systemRandom } from "../base/clock.js";
import { type Log, silentLog } from "../base/log.js";
import { AppError } from "../base/errors.js";
import { type Entry, entryView } from "./entry-view.js";
import type { ChannelChoice } from "./follower.js";
import { channelNames } from "./follower.js";
import { Listeners } from "./listeners.js";
import { type SocketClass, socketClass } from "./socket.js";
import { type ConnectionStatus, connectionStatus } from "./status.js";
import type { Store } from "./stores/store.js";
import {
  HandlerSubscription,
  type SubscribeChoice,
  type SubscribeOptions,
  type Subscription,
  type UnitHandler,
} from "./subscription.js";
import { StoreSync, type Sync, type SyncOptions, type SyncParts } from "./sync.js";
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

export interface HistoryRequest {
  /** One of both: entries below this serial, the newest of them; or above it, the oldest of them. Neither: the newest. */
  readonly before?: number;
  readonly after?: number;
  /** At most 1,000. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface HistoryPage {
  readonly epoch: number;
  /** Entries up to this serial are no longer retained. */
  readonly floor: number;
  /** The channel's newest serial. */
  readonly head: number;
  /** More is retained in the direction asked for. */
  readonly more: boolean;
  /** In serial order. */
  readonly entries: readonly Entry[];
}

export interface Cast {
  readonly status: ConnectionStatus;
  /** Keeps the store in step with the channels. Errors: CLIENT_STORE_IN_USE, CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN, CLIENT_CLOSED. */
  sync(store: Store, channels: readonly ChannelChoice[], options?: SyncOptions): Sync;
  /** Hands the channels' entries to the handler. Errors: CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN, CLIENT_CLOSED. */
  subscribe(
    channels: readonly SubscribeChoice[],
    handler: UnitHandler,
    options?: SubscribeOptions,
  ): Subscription;
  /** A page of what an `events` channel retains; it need not be attached. Waits for a connection; rejects with CLIENT_REQUEST_REFUSED, CLIENT_CLOSED or the signal's reason. */
  history(channel: string, request: HistoryRequest): Promise<HistoryPage>;
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

class WireCast implements Cast {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #listeners: Listeners<{ status: ConnectionStatus }>;
  readonly #open = new Set<{ stop(): Promise<void> }>();
  #closed: Promise<void> | undefined;

  constructor(options: CastOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#log = options.log ?? silentLog;
    this.#wire = new Wire({
      url: options.url,
      token: options.token,
      socketClass: socketClass(options.WebSocket),
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
    });
    this.#listeners = new Listeners(this.#log);
    this.#wire.watch(() => {
      this.#listeners.tell("status", this.status);
    });
  }

  get status(): ConnectionStatus {
    return connectionStatus(this.#wire.state);
  }

  sync(store: Store, channels: readonly ChannelChoice[], options: SyncOptions = {}): Sync {
    const sync = new StoreSync(store, channels, options, this.#parts);
    sync.start();
    this.#open.add(sync);
    return sync;
  }

  subscribe(
    channels: readonly SubscribeChoice[],
    handler: UnitHandler,
    options: SubscribeOptions = {},
  ): Subscription {
    const subscription = new HandlerSubscription(handler, options, this.#parts);
    subscription.start(channels);
    this.#open.add(subscription);
    return subscription;
  }

  async history(channel: string, request: HistoryRequest): Promise<HistoryPage> {
    channelNames([channel]);
    const { before, after, limit, signal } = request;
    const answer = await this.#wire.ask(
      (id) => ({
        t: "history",
        id,
        channel,
        limit,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
      }),
      { signal, again: true },
    );
    if (answer.t !== "historyPage") {
      throw new AppError("CLIENT_FRAME_INVALID", `asking for history: ${answer.t} came for it`);
    }
    const { epoch, floor, head, more, groups } = answer;
    const entries = groups.flatMap(({ table, schema, base, entries: list }) => {
      const known = this.#wire.schema(table, schema);
      return list.map((entry) => entryView(channel, known, base, entry));
    });
    return { epoch, floor, head, more, entries };
  }

  reconnect(): void {
    this.#wire.reconnect();
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    return this.#listeners.on("status", listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  get #parts(): SyncParts {
    return {
      wire: this.#wire,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      ended: (one) => {
        this.#open.delete(one);
      },
    };
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#open].map((one) => one.stop()));
    this.#wire.close();
  }
}
