/** One channel as a draft sees and changes it: its serial, and what the changes did to its feeders. */
import { assert } from "../base/assert.js";
import type { ChannelKind } from "../model/table.js";
import { feedTable } from "./document-key.js";
import type { FeedId } from "./document-key.js";
import type { HeadState } from "./head-state.js";
import { withCounts } from "./head-state.js";

interface CountChange {
  /** The count began again from 0 in this unit. */
  reset: boolean;
  delta: number;
}

const NO_COUNTS: ReadonlyMap<FeedId, number> = new Map();

export class DraftHead {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly epoch: number;
  /** Serial before the unit; 0 in a huge unit, where serials are ordinals until the commit. */
  readonly from: number;
  serial: number;
  /** Serial before the part that is being written. */
  begin: number;
  /** Bytes that the unit adds to an `events` channel. */
  added = 0;
  #base: HeadState | undefined;
  #changes: Map<FeedId, CountChange> | undefined;

  constructor(
    name: string,
    kind: ChannelKind,
    at: { readonly epoch: number; readonly from: number; readonly base: HeadState | undefined },
  ) {
    this.name = name;
    this.kind = kind;
    this.epoch = at.epoch;
    this.from = at.from;
    this.serial = at.from;
    this.begin = at.from;
    this.#base = at.base;
  }

  get isTouched(): boolean {
    return this.serial > this.from || this.#changes !== undefined;
  }

  /** The feeder is there from now on, with `delta` more documents. */
  feed(feed: FeedId, delta: number): void {
    const known = this.#changes?.get(feed);
    if (known !== undefined) {
      known.delta += delta;
      return;
    }
    if (delta === 0 && this.#base?.feeds.has(feed) === true) return;
    this.#changes ??= new Map();
    this.#changes.set(feed, { reset: false, delta });
  }

  /** The feeder has no documents any more. */
  clear(feed: FeedId): void {
    this.#changes ??= new Map();
    this.#changes.set(feed, { reset: true, delta: 0 });
  }

  /** Documents of the feeder; undefined where it does not feed the channel. */
  count(feed: FeedId): number | undefined {
    const before = this.#base?.feeds.get(feed);
    const change = this.#changes?.get(feed);
    if (change === undefined) return before;
    const count = (change.reset ? 0 : (before ?? 0)) + change.delta;
    return count > 0 || this.kind === "events" ? Math.max(0, count) : undefined;
  }

  feeders(): Set<FeedId> {
    const feeds = new Set<FeedId>(this.#base?.feeds.keys());
    for (const feed of this.#changes?.keys() ?? []) feeds.add(feed);
    for (const feed of feeds) if (this.count(feed) === undefined) feeds.delete(feed);
    return feeds;
  }

  /** Whether nobody but `feed` feeds its table here. */
  isSole(feed: FeedId): boolean {
    const table = feedTable(feed);
    for (const other of this.feeders()) {
      if (other !== feed && feedTable(other) === table) return false;
    }
    return true;
  }

  /** The feeders whose tables were emptied. */
  cleared(): FeedId[] {
    return [...(this.#changes ?? [])].filter(([, { reset }]) => reset).map(([feed]) => feed);
  }

  /** Sees what was appended since the draft began: the changes now count from there. */
  rebase(base: HeadState | undefined): void {
    assert(
      base === undefined || base.kind === this.kind,
      () => `channel ${this.name} is of kind ${base?.kind ?? ""} and of kind ${this.kind}`,
    );
    this.#base = base;
  }

  /** Counts of the touched feeders after the unit. */
  counts(): ReadonlyMap<FeedId, number> {
    if (this.#changes === undefined) return NO_COUNTS;
    const counts = new Map<FeedId, number>();
    for (const feed of this.#changes.keys()) counts.set(feed, this.count(feed) ?? 0);
    return counts;
  }

  /** The head after the unit, whose last entry here has `serial`. */
  after(serial: number, epoch: number, counts: ReadonlyMap<FeedId, number>): HeadState {
    const { kind } = this;
    const feeds = withCounts(this.#base?.feeds ?? new Map<FeedId, number>(), counts, kind);
    return { kind, epoch, serial, written: (this.#base?.written ?? 0) + this.added, feeds };
  }
}
