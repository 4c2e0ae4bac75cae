/** What a sync and a subscription have in common: a feed, its status, waiting, and telling listeners. */
import { AppError } from "../base/errors.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import { abortable } from "./abortable.js";
import { channelStatus } from "./channel-status.js";
import { Feed, LASTING } from "./feed.js";
import type { FeedChannel } from "./feed-channel.js";
import type { FeedSink, FeedUnit, Gap } from "./feed-sink.js";
import { Listeners } from "./listeners.js";
import { type ChannelStatus, connectionStatus, type SyncStatus, trouble } from "./status.js";
import type { EntryBatch, KeptChannel } from "./stores/store.js";
import type { Wire } from "./wire.js";

const NOTHING_HELD = { epoch: 0, serial: 0, log: 0, run: "" } as const;

export function nothingHeld(channel: string): KeptChannel {
  return { channel, place: NOTHING_HELD, ready: false };
}

interface FollowerEvents {
  status: SyncStatus;
  gap: Gap;
}

export abstract class Follower<Events extends FollowerEvents> implements FeedSink {
  abstract readonly collectBytesMax: number;
  protected readonly wire: Wire;
  protected readonly feed: Feed;
  protected readonly listeners: Listeners<Events>;
  readonly #waiting = new Set<() => void>();
  readonly #unwatch: () => void;
  #cancelTelling: (() => void) | undefined;
  #isStopped = false;
  #stopped: Promise<void> | undefined;

  constructor(wire: Wire) {
    this.wire = wire;
    this.feed = new Feed(wire, this);
    this.listeners = new Listeners(wire.log);
    this.#unwatch = wire.watch(() => {
      this.moved();
    });
  }

  abstract prepare(): Promise<void>;
  abstract take(unit: FeedUnit): Promise<void>;
  abstract unstage(channels: readonly string[]): Promise<void>;
  /** After the last unit, when it was stopped. */
  protected abstract ended(): Promise<void>;

  get status(): SyncStatus {
    const channels = new Map<string, ChannelStatus>();
    for (const [name, channel] of this.feed.channels) channels.set(name, channelStatus(channel));
    const { trouble: cause } = this.feed;
    return {
      connection: connectionStatus(this.wire.state),
      staleSources: new Map(this.wire.staleSources),
      channels,
      trouble: cause && trouble(cause),
    };
  }

  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    return this.listeners.on(name, listener);
  }

  /** Something of the status changed: listeners hear of it once per turn. */
  moved(): void {
    for (const check of [...this.#waiting]) check();
    if (this.#cancelTelling !== undefined || this.#isStopped) return;
    if (!this.listeners.has("status")) return;
    this.#cancelTelling = this.wire.clock.after(0, () => {
      this.#cancelTelling = undefined;
      this.listeners.tell("status", this.status);
    });
  }

  gap(gap: Gap): void {
    this.listeners.tell("gap", gap);
  }

  /** Of entries that stand for lost ones. */
  protected gapsOf({ channel, schema, entries }: EntryBatch): void {
    if (schema.kind === "state") return;
    for (const [serial, , , op] of entries) {
      if (op === "g") this.gap({ channel, from: serial, to: serial });
    }
  }

  ready(names?: readonly string[]): Promise<void> {
    return this.#when(() => this.#all(names, ({ held }) => held.ready));
  }

  live(names?: readonly string[]): Promise<void> {
    return this.#when(() => this.#all(names, isLive));
  }

  /** The position's changes have reached the channels that are attached, and have taken effect. */
  async until(
    source: string,
    position: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    for (;;) {
      await this.#when(() => this.feed.isWhole, signal);
      try {
        const frame = (id: number) => ({ t: "until", id, source, position }) as const;
        await this.wire.ask(frame, signal);
      } catch (error) {
        const isSilent = error instanceof AppError && error.code === "CLIENT_SILENT";
        if (!isSilent || this.#isStopped) throw error;
        continue;
      }
      // A channel that fell off meanwhile may have missed it: ask again when it is back.
      if (!this.feed.isWhole) continue;
      await new Promise<void>((resolve) => {
        this.feed.queue.push(0, async () => {
          resolve();
        });
      });
      if (this.feed.trouble === undefined) return;
    }
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return (this.#stopped ??= this.#stop());
  }

  protected mustRun(): void {
    if (this.#isStopped) throw new AppError("CLIENT_CLOSED", "it was stopped");
  }

  async #stop(): Promise<void> {
    // First: whoever waits for channels is told of the end, not that none is missing any more.
    this.#cancelTelling?.();
    this.#unwatch();
    for (const check of [...this.#waiting]) check();
    await this.feed.stop();
    this.wire.leave(this.feed);
    await this.ended();
    this.wire.open.delete(this);
  }

  /** Whether all are `done`. Throws where one never will be. */
  #all(names: readonly string[] | undefined, done: (channel: FeedChannel) => boolean): boolean {
    const { channels, isPrepared } = this.feed;
    let isDone = isPrepared;
    for (const name of names ?? channels.keys()) {
      const channel = channels.get(name);
      if (channel !== undefined && done(channel)) continue;
      if (channel === undefined && isPrepared) {
        throw new AppError("CLIENT_CHANNEL_INVALID", `waiting for "${name}": it is not attached`);
      }
      isDone = false;
      if (channel?.state.name !== "refused") continue;
      const { code, message } = channel.state.cause;
      throw new AppError("CLIENT_REFUSED", `channel "${name}" was refused: ${message} (${code})`);
    }
    if (!isDone) this.#throwLasting();
    return isDone;
  }

  #throwLasting(): void {
    const { trouble: cause } = this.feed;
    if (cause !== undefined && LASTING.has(cause.code)) {
      throw new AppError(cause.code as ErrorCode, cause.message);
    }
    const { state } = this.wire;
    if (state.name !== "refused") return;
    throw new AppError("CLIENT_REFUSED", `${state.cause.message} (${state.cause.code})`);
  }

  #when(holds: () => boolean, signal?: AbortSignal): Promise<void> {
    return abortable(signal, (resolve, reject) => {
      const check = (): void => {
        try {
          this.mustRun();
          if (holds()) resolve();
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(check);
      check();
      return () => {
        this.#waiting.delete(check);
      };
    });
  }
}

function isLive({ state, held, serverStatus }: FeedChannel): boolean {
  return state.name === "ready" && held.ready && serverStatus.state === "ready";
}
