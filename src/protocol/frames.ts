/**
 * The frames of `changecast.v1` as types. PROTOCOL.md says what they mean; codec.ts refuses what these
 * types do not allow. Field `t` names the frame.
 */
import type { Op } from "../model/entry.js";
import type { Place } from "../model/place.js";
import type { TableSchema } from "../model/table.js";

export const SUBPROTOCOL = "changecast.v1";
export const PROTOCOL_VERSION = 1;

// ---------------------------------------------------------------- client to server

export type ClientFrame =
  HelloFrame | AttachFrame | DetachFrame | TokenFrame | HistoryFrame | UntilFrame | PingFrame;

export interface HelloFrame {
  readonly t: "hello";
  readonly v: number;
  /** JWT or API key. */
  readonly token?: string | undefined;
  /** Name and version of the client, for logs. */
  readonly client?: string;
}

export interface AttachFrame {
  readonly t: "attach";
  /** Chosen by the client, above every earlier id of the session; names the request in `attached` and `error`. */
  readonly id: number;
  readonly channels: readonly AttachChannel[];
}

export interface AttachChannel {
  readonly channel: string;
  readonly from: AttachFrom;
  /**
   * The client's store was never told `ready` for this channel: content comes page by page. Where `from` is
   * not a place it always does.
   */
  readonly loading?: boolean | undefined;
}

/** A place; `"start"` for everything there is; for `events` also `"now"` or the last n entries. */
export type AttachFrom = Place | "start" | "now" | { readonly last: number };

export interface DetachFrame {
  readonly t: "detach";
  readonly channels: readonly string[];
}

export interface TokenFrame {
  readonly t: "token";
  readonly token: string;
}

/** One page of an `events` channel: the newest below `before`, the oldest above `after`, or the newest. */
export interface HistoryFrame {
  readonly t: "history";
  readonly id: number;
  readonly channel: string;
  readonly before?: number;
  readonly after?: number;
  readonly limit: number;
}

export interface UntilFrame {
  readonly t: "until";
  readonly id: number;
  readonly source: string;
  /** As the source's users write it, e.g. `0/16B3748` for Postgres. */
  readonly position: string;
}

export interface PingFrame {
  readonly t: "ping";
}

// ---------------------------------------------------------------- server to client

export type ServerFrame =
  | WelcomeFrame
  | AttachedFrame
  | DetachedFrame
  | RenewedFrame
  | SchemaFrame
  | ChangesFrame
  | PageFrame
  | CommitFrame
  | StatusFrame
  | StaleFrame
  | FreshFrame
  | HistoryPageFrame
  | ReachedFrame
  | ErrorFrame
  | GoawayFrame
  | PongFrame
  | HeartbeatFrame;

export interface WelcomeFrame {
  readonly t: "welcome";
  readonly v: number;
  readonly session: string;
  readonly run: string;
  /** The server sends something at least this often. */
  readonly heartbeatMs: number;
  readonly limits: SessionLimits;
  /** When the token ends, milliseconds since 1970. */
  readonly expiresAt?: number;
}

export interface SessionLimits {
  readonly frameBytesMax: number;
  readonly channelsMax: number;
  readonly attachChannelsMax: number;
  readonly historyLimitMax: number;
}

/** How an attached channel is brought up to date (PROTOCOL.md). */
export type AttachedHow = "resumed" | "delta" | "snapshot" | "gap";

/** Answers `attach`; sent again, with the same id, where the server must begin a channel again. */
export interface AttachedFrame {
  readonly t: "attached";
  readonly id: number;
  readonly channels: readonly AttachedChannel[];
}

export interface AttachedChannel {
  readonly channel: string;
  readonly epoch: number;
  readonly how: AttachedHow;
  /** The serial after which entries follow: the client's own, 0 for a snapshot, the floor after a gap. */
  readonly after: number;
  readonly status: ChannelStatus;
}

export interface DetachedFrame {
  readonly t: "detached";
  readonly channels: readonly string[];
}

/** Answers `token`. */
export interface RenewedFrame {
  readonly t: "renewed";
  /** When the new token ends, milliseconds since 1970. */
  readonly expiresAt?: number;
}

export type SchemaFrame = { readonly t: "schema" } & TableSchema;

export interface ChangesFrame {
  readonly t: "changes";
  readonly channel: string;
  readonly table: string;
  readonly schema: number;
  /** Log number from which entries count. */
  readonly base: number;
  readonly entries: readonly WireEntry[];
}

/** [serial, log − base, index, op, values…], in serial order: all columns for `i`, `u`; key columns for `d`, `m`; none for `t`, `g`. */
export type WireEntry = readonly [
  serial: number,
  logDelta: number,
  index: number,
  op: Op,
  ...values: unknown[],
];

/** Closes one page of a loading channel: its collected entries take effect now, on their own. */
export interface PageFrame {
  readonly t: "page";
  readonly channel: string;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  /** Log number of the view that was read: goes into the place, with the session's run. */
  readonly log: number;
}

/** Every ready channel of the session, those in `ready` included, now holds exactly `at`. */
export interface CommitFrame {
  readonly t: "commit";
  readonly at: number;
  /** Present in the first commit of a session, and where it differs from the one told last. */
  readonly run?: string;
  /** Channels whose collected entries take effect now: [channel, epoch, from, to]. */
  readonly moved: readonly (readonly [channel: string, epoch: number, from: number, to: number])[];
  /** Channels that are ready from now on; absent when there are none. */
  readonly ready?: readonly string[];
}

export interface ChannelStatus {
  readonly state: "ready" | "copying" | "rederiving";
  readonly rowsDone?: number;
  readonly rowsTotal?: number;
}

export type StatusFrame = { readonly t: "status"; readonly channel: string } & ChannelStatus;

export interface StaleFrame {
  readonly t: "stale";
  readonly source: string;
  /** When the source last proved to be read to its head, milliseconds since 1970; 0 for never in this run. */
  readonly since: number;
}

export interface FreshFrame {
  readonly t: "fresh";
  readonly source: string;
}

export interface HistoryPageFrame {
  readonly t: "historyPage";
  readonly id: number;
  readonly channel: string;
  readonly epoch: number;
  readonly floor: number;
  readonly head: number;
  readonly more: boolean;
  /** As in `changes`, grouped by table and schema, in serial order. */
  readonly groups: readonly Omit<ChangesFrame, "t" | "channel">[];
}

export interface ReachedFrame {
  readonly t: "reached";
  readonly id: number;
}

export interface ErrorFrame {
  readonly t: "error";
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly cure?: string;
  /** The request it answers. */
  readonly id?: number;
  /** The channels it is about. */
  readonly channels?: readonly string[];
  readonly retryInMs?: number;
}

export interface GoawayFrame {
  readonly t: "goaway";
  readonly reconnectWithinMs: number;
}

export interface PongFrame {
  readonly t: "pong";
}

export interface HeartbeatFrame {
  readonly t: "heartbeat";
}
