/** Puts the parts of a broker together, with the defaults of what was not given. Starts nothing. */
import { systemClock } from "../base/clock.js";
import { silentLog } from "../base/log.js";
import { createAuthenticator } from "./auth/authenticator.js";
import type { BrokerContext } from "./broker-context.js";
import { defaultLimits } from "./broker-limits.js";
import type { BrokerLimits } from "./broker-limits.js";
import type { BrokerOptions } from "./broker-options.js";
import { Freshness } from "./freshness.js";
import { Hub } from "./hub.js";
import { noMetrics } from "./metrics.js";
import { Outbox } from "./outbox.js";
import { SchemaFrames } from "./schema-frames.js";
import type { Session } from "./session.js";
import { SharedReads } from "./shared-reads.js";
import { Slots } from "./slots.js";
import { TimerWheel } from "./timer-wheel.js";

/** Resolution of deadlines: an eighth of a heartbeat, within these. */
const TICK_MS_MIN = 10;
const TICK_MS_MAX = 1_000;

export type ContextOptions = Omit<BrokerOptions, "listen" | "path" | "onRequest" | "onListening">;

/** Throws AUTH_SECRET_WEAK. `failure` is aborted with what must end the broker. */
export function createContext(options: ContextOptions): {
  readonly context: BrokerContext;
  readonly failure: AbortController;
} {
  const { reader, clock = systemClock, log = silentLog, metrics = noMetrics } = options;
  const limits: BrokerLimits = { ...defaultLimits, ...options.limits };
  const schemas = new SchemaFrames(reader);
  const reads = new Slots(limits.readsMax);
  const sessions = new Set<Session>();
  const failure = new AbortController();
  const tickMs = Math.min(TICK_MS_MAX, Math.max(TICK_MS_MIN, limits.heartbeatMs / 8));
  const context: BrokerContext = {
    reader,
    clock,
    log,
    limits,
    metrics,
    schemas,
    sessions,
    unknown: new Set<Session>(),
    hub: new Hub({ reader, clock, metrics, schemas, sessions, limits }),
    outbox: new Outbox(),
    wheel: new TimerWheel(clock, tickMs),
    reads,
    shared: new SharedReads({ reader, clock, reads, schemas, limits }),
    authenticator: createAuthenticator(options.auth, clock),
    freshness: new Freshness(options.sources, limits.staleAfterMs, clock),
    sources: new Set(options.sources),
    parsePosition: options.parsePosition,
    fail: (error) => {
      failure.abort(error);
    },
  };
  return { context, failure };
}
