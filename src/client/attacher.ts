/**
 * Attaches and detaches the channels of a feed: in lists that fit the session's limits, with delays that grow
 * where a channel does not join on, and only when everything whole has been applied, so that the places
 * offered are the ones that the store has.
 */
import { backoffDelayMs } from "../base/backoff.js";
import type { Clock, Random } from "../base/clock.js";
import { BACKOFF } from "./connection-state.js";
import type { FeedChannel } from "./feed-channel.js";
import type { FeedWire } from "./feed-sink.js";
import type { JobQueue } from "./job-queue.js";

/** Around a channel in an attach list: its place and punctuation. */
const ITEM_BYTES = 250;
/** Names of 200 bytes must fit a message of 64 KiB. */
const DETACH_CHANNELS_MAX = 100;

export interface AttacherParts {
  readonly wire: FeedWire;
  readonly queue: JobQueue;
  readonly channels: ReadonlyMap<string, FeedChannel>;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the feed can use what would come. */
  readonly mayAttach: () => boolean;
  /** Channels were sent. */
  readonly moved: () => void;
}

export class Attacher {
  readonly #parts: AttacherParts;
  #isPlanned = false;

  constructor(parts: AttacherParts) {
    this.#parts = parts;
  }

  /** Attaches what is due, once nothing waits to be applied. */
  soon(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#parts.queue.whenIdle(() => {
      this.#isPlanned = false;
      this.#attach();
    });
  }

  /** Not before `hintMs`; later with each failure since the channel last moved. */
  later(channel: FeedChannel, hintMs: number): void {
    const { clock, random } = this.#parts;
    const delayMs = hintMs + backoffDelayMs(BACKOFF, channel.attempt, random);
    channel.retryAfter(clock, delayMs, () => {
      this.soon();
    });
  }

  detach(names: readonly string[]): void {
    const { session } = this.#parts.wire;
    if (session === undefined) return;
    const max = Math.min(session.limits.attachChannelsMax, DETACH_CHANNELS_MAX);
    for (let at = 0; at < names.length; at += max) {
      this.#parts.wire.send({ t: "detach", channels: names.slice(at, at + max) });
    }
  }

  #attach(): void {
    const { wire, channels, mayAttach, moved } = this.#parts;
    if (wire.session === undefined || !mayAttach()) return;
    const due = [...channels.values()].filter((channel) => channel.isDue);
    const { attachChannelsMax, frameBytesMax } = wire.session.limits;
    let list: FeedChannel[] = [];
    let bytes = 0;
    for (const channel of due) {
      const size = ITEM_BYTES + 3 * channel.name.length;
      if (list.length > 0 && (list.length >= attachChannelsMax || bytes + size > frameBytesMax)) {
        this.#send(list);
        list = [];
        bytes = 0;
      }
      list.push(channel);
      bytes += size;
    }
    if (list.length > 0) this.#send(list);
    if (due.length > 0) moved();
  }

  #send(list: readonly FeedChannel[]): void {
    const { wire } = this.#parts;
    const id = wire.nextId();
    const channels = list.map((channel) => channel.offer());
    for (const channel of list) channel.sent(id);
    wire.send({ t: "attach", id, channels });
  }
}
