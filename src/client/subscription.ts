/**
 * Hands an app the entries of channels, a whole unit at a time, with the places to keep together with their
 * effect. The next unit waits for the handler; what a slow handler makes wait is bounded (wire.ts).
 */
import type { Place } from "../model/place.js";
import type { AttachFrom } from "../protocol/frames.js";
import type { Cast, WireCast } from "./client.js";
import { type Entry, entryView } from "./entry-view.js";
import { Feed } from "./feed.js";
import type { FeedSink, FeedUnit, Gap } from "./feed-sink.js";
import { AppError } from "../base/errors.js";
import { channelNames, Follower, nothingHeld } from "./follower.js";
import type { SyncStatus } from "./status.js";
import type { SyncParts } from "./sync.js";
import type { Wire } from "./wire.js";

/** Default bound of one unit in memory. */
const UNIT_BYTES_MAX = 16 * 1024 * 1024;

export interface KeptPlace {
  readonly place: Place;
  /** The app has had the channel's whole content once; until then it comes page by page. */
  readonly ready: boolean;
}

export type SubscribeChoice =
  | string
  | { readonly channel: string; readonly from: Exclude<AttachFrom, Place> }
  /** Where an earlier subscription left off: as a unit's `places` had it. */
  | ({ readonly channel: string } & KeptPlace);

export interface Unit {
  /** A `page` is a part of a channel's first content; a `commit` is whole transactions over all ready channels. */
  readonly kind: "page" | "commit";
  /** Log number that the places have. */
  readonly at: number;
  /** Of all channels, in (log, index) order. */
  readonly entries: readonly Entry[];
  /** To keep in the same transaction as what the app makes of the entries. */
  readonly places: ReadonlyMap<string, KeptPlace>;
  /** Channels whose content from before no longer counts: these entries replace it. */
  readonly replaced: readonly string[];
}

/** What it throws, or rejects with, hands the unit over again after a delay. */
export type UnitHandler = (unit: Unit) => void | Promise<void>;

export interface SubscribeOptions {
  /** A ready channel whose unit is larger goes on page by page. Default 16 MiB. */
  readonly unitBytesMax?: number;
}

export interface SubscriptionEvents {
  status: SyncStatus;
  gap: Gap;
}

export interface Subscription {
  readonly status: SyncStatus;
  /** Resolves when these channels (default: all) were handed over whole. Rejects where one is refused. */
  ready(channels?: readonly string[]): Promise<void>;
  /** Resolves when the handler has had everything that the source committed up to `position`. */
  until(
    source: string,
    position: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
  /** Errors: CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN. */
  attach(channels: readonly SubscribeChoice[]): void;
  detach(channels: readonly string[]): void;
  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void;
  /** Resolves when the handler is not called any more. */
  stop(): Promise<void>;
}

/** Hands the channels' entries to the handler. Errors: CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN, CLIENT_CLOSED. */
export function subscribe(
  cast: Cast,
  channels: readonly SubscribeChoice[],
  handler: UnitHandler,
  options: SubscribeOptions = {},
): Subscription {
  const { parts } = cast as WireCast;
  const subscription = new HandlerSubscription(handler, options, parts);
  subscription.start(channels);
  parts.open.add(subscription);
  return subscription;
}

class HandlerSubscription implements Subscription, FeedSink {
  readonly collectBytesMax: number;
  readonly stage = undefined;
  readonly #handler: UnitHandler;
  readonly #wire: Wire;
  readonly #open: SyncParts["open"];
  readonly #feed: Feed;
  readonly #follower: Follower<SubscriptionEvents>;
  #stopped: Promise<void> | undefined;

  constructor(handler: UnitHandler, options: SubscribeOptions, parts: SyncParts) {
    const { wire, clock, random, log } = parts;
    this.collectBytesMax = options.unitBytesMax ?? UNIT_BYTES_MAX;
    this.#handler = handler;
    this.#wire = wire;
    this.#open = parts.open;
    this.#feed = new Feed(wire, this, { clock, random, log });
    this.#follower = new Follower(wire, this.#feed, clock, log);
  }

  /** Once. */
  start(channels: readonly SubscribeChoice[]): void {
    this.attach(channels);
    this.#feed.begin();
  }

  get status(): SyncStatus {
    return this.#follower.status;
  }

  ready(channels?: readonly string[]): Promise<void> {
    return this.#follower.ready(channels);
  }

  until(
    source: string,
    position: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#follower.until(source, position, options.signal);
  }

  attach(channels: readonly SubscribeChoice[]): void {
    if (this.#stopped !== undefined) {
      throw new AppError("CLIENT_CLOSED", "this subscription was stopped");
    }
    const names = channelNames(channels.map(nameOf));
    this.#wire.claim(this.#feed, names);
    this.#feed.add(
      channels
        .filter((choice) => {
          const known = this.#feed.channels.get(nameOf(choice));
          return known === undefined || known.state.name === "refused";
        })
        .map((choice) => {
          if (typeof choice === "string") return { held: nothingHeld(choice), from: "start" };
          if ("from" in choice) return { held: nothingHeld(choice.channel), from: choice.from };
          return { held: choice, from: "start" };
        }),
    );
    this.moved();
  }

  detach(channels: readonly string[]): void {
    this.#feed.remove(channels);
    this.#wire.release(this.#feed, channels);
    this.moved();
  }

  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void {
    return this.#follower.listeners.on(name, listener);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  // -------------------------------------------------------------- as the sink of its feed

  async prepare(): Promise<void> {
    // The handler needs nothing opened.
  }

  async unstage(): Promise<void> {
    // Nothing is ever staged: a unit that is too large goes on page by page.
  }

  async take({ kind, at, batches, channels }: FeedUnit): Promise<void> {
    const entries: Entry[] = [];
    for (const { channel, schema, base, entries: list } of batches) {
      for (const entry of list) entries.push(entryView(channel, schema, base, entry));
    }
    // Stable: entries of one channel that share a place keep the order of their serials.
    entries.sort((a, b) => a.log - b.log || a.index - b.index);
    const places = new Map(
      channels.map(({ channel, place, ready }) => [channel, { place, ready }]),
    );
    const replaced = channels
      .filter(({ replace }) => replace === "all")
      .map(({ channel }) => channel);
    try {
      await this.#handler({ kind, at, entries, places, replaced });
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new AppError("CLIENT_HANDLER_FAILED", `handing over log ${at}: ${text}`, { cause });
    }
    for (const { channel, serial, op } of entries) {
      if (op === "g") this.gap({ channel, from: serial, to: serial });
    }
    this.moved();
  }

  gap(gap: Gap): void {
    this.#follower.listeners.tell("gap", gap);
  }

  moved(): void {
    this.#follower.moved();
  }

  async #stop(): Promise<void> {
    // First: whoever waits for channels is told of the end, not that none is missing any more.
    this.#follower.stop();
    await this.#feed.stop();
    this.#wire.leave(this.#feed);
    this.#open.delete(this);
  }
}

function nameOf(choice: SubscribeChoice): string {
  return typeof choice === "string" ? choice : choice.channel;
}
