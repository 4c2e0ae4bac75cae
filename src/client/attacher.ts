/**
 * Attaches and detaches the channels of a feed: in lists that fit the session's limits, with delays that grow
 * where a channel does not join on, and only when everything whole has been applied, so that the places
 * offered are the ones that the store has.
 */
import { backoffDelayMs } from "../base/backoff.js";
import { BACKOFF } from "./connection-state.js";
import type { FeedChannel } from "./feed-channel.js";
import type { FeedParts } from "./feed-sink.js";

/** Around a channel in an attach list: its place and punctuation. */
const ITEM_BYTES = 250;
/** Names of 200 bytes must fit a message of 64 KiB. */
const DETACH_CHANNELS_MAX = 100;

export class Attacher {
  readonly #feed: FeedParts;
  #isPlanned = false;

  constructor(feed: FeedParts) {
    this.#feed = feed;
  }

  /** Attaches what is due, once nothing waits to be applied. */
  soon(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#feed.queue.whenIdle(() => {
      this.#isPlanned = false;
      this.#attach();
    });
  }

  /** Not before `hintMs`; later with each failure since the channel last moved. */
  later(channel: FeedChannel, hintMs: number): void {
    const { clock, random } = this.#feed.wire;
    const delayMs = hintMs + backoffDelayMs(BACKOFF, channel.attempt, random);
    channel.retryAfter(clock, delayMs, () => {
      this.soon();
    });
  }

  /** Those that are on the wire. */
  detach(channels: Iterable<FeedChannel>): void {
    const { wire } = this.#feed;
    const names = [...channels].filter(({ isOnWire }) => isOnWire).map(({ name }) => name);
    const max = Math.min(wire.session?.limits.attachChannelsMax ?? 0, DETACH_CHANNELS_MAX);
    // Without a session nothing is attached.
    for (let at = 0; at < names.length && max > 0; at += max) {
      wire.send({ t: "detach", channels: names.slice(at, at + max) });
    }
  }

  #attach(): void {
    const { wire, channels, mayAttach, sink } = this.#feed;
    if (wire.session === undefined || !mayAttach) return;
    const { attachChannelsMax, frameBytesMax } = wire.session.limits;
    let list: FeedChannel[] = [];
    let bytes = 0;
    for (const channel of channels.values()) {
      if (!channel.isDue) continue;
      const size = ITEM_BYTES + 3 * channel.name.length;
      if (list.length >= attachChannelsMax || bytes + size > frameBytesMax) {
        this.#send(list);
        list = [];
        bytes = 0;
      }
      list.push(channel);
      bytes += size;
    }
    this.#send(list);
    sink.moved();
  }

  #send(list: readonly FeedChannel[]): void {
    if (list.length === 0) return;
    const { wire } = this.#feed;
    const id = wire.nextId();
    wire.send({ t: "attach", id, channels: list.map((channel) => channel.sent(id)) });
  }
}
