/** The form of an entry of the error catalogue. */

export type Disposition = "retry" | "resync" | "reject" | "fatal";

export interface ErrorEntry {
  readonly disposition: Disposition;
  readonly cause: string;
  readonly cure: string;
  /** The WebSocket close code with which a client sees it, if it ends a session. */
  readonly close?: number;
}

export function entry(
  disposition: Disposition,
  cause: string,
  cure: string,
  close?: number,
): ErrorEntry {
  return close === undefined ? { disposition, cause, cure } : { disposition, cause, cure, close };
}
