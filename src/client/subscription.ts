/**
 * Hands an app the entries of channels, a whole unit at a time, with the places to keep together with their
 * effect. The next unit waits for the handler; what a slow handler makes wait is bounded (wire.ts).
 */
import { AppError, errorText } from "../base/errors.js";
import type { Place } from "../model/place.js";
import type { AttachFrom } from "../protocol/frames.js";
import { channelNames, nameOf } from "./channel-choice.js";
import type { Cast, WireCast } from "./client.js";
import { type Entry, entryView } from "./entry-view.js";
import type { FeedUnit, Gap } from "./feed-sink.js";
import { Follower, nothingHeld } from "./follower.js";
import type { SyncStatus } from "./status.js";
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
  /** A `page` is a part of a channel's first content; a `commit` is whole transactions over all ready channels, more of them where the handler is behind. */
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
  const { wire } = cast as WireCast;
  const subscription = new HandlerSubscription(handler, options, wire);
  subscription.start(channels);
  wire.open.add(subscription);
  return subscription;
}

class HandlerSubscription extends Follower<SubscriptionEvents> implements Subscription {
  readonly collectBytesMax: number;
  readonly #handler: UnitHandler;

  constructor(handler: UnitHandler, options: SubscribeOptions, wire: Wire) {
    super(wire);
    this.collectBytesMax = options.unitBytesMax ?? UNIT_BYTES_MAX;
    this.#handler = handler;
  }

  /** Once. */
  start(channels: readonly SubscribeChoice[]): void {
    this.attach(channels);
    this.feed.begin();
  }

  attach(channels: readonly SubscribeChoice[]): void {
    this.mustRun();
    this.wire.claim(this.feed, channelNames(channels));
    this.feed.add(
      channels
        .filter((choice) => {
          const known = this.feed.channels.get(nameOf(choice));
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
    this.feed.remove(channels);
    this.wire.release(this.feed, channels);
    this.moved();
  }

  // -------------------------------------------------------------- as the sink of its feed

  async prepare(): Promise<void> {
    // The handler needs nothing opened.
  }

  async unstage(): Promise<void> {
    // Nothing is ever staged: a unit that is too large goes on page by page.
  }

  async take({ kind, at, batches, channels }: FeedUnit): Promise<void> {
    // News of what is ready, without a place that moved.
    if (channels.length === 0) return;
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
      throw new AppError("CLIENT_HANDLER_FAILED", `handing over log ${at}: ${errorText(cause)}`, {
        cause,
        cure: "Mend the handler; the unit comes again.",
      });
    }
    for (const batch of batches) this.gapsOf(batch);
  }

  protected async ended(): Promise<void> {
    // The handler keeps nothing open.
  }
}
