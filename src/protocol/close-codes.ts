/**
 * WebSocket close codes carry the policy: 4000–4499 mean "come back" (with backoff, and not before the hint
 * in the reason), 4500–4999 "do not, until something changed" (token, request, client version).
 */
export const closeCodes = {
  /** The server goes away: deploy or stop. */
  GOING_AWAY: 4000,
  /** The session fell further behind than the server holds a view for; its place is good. */
  TOO_SLOW: 4001,
  /** Nothing was heard from the client for too long. */
  SILENT: 4002,
  /** Too many sessions for now. */
  OVERLOADED: 4003,
  /** Something failed inside the server. */
  INTERNAL: 4004,
  /** The token ended and was not renewed: come back with a new one. */
  TOKEN_EXPIRED: 4005,
  /** The client sends faster than allowed. */
  RATE_LIMITED: 4006,

  /** A frame broke the protocol. */
  PROTOCOL_ERROR: 4500,
  /** The token is missing, malformed, or signed by somebody else. */
  UNAUTHENTICATED: 4501,
  /** The token does not allow this. */
  FORBIDDEN: 4502,
  /** The server speaks no version that the client does. */
  VERSION_UNSUPPORTED: 4503,
} as const;

export type CloseReason = keyof typeof closeCodes;

/** The first code of "do not come back", by itself: a client needs no list of the others. */
export const LASTING_FROM = 4500;

/** Whether a client may come back by itself. Codes outside both ranges (1006, 1001 …) are network: come back. */
export function mayReconnect(code: number): boolean {
  return code < LASTING_FROM || code > 4999;
}
