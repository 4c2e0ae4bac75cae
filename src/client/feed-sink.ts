/** What a feed needs on its two sides: the session it hears, and whoever makes its units take effect. */
import type { Clock, Random } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { TableSchema } from "../model/table.js";
import type { ClientFrame, SessionLimits } from "../protocol/frames.js";
import type { Attacher } from "./attacher.js";
import type { FeedChannel } from "./feed-channel.js";
import type { JobQueue } from "./job-queue.js";
import type { ChannelStep, EntryBatch } from "./stores/store.js";

/** The session as a feed sees it, with time, chance and log. */
export interface FeedWire {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Undefined while none is open. */
  readonly session: { readonly run: string; readonly limits: SessionLimits } | undefined;
  nextId(): number;
  send(frame: ClientFrame): void;
  /** Less waits than before: reading may go on. */
  relieved(): void;
}

export interface FeedUnit {
  /** One page of a loading channel, or one commit of all others. */
  readonly kind: "page" | "commit";
  readonly at: number;
  /** Told since the unit before, whether or not this one has entries of them. */
  readonly schemas: readonly TableSchema[];
  readonly batches: readonly EntryBatch[];
  readonly channels: readonly ChannelStep[];
}

/** Entries of an `events` channel that are lost to this client. */
export interface Gap {
  readonly channel: string;
  /** Serial after which the gap begins, and the one after which entries follow; equal where the source lost history. */
  readonly from: number;
  readonly to: number;
}

export interface FeedSink {
  /** Runs before the first attach, and again after each failure: opens what units go to. */
  prepare(): Promise<void>;
  /** A failure dropped what waited in line. */
  failed?(): void;
  /** Entries of ready channels held in memory before `overflow` is asked for. */
  readonly collectBytesMax: number;
  /** Makes the unit take effect. What it throws stops the feed, which attaches again after a delay. */
  take(unit: FeedUnit): Promise<void>;
  /** Takes collected entries out of memory until their unit comes; without it such channels go on page by page. */
  stage?(batches: readonly EntryBatch[]): Promise<void>;
  unstage(channels: readonly string[]): Promise<void>;
  gap(gap: Gap): void;
  /** Something that a status shows has changed. */
  moved(): void;
}

/** A unit in line. */
export interface OpenUnit {
  readonly kind: FeedUnit["kind"];
  at: number;
  readonly schemas: TableSchema[];
  readonly parts: {
    readonly channel: FeedChannel;
    readonly step: ChannelStep;
    readonly batches: readonly EntryBatch[];
  }[];
}

/** What the parts of a feed share. */
export interface FeedParts {
  readonly wire: FeedWire;
  readonly sink: FeedSink;
  readonly queue: JobQueue<OpenUnit>;
  readonly attacher: Attacher;
  readonly channels: ReadonlyMap<string, FeedChannel>;
  /** The feed can use what an attach would bring. */
  readonly mayAttach: boolean;
  /** A unit took effect. */
  applied(): void;
}
