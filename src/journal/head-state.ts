/** What is known of a channel's end: the writer's part of the one record per channel. */
import type { ChannelKind } from "../model/table.js";
import type { FeedId } from "./document-key.js";

export interface HeadState {
  readonly kind: ChannelKind;
  readonly epoch: number;
  readonly serial: number;
  /** Bytes of all bodies ever put into an `events` channel; 0 for `state`. */
  readonly written: number;
  /**
   * Documents that each (rule, relation, table) has in the channel. A feeder of a `state` channel goes with
   * its last document; one of an `events` channel stays, with 0.
   */
  readonly feeds: ReadonlyMap<FeedId, number>;
}

/** `feeds` with the counts of a unit set; the same map where nothing changes. */
export function withCounts(
  feeds: ReadonlyMap<FeedId, number>,
  counts: ReadonlyMap<FeedId, number>,
  kind: ChannelKind,
): ReadonlyMap<FeedId, number> {
  if (counts.size === 0) return feeds;
  const made = new Map(feeds);
  for (const [feed, count] of counts) {
    if (count > 0 || kind === "events") made.set(feed, Math.max(0, count));
    else made.delete(feed);
  }
  return made;
}

/** The epoch of a channel that gets an entry in unit `log`: a channel is born with its first entry. */
export function epochOf(head: HeadState | undefined, log: number): number {
  return head === undefined || head.serial === 0 ? log : head.epoch;
}
