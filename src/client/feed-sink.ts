/** What a feed needs on its two sides: the session it hears, and whoever makes its units take effect. */
import type { TableSchema } from "../model/table.js";
import type { ClientFrame, SessionLimits } from "../protocol/frames.js";
import type { ChannelStep, EntryBatch } from "./stores/store.js";

/** The session as a feed sees it. */
export interface FeedWire {
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
  /** Entries of ready channels held in memory before `overflow` is asked for. */
  readonly collectBytesMax: number;
  /** Makes the unit take effect. What it throws stops the feed, which attaches again after a delay. */
  take(unit: FeedUnit): Promise<void>;
  /** Takes collected entries out of memory until their unit comes; undefined: such channels go on page by page. */
  readonly stage: ((batches: readonly EntryBatch[]) => Promise<void>) | undefined;
  unstage(channels: readonly string[]): Promise<void>;
  gap(gap: Gap): void;
  /** Something that a status shows has changed. */
  moved(): void;
}
