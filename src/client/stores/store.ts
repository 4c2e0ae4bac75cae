/**
 * What a sync needs of a local store. A store holds rows and, per channel, the place they are exact at;
 * both change in one local transaction (I6), so a client that is killed at any instant opens consistent.
 * test/contract/store.contract.ts holds for every implementation.
 *
 * Rows of a `state` table are shared by channels: each row knows which channels it is a member of and the
 * (log, index) of each membership's content. An entry older than the content changes the membership only,
 * and a row goes when its last membership goes (I8). Stores do no I/O before `open`.
 */
import type { Place } from "../../model/place.js";
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";

/** A channel that the store follows, with the place its rows belong to. */
export interface KeptChannel {
  readonly channel: string;
  /** Epoch 0 and serial 0 while nothing came. */
  readonly place: Place;
  /** Its content was whole once. Until then it is loaded page by page. */
  readonly ready: boolean;
}

/** Entries of one channel and table, as a `changes` frame brought them, in serial order. */
export interface EntryBatch {
  readonly channel: string;
  /** The version that the entries follow; may be older than the table's. */
  readonly schema: TableSchema;
  readonly base: number;
  readonly entries: readonly WireEntry[];
}

/** Where a channel stands after a unit. */
export interface ChannelStep extends KeptChannel {
  /**
   * `all`: what the channel held before is replaced by this unit. `after`: of an `events` table, rows of
   * the channel with a serial above `replaceAfter` go first: they belong to a history that is no more.
   */
  readonly replace?: "all" | "after" | undefined;
  readonly replaceAfter?: number;
  /** Parts of this unit were staged. */
  readonly staged?: boolean;
}

/** What changes together: one page of a loading channel, or one commit of all ready ones. */
export interface StoreUnit {
  /** Log number of the commit or the page. */
  readonly at: number;
  /** Tables to create or alter in the same transaction. */
  readonly schemas: readonly TableSchema[];
  /** In the order in which they came. */
  readonly batches: readonly EntryBatch[];
  readonly channels: readonly ChannelStep[];
}

/** What a unit did to one table. */
export interface TableChange {
  /** As the entries said: in a catch-up the newest content of a row comes as `updated` even if it is new here. */
  readonly inserted: number;
  readonly updated: number;
  /** Rows that are gone. */
  readonly deleted: number;
  /** Keys of the rows touched, as their columns' JSON forms; absent above 1,000 rows and where a whole table changed. */
  readonly keys?: readonly (readonly unknown[])[];
}

export type StoreChanges = ReadonlyMap<string, TableChange>;

/** Above this a list of keys costs more than reading the table again. */
export const CHANGED_KEYS_MAX = 1_000;

export interface Store {
  /**
   * Takes the store over: whoever had it open before fails with CLIENT_STORE_TAKEN at its next write.
   * Drops what was staged. Errors: CLIENT_STORE_NEWER, CLIENT_STORE_FAILED.
   */
  open(): Promise<readonly KeptChannel[]>;
  /** Whether rows of this shape can be kept. Errors: CLIENT_TABLE_EXISTS, CLIENT_TABLE_MISFIT, which refuse the table and nothing else. */
  check(schema: TableSchema): Promise<void>;
  /** One local transaction: tables, rows, memberships, places. */
  apply(unit: StoreUnit): Promise<StoreChanges>;
  /** Puts entries of a unit aside until `apply` names their channel as `staged`: they come before those of the unit. Order as they came. */
  stage(batches: readonly EntryBatch[]): Promise<void>;
  /** Forgets what was staged for these channels. Errors: CLIENT_STORE_TAKEN. */
  unstage(channels: readonly string[]): Promise<void>;
  /** One local transaction: the channels' memberships, places, and the rows nobody else holds. */
  detach(channels: readonly string[]): Promise<StoreChanges>;
  /**
   * Tells what changed, after the transaction; all tables where `tables` is undefined. What a listener
   * throws is logged and goes no further. Returns the way to stop it.
   */
  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void;
  /** Waits for what is under way. The database itself stays the app's. */
  close(): Promise<void>;
}

/** A store of a browser's that several tabs share (tabs.ts): one of them writes, all of them read. */
export interface SharedStore extends Store {
  readonly name: string;
  /** Another tab wrote this. */
  heard(changes: StoreChanges): void;
  /** Tells watchers of every table: what was written meanwhile is not known. */
  lookAgain(): Promise<void>;
}
