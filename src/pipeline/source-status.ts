/** What operators see of one source at any moment. */
import type { SourceLag } from "../connector/connector.js";

/** `waiting`: the last try failed, the next one comes after a delay. `stopped`: before the start and after the end. */
export type SourceState = "stopped" | "connecting" | "copying" | "streaming" | "waiting";

export interface SourceStatus {
  readonly source: string;
  readonly state: SourceState;
  /** 0 before the first session. */
  readonly generation: number;
  /** As last made durable; "" before that. */
  readonly position: string;
  /** How far the source was ahead when it was last asked; undefined where it cannot tell. */
  readonly lag: SourceLag | undefined;
  /** Of the last failed try; undefined while all is well. */
  readonly lastError: SourceFailure | undefined;
  /** Sessions opened since the start. */
  readonly connects: number;
}

export interface SourceFailure {
  readonly code: string;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}
