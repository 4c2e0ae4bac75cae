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

export class FeedChannel {
  readonly name: string;
  /** Received since the last page or commit, and not put aside. */
  batches: EntryBatch[] = [];
  bytes = 0;
  serverStatus: ChannelStatus = { state: "ready" };
  /** Set while a ready channel does not follow. */
  staleSince: number | undefined;
  readonly #from: AttachFrom;
  /** Bytes of each batch. */
  #sizes: number[] = [];
  #held: KeptChannel;
  #state: AttachmentState = DETACHED;
  #staged = false;
  #handed = false;
  #ready: boolean;
  #attempt = 0;
  #done = 0;
  #pending = 0;
  #cancelRetry: (() => void) | undefined;
  /** A refusal of this side outlives the session. */
  #refusal: Cause | undefined;

  constructor(held: KeptChannel, from: AttachFrom) {
    this.name = held.channel;
    this.#held = held;
    this.#from = from;
    this.#ready = held.ready;
  }

  get held(): KeptChannel {
    return this.#held;
  }

  get state(): AttachmentState {
    return this.#state;
  }

  /** Received, not perhaps applied: its content was whole once. */
  get isReady(): boolean {
    return this.#ready;
  }

  get isStaged(): boolean {
    return this.#staged;
  }

  /** Failures since the last unit that took effect. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Entries that took effect while loading. */
  get done(): number {
    return this.#done;
  }

  get hasPlace(): boolean {
    return this.#held.ready || this.#held.place.serial > 0;
  }

  /** Applied, or on its way to be. */
  get hasContent(): boolean {
    return this.#handed || this.#held.place.serial > 0;
  }

  get isOnWire(): boolean {
    return "id" in this.#state;
  }

  /** Entries that come now are to be kept. */
  get collects(): boolean {
    const { name } = this.#state;
    return name === "loading" || name === "collecting" || name === "ready";
  }

  /** This side will not keep it. */
  get isRefusedHere(): boolean {
    return this.#refusal !== undefined;
  }

  get isDue(): boolean {
    if (this.#cancelRetry !== undefined || this.#refusal !== undefined) return false;
    return this.#state.name === "detached" || this.#state.name === "broken";
  }

  offer(): AttachChannel {
    const from = this.hasPlace ? this.#held.place : this.#from;
    return this.#isPaged
      ? { channel: this.name, from, loading: true }
      : { channel: this.name, from };
  }

  sent(id: number): void {
    const held = this.hasPlace ? this.#held.place.serial : 0;
    // What made it ready may have been lost on its way to the store: then it is loaded again.
    this.#ready = this.#held.ready;
    this.move({ name: "sent", id, paged: this.#isPaged, held });
    this.#done = 0;
  }

  move(event: AttachmentEvent): void {
    this.#state = nextAttachment(this.#state, event);
    if (this.#state.name === "ready") {
      this.#ready = true;
      this.staleSince = undefined;
    } else if (this.#state.name === "broken") {
      this.#attempt += 1;
    } else if (event.name === "cut" && this.#refusal !== undefined) {
      this.#state = { name: "refused", cause: this.#refusal };
    }
  }

  refuse(cause: Cause): void {
    this.#refusal = cause;
    this.move({ name: "refusal", cause });
  }

  /** A ready channel whose unit is too large is loaded page by page from the place it has. */
  goPaged(): void {
    this.#held = { ...this.#held, ready: false };
    this.#ready = false;
    this.move({ name: "cut" });
  }

  /** Its entries are in a unit now. */
  handed(kind: "page" | "commit"): void {
    if (kind === "page")
      this.#pending = this.batches.reduce((sum, { entries }) => sum + entries.length, 0);
    this.#handed = true;
    this.forget();
  }

  applied(held: KeptChannel): void {
    this.#held = held;
    this.#attempt = 0;
    this.#done += this.#pending;
    this.#pending = 0;
  }

  collect(batch: EntryBatch, bytes: number): void {
    this.batches.push(batch);
    this.#sizes.push(bytes);
    this.bytes += bytes;
  }

  /** Takes the oldest batches out, of at least `bytes` together if there is so much. */
  aside(bytes: number): { readonly batches: readonly EntryBatch[]; readonly bytes: number } {
    let count = 0;
    let taken = 0;
    while (taken < bytes && count < this.#sizes.length) {
      taken += this.#sizes[count] ?? 0;
      count += 1;
    }
    this.#sizes.splice(0, count);
    this.bytes -= taken;
    this.#staged ||= count > 0;
    return { batches: this.batches.splice(0, count), bytes: taken };
  }

  forget(): void {
    this.batches = [];
    this.#sizes = [];
    this.bytes = 0;
    this.#staged = false;
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

  get #isPaged(): boolean {
    return !this.#held.ready;
  }
}
