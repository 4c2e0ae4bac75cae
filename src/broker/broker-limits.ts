/** Every bound of the broker that can be configured, with its default and its reason. */
import {
  ATTACH_CHANNELS_MAX,
  CLIENT_MESSAGE_BYTES_MAX,
  SESSION_CHANNELS_MAX,
} from "../protocol/limits.js";
import type { Rate } from "./rate-limit.js";

export interface BrokerLimits {
  /** Sessions of the process. Keep it a tenth below the limit of open files. */
  readonly sessionsMax: number;
  /** Sessions of one address; behind a proxy all clients have one. */
  readonly sessionsPerAddressMax: number;
  /** Connections that have not been let in yet. */
  readonly unknownMax: number;
  /** Channels attached by one session. */
  readonly channelsMax: number;
  /** Bytes of one message of a client. */
  readonly messageBytesMax: number;
  /** `hello` is due within this. */
  readonly helloMs: number;
  /** Either side says something at least this often. Below the idle timeout of proxies (60 s). */
  readonly heartbeatMs: number;
  /** A source is stale when it was not proven to be read to its head for longer. */
  readonly staleAfterMs: number;
  /** Frames of one session. */
  readonly frames: Rate;
  /** Channels attached by one session. */
  readonly attaches: Rate;
  /** `history` requests of one session. */
  readonly histories: Rate;
  /** Bytes that may wait in a socket before its session lags. */
  readonly socketBytesMax: number;
  /** Bytes that a session is sent at once of all its channels; more it reads from the journal, page by page. */
  readonly deliveryBytesMax: number;
  /** About the size of one page of a catch-up. */
  readonly pageBytes: number;
  /** Pages that are read from the journal at the same time. */
  readonly readsMax: number;
  /** On stop: clients are asked to leave within this, then closed. */
  readonly drainMs: number;
}

export const defaultLimits: BrokerLimits = {
  sessionsMax: 50_000,
  sessionsPerAddressMax: Infinity,
  unknownMax: 2_000,
  channelsMax: SESSION_CHANNELS_MAX,
  messageBytesMax: CLIENT_MESSAGE_BYTES_MAX,
  helloMs: 5_000,
  heartbeatMs: 25_000,
  staleAfterMs: 30_000,
  frames: { perSecond: 50, burst: 200 },
  attaches: { perSecond: 1_000, burst: Math.max(2_000, ATTACH_CHANNELS_MAX) },
  histories: { perSecond: 10, burst: 40 },
  socketBytesMax: 1024 * 1024,
  deliveryBytesMax: 4 * 1024 * 1024,
  pageBytes: 256 * 1024,
  readsMax: 8,
  drainMs: 5_000,
};
