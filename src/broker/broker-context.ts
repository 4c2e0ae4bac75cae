/** What the parts of one broker share. Made once, by createBroker. */
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { JournalReader } from "../journal/journal.js";
import type { Authenticator } from "./auth/authenticator.js";
import type { BrokerLimits } from "./broker-limits.js";
import type { Freshness } from "./freshness.js";
import type { Hub } from "./hub.js";
import type { BrokerMetrics } from "./metrics.js";
import type { SchemaFrames } from "./schema-frames.js";
import type { Outbox } from "./outbox.js";
import type { Session } from "./session.js";
import type { SharedReads } from "./shared-reads.js";
import type { Slots } from "./slots.js";
import type { TimerWheel } from "./timer-wheel.js";

/** Reads a position as a source's users write it into the form that sorts; throws where it cannot. */
export type ParsePosition = (source: string, text: string) => string;

export interface BrokerContext {
  readonly reader: JournalReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: BrokerLimits;
  readonly metrics: BrokerMetrics;
  readonly hub: Hub;
  readonly wheel: TimerWheel;
  readonly schemas: SchemaFrames;
  /** Reads of the journal for single sessions: catch-ups and histories. */
  readonly reads: Slots;
  readonly shared: SharedReads;
  readonly outbox: Outbox;
  readonly authenticator: Authenticator;
  readonly freshness: Freshness;
  readonly sources: ReadonlySet<string>;
  readonly parsePosition: ParsePosition;
  readonly sessions: Set<Session>;
  /** Those of them that were not welcomed yet. */
  readonly unknown: Set<Session>;
  /** Ends the broker: something of ours is wrong. */
  readonly fail: (error: unknown) => void;
}
