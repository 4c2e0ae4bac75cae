/** What the broker counts. ops/ implements it over its metrics library; tests read it as it is. */
import type { AttachedHow } from "../protocol/frames.js";

/** Why a session was brought up from the journal instead of from memory. */
export type CatchUpReason = "attach" | "slow" | "huge" | "lost";

export interface BrokerMetrics {
  /** Open sessions, those without a `hello` included. */
  sessions(count: number): void;
  /** Attachments of all sessions. */
  attachments(count: number): void;
  /** What was handed to sockets: called once per write. */
  sent(entries: number, bytes: number): void;
  /** A session's socket filled: it was taken out of the live feed. */
  slow(): void;
  /** A channel was attached. */
  attached(how: AttachedHow): void;
  /** A session began to be brought up from the journal. */
  catchUp(reason: CatchUpReason): void;
  /** A session ended with this WebSocket close code. */
  closed(code: number): void;
  /** A connection was refused before it became a session. */
  refused(reason: string): void;
}

export const noMetrics: BrokerMetrics = {
  sessions: () => undefined,
  attachments: () => undefined,
  sent: () => undefined,
  slow: () => undefined,
  attached: () => undefined,
  catchUp: () => undefined,
  closed: () => undefined,
  refused: () => undefined,
};
