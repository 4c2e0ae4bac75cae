/** What a broker is made of; tests and compose hand it in. */
import type { RequestListener } from "node:http";
import type { Clock, Random } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { JournalReader } from "../journal/journal.js";
import type { AuthOptions } from "./auth/authenticator.js";
import type { ParsePosition } from "./broker-context.js";
import type { BrokerLimits } from "./broker-limits.js";
import type { BrokerMetrics } from "./metrics.js";

export interface BrokerOptions {
  readonly reader: JournalReader;
  /** Without `auth` the host must be loopback. Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Path of the WebSocket; default `/v1`. */
  readonly path?: string;
  /** Names of all sources: for `until`, and so that one that never came up is stale. */
  readonly sources: readonly string[];
  /** For `until`; throws where the text is no position of the source. */
  readonly parsePosition: ParsePosition;
  /** Undefined: everybody is let in, from this machine alone. */
  readonly auth?: AuthOptions;
  /** Origins of web pages that may connect. Default: any with `auth`, those of this machine without. */
  readonly origins?: readonly string[];
  /** Answers plain HTTP on the same port (health paths); default 404. */
  readonly onRequest?: RequestListener;
  readonly onListening?: (address: { readonly host: string; readonly port: number }) => void;
  /** See broker-limits.ts. */
  readonly limits?: Partial<BrokerLimits>;
  readonly metrics?: BrokerMetrics;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}
