/** One channel of a feed: what is applied, what was received since, and when it may be attached again. */
import type { Clock } from "../base/clock.js";
import type { AttachChannel, AttachFrom, ChannelStatus } from "../protocol/frames.js";
import {
  type AttachmentEvent,
  type AttachmentState,
  DETACHED,
  nextAttachment,
} from "./attachment-state.js";
import type { Cause } from "./connection-state.js";
import type { EntryBatch, KeptChannel } from "./stores/store.js";

/** Fields are for others to read; its own methods write them. */
export class FeedChannel {
  readonly name: string;
  /** Applied. */
  held: KeptChannel;
  /** Received. */
  state: AttachmentState = DETACHED;
  /** Received, not perhaps applied: its content was whole once. */
  isReady: boolean;
  isStaged = false;
  /** Of what was collected. */
  bytes = 0;
  serverStatus: ChannelStatus = { state: "ready" };
  /** Set while a ready channel does not follow. */
  staleSince: number | undefined;
  /** Failures since the last unit that took effect. */
  attempt = 0;
  /** Entries that took effect while loading. */
  done = 0;
  /** Why this side will not keep it, which outlives the session. */
  refusal: Cause | undefined;
  /** Received since the last page or commit, and not put aside. */
  readonly #batches: EntryBatch[] = [];
  readonly #from: AttachFrom;
  #handed = false;
  #cancelRetry: (() => void) | undefined;

  constructor(held: KeptChannel, from: AttachFrom) {
    this.name = held.channel;
    this.held = held;
    this.isReady = held.ready;
    this.#from = from;
  }

  get hasPlace(): boolean {
    return this.held.ready || this.held.place.serial > 0;
  }

  /** Applied, or on its way to be. */
  get hasContent(): boolean {
    return this.#handed || this.held.place.serial > 0;
  }

  get isOnWire(): boolean {
    return "id" in this.state;
  }

  /** Entries that come now are to be kept. */
  get collects(): boolean {
    return "serial" in this.state;
  }

  get isDue(): boolean {
    const { name } = this.state;
    return this.#cancelRetry === undefined && (name === "detached" || name === "broken");
  }

  /** In the attach with this id, as returned. */
  sent(id: number): AttachChannel {
    const { place, ready } = this.held;
    // What made it ready may have been lost on its way to the store: then it is loaded again.
    this.isReady = ready;
    this.move({ name: "sent", id, paged: !ready, held: place.serial });
    this.done = 0;
    const from = this.hasPlace ? place : this.#from;
    return { channel: this.name, from, loading: ready ? undefined : true };
  }

  move(event: AttachmentEvent): void {
    this.state = nextAttachment(this.state, event);
    if (this.state.name === "ready") {
      this.isReady = true;
      this.staleSince = undefined;
    } else if (this.state.name === "broken") {
      this.attempt += 1;
    } else if (event.name === "cut" && this.refusal !== undefined) {
      this.state = { name: "refused", cause: this.refusal };
    }
  }

  refuse(cause: Cause): void {
    this.refusal = cause;
    this.move({ name: "refusal", cause });
  }

  /** A ready channel whose unit is too large is loaded page by page from the place it has. */
  goPaged(): void {
    this.held = { ...this.held, ready: false };
    this.isReady = false;
    this.move({ name: "cut" });
  }

  /** What was collected goes into a unit. */
  handed(): readonly EntryBatch[] {
    this.#handed = true;
    return this.forget();
  }

  applied({ channel, place, ready }: KeptChannel, batches: readonly EntryBatch[]): void {
    this.held = { channel, place, ready };
    this.attempt = 0;
    for (const { entries } of batches) this.done += entries.length;
  }

  collect(batch: EntryBatch, bytes: number): void {
    this.#batches.push(batch);
    this.bytes += bytes;
  }

  /** What was collected waits in the store for the rest of its unit. */
  stage(): readonly EntryBatch[] {
    const batches = this.forget();
    this.isStaged = true;
    return batches;
  }

  /** Answers what it held. */
  forget(): readonly EntryBatch[] {
    this.bytes = 0;
    this.isStaged = false;
    return this.#batches.splice(0);
  }

  retryAfter(clock: Clock, delayMs: number, run: () => void): void {
    this.cancelRetry();
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#cancelRetry = undefined;
      run();
    });
  }

  cancelRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }
}
