/** What a sync and a subscription have in common for their app: status, waiting, and telling listeners. */
import type { Clock } from "../base/clock.js";
import { AppError } from "../base/errors.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import type { Log } from "../base/log.js";
import { isChannelName } from "../model/channel.js";
import type { AttachFrom } from "../protocol/frames.js";
import type { Feed } from "./feed.js";
import type { FeedChannel } from "./feed-channel.js";
import { Listeners } from "./listeners.js";
import { type ChannelStatus, connectionStatus, type SyncStatus, trouble } from "./status.js";
import type { KeptChannel } from "./stores/store.js";
import type { Wire } from "./wire.js";

/** A channel to follow: its name, or with where to begin when nothing of it is held yet (default: everything). */
export type ChannelChoice =
  | string
  | { readonly channel: string; readonly from?: "start" | "now" | { readonly last: number } };

export const NOTHING_HELD = { epoch: 0, serial: 0, log: 0, run: "" } as const;

/** Failures after which a feed does not come back by itself. */
const LASTING: ReadonlySet<string> = new Set(["CLIENT_STORE_TAKEN", "CLIENT_STORE_NEWER"]);

/** Throws CLIENT_CHANNEL_INVALID. */
export function channelNames(choices: readonly ChannelChoice[]): string[] {
  const names = choices.map((choice) => (typeof choice === "string" ? choice : choice.channel));
  for (const name of names) {
    if (isChannelName(name)) continue;
    throw new AppError(
      "CLIENT_CHANNEL_INVALID",
      `attaching ${JSON.stringify(name)}: it is no channel name`,
    );
  }
  return [...new Set(names)];
}

export function beginning(choices: readonly ChannelChoice[], name: string): AttachFrom {
  for (const choice of choices) {
    if (typeof choice !== "string" && choice.channel === name) return choice.from ?? "start";
  }
  return "start";
}

export class Follower<Events extends { status: SyncStatus }> {
  readonly listeners: Listeners<Events>;
  readonly #wire: Wire;
  readonly #feed: Feed;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  readonly #unwatch: () => void;
  #cancelTelling: (() => void) | undefined;
  #isStopped = false;

  constructor(wire: Wire, feed: Feed, clock: Clock, log: Log) {
    this.#wire = wire;
    this.#feed = feed;
    this.#clock = clock;
    this.listeners = new Listeners(log);
    this.#unwatch = wire.watch(() => {
      this.moved();
    });
  }

  get status(): SyncStatus {
    const channels = new Map<string, ChannelStatus>();
    for (const [name, channel] of this.#feed.channels) channels.set(name, channelStatus(channel));
    const { trouble: cause } = this.#feed;
    return {
      connection: connectionStatus(this.#wire.state),
      staleSources: new Map(this.#wire.staleSources),
      channels,
      ...(cause === undefined ? {} : { trouble: trouble(cause.code, cause.message) }),
    };
  }

  /** Something of the status changed: listeners hear of it once per turn. */
  moved(): void {
    for (const check of [...this.#waiting]) check();
    if (this.#cancelTelling !== undefined || this.#isStopped) return;
    if (!this.listeners.has("status")) return;
    this.#cancelTelling = this.#clock.after(0, () => {
      this.#cancelTelling = undefined;
      this.listeners.tell("status", this.status);
    });
  }

  ready(names: readonly string[] | undefined): Promise<void> {
    return this.#when(() =>
      this.#all(
        names,
        ({ held }) => held.ready,
        ({ held }) => held.ready,
      ),
    );
  }

  live(names: readonly string[] | undefined): Promise<void> {
    return this.#when(() =>
      this.#all(
        names,
        ({ state, held, serverStatus }) =>
          state.name === "ready" && held.ready && serverStatus.state === "ready",
        () => false,
      ),
    );
  }

  /** The position's changes have reached the channels that are attached, and have taken effect. */
  async until(source: string, position: string, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      await this.#when(() => this.#feed.isWhole, signal);
      try {
        await this.#wire.ask((id) => ({ t: "until", id, source, position }), {
          signal,
          again: false,
        });
      } catch (error) {
        if (error instanceof AppError && error.code === "CLIENT_SILENT" && !this.#isStopped)
          continue;
        throw error;
      }
      // A channel that fell off meanwhile may have missed it: ask again when it is back.
      if (!this.#feed.isWhole) continue;
      await new Promise<void>((resolve) => {
        this.#feed.after(async () => {
          resolve();
        });
      });
      if (this.#feed.trouble === undefined) return;
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTelling?.();
    this.#unwatch();
    for (const check of [...this.#waiting]) check();
  }

  /** Whether all are `done`. Throws where one never will be, unless it is `enough` as it is. */
  #all(
    names: readonly string[] | undefined,
    done: (channel: FeedChannel) => boolean,
    enough: (channel: FeedChannel) => boolean,
  ): boolean {
    const { channels } = this.#feed;
    let isDone = this.#feed.isPrepared;
    for (const name of names ?? channels.keys()) {
      const channel = channels.get(name);
      if (channel !== undefined && done(channel)) continue;
      if (channel === undefined && this.#feed.isPrepared) {
        throw new AppError("CLIENT_CHANNEL_INVALID", `waiting for "${name}": it is not attached`);
      }
      isDone = false;
      if (channel?.state.name !== "refused" || enough(channel)) continue;
      const { code, message } = channel.state.cause;
      throw new AppError("CLIENT_REFUSED", `channel "${name}" was refused: ${message} (${code})`);
    }
    if (!isDone) this.#throwLasting();
    return isDone;
  }

  #throwLasting(): void {
    const { trouble: cause } = this.#feed;
    if (cause !== undefined && LASTING.has(cause.code)) {
      throw new AppError(cause.code as ErrorCode, cause.message);
    }
    const { state } = this.#wire;
    if (state.name !== "refused") return;
    throw new AppError("CLIENT_REFUSED", `${state.cause.message} (${state.cause.code})`);
  }

  #when(holds: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(check);
        signal?.removeEventListener("abort", check);
      };
      const check = (): void => {
        try {
          if (signal?.aborted === true) throw signal.reason as Error;
          if (this.#isStopped) throw new AppError("CLIENT_CLOSED", "it was stopped");
          if (!holds()) return;
          end();
          resolve();
        } catch (thrown) {
          end();
          const error = thrown as Error;
          reject(error);
        }
      };
      this.#waiting.add(check);
      signal?.addEventListener("abort", check);
      check();
    });
  }
}

export function nothingHeld(channel: string): KeptChannel {
  return { channel, place: NOTHING_HELD, ready: false };
}

function channelStatus(channel: FeedChannel): ChannelStatus {
  const { state, held, serverStatus, staleSince } = channel;
  const ready = held.ready;
  const stale = staleSince === undefined || !ready ? {} : { staleSince };
  switch (state.name) {
    case "detached":
      return { state: "waiting", ready, ...stale };
    case "broken":
      return {
        state: "waiting",
        ready,
        ...stale,
        trouble: trouble(state.cause.code, state.cause.message),
      };
    case "refused": {
      const { code, message, cure } = state.cause;
      return { state: "refused", ready, ...stale, trouble: trouble(code, message, cure) };
    }
    case "attaching":
    case "collecting":
      return { state: ready ? "catchingUp" : "loading", ready, ...stale };
    case "loading":
      return { state: "loading", ready, done: channel.done };
    case "ready": {
      if (serverStatus.state === "ready") return { state: ready ? "live" : "loading", ready };
      const { rowsDone, rowsTotal } = serverStatus;
      return {
        state: serverStatus.state,
        ready,
        ...(rowsDone === undefined ? {} : { done: rowsDone }),
        ...(rowsTotal === undefined ? {} : { total: rowsTotal }),
      };
    }
  }
}
