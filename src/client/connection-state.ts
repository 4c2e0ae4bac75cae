/**
 * The client's connection as a pure machine: no socket, no clock, no chance; each comes in as an event.
 * connection.ts performs what a state asks for when it is entered.
 *
 *        want            tokenGiven          opened             welcomed
 *   idle ────▶ fetching ───────────▶ opening ───────▶ greeting ──────────▶ live ──┐ stable: attempt = 0
 *    ▲            ▲ │ ▲                 │                 │                 │ │ ◀─┘ goaway: leave later
 *    │ rest       │ │ └──────────────── │ ─── leave ───── │ ─────────────── │ ┘
 *    │            │ │ tokenFailed       │ lost            │ lost            │ lost
 *    │timeUp, woke│ ▼                   ▼                 ▼                 ▼
 *    │    , retry └─────────────────── waiting ◀──────── may come back ─────┤
 *    │                                                                      │ may not
 *    └── from every state but closed            refused ◀───────────────────┘
 *                                                  └── retry ──▶ fetching
 *   wentOffline: every state that tries ──▶ offline ── wentOnline, timeUp, retry ──▶ fetching
 *   close: every state ──▶ closed, which nothing leaves
 */
import { backoffDelayMs } from "../base/backoff.js";
import { unreachable } from "../base/assert.js";
import { mayReconnect } from "../protocol/close-codes.js";

/** Rule 22: 0.5 s doubling to 20 s, each delay a random share of it. */
export const BACKOFF = { baseMs: 500, maxMs: 20_000 };

/** A platform that says "offline" is asked again after this time: some say so and are wrong. */
export const OFFLINE_RETRY_MS = 30_000;

/** Why a connection is not there. */
export interface Cause {
  readonly code: string;
  readonly message: string;
  /** What to do, where it is more exact than the code tells. */
  readonly cure?: string;
}

export type ConnectionState =
  | { readonly name: "idle" }
  | { readonly name: "fetching"; readonly attempt: number }
  | { readonly name: "opening"; readonly attempt: number; readonly token: string | undefined }
  | { readonly name: "greeting"; readonly attempt: number; readonly token: string | undefined }
  | { readonly name: "live"; readonly attempt: number; readonly leaveInMs: number | undefined }
  | {
      readonly name: "waiting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly cause: Cause;
    }
  | { readonly name: "offline"; readonly delayMs: number }
  | { readonly name: "refused"; readonly cause: Cause }
  | { readonly name: "closed" };

export type ConnectionEvent =
  | { readonly name: "want" }
  | { readonly name: "rest" }
  | { readonly name: "tokenGiven"; readonly token: string | undefined }
  | { readonly name: "tokenFailed"; readonly cause: Cause; readonly jitter: number }
  | { readonly name: "opened" }
  | { readonly name: "welcomed" }
  | {
      readonly name: "lost";
      /** Close code; 1006 where there was none. */
      readonly code: number;
      readonly retryInMs: number;
      readonly cause: Cause;
      /** In [0, 1). */
      readonly jitter: number;
    }
  | { readonly name: "stable" }
  | { readonly name: "goaway"; readonly leaveInMs: number }
  | { readonly name: "leave" }
  | { readonly name: "timeUp" }
  | { readonly name: "wentOffline" }
  | { readonly name: "wentOnline" }
  /** Somebody looks at the app again, or the machine slept. */
  | { readonly name: "woke" }
  | { readonly name: "retry" }
  | { readonly name: "close" };

export const IDLE: ConnectionState = { name: "idle" };

/** The state after the event; the same object where the event means nothing in it. */
export function nextConnection(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  if (state.name === "closed") return state;
  if (event.name === "close") return { name: "closed" };
  if (event.name === "rest") return state.name === "idle" ? state : IDLE;
  switch (state.name) {
    case "idle":
      return event.name === "want" ? { name: "fetching", attempt: 0 } : state;
    case "fetching":
      return nextFetching(state, event);
    case "opening":
      if (event.name !== "opened") return nextTrying(state, event);
      return { name: "greeting", attempt: state.attempt, token: state.token };
    case "greeting":
      if (event.name !== "welcomed") return nextTrying(state, event);
      return { name: "live", attempt: state.attempt, leaveInMs: undefined };
    case "live":
      return nextLive(state, event);
    case "waiting":
      if (event.name === "wentOffline") return offline();
      if (event.name === "retry" || event.name === "wentOnline")
        return { name: "fetching", attempt: 0 };
      return event.name === "timeUp" || event.name === "woke"
        ? { name: "fetching", attempt: state.attempt }
        : state;
    case "offline":
      return event.name === "wentOnline" || event.name === "timeUp" || event.name === "retry"
        ? { name: "fetching", attempt: 0 }
        : state;
    case "refused":
      return event.name === "retry" ? { name: "fetching", attempt: 0 } : state;
    default:
      return unreachable(state);
  }
}

function nextFetching(
  state: Extract<ConnectionState, { name: "fetching" }>,
  event: ConnectionEvent,
): ConnectionState {
  if (event.name === "wentOffline") return offline();
  if (event.name === "tokenGiven") {
    return { name: "opening", attempt: state.attempt, token: event.token };
  }
  return event.name === "tokenFailed"
    ? waiting(state.attempt, event.cause, 0, event.jitter)
    : state;
}

/** What ends every state that has a socket. */
function nextTrying<State extends ConnectionState & { readonly attempt: number }>(
  state: State,
  event: ConnectionEvent,
): ConnectionState {
  if (event.name === "wentOffline") return offline();
  if (event.name !== "lost") return state;
  if (!mayReconnect(event.code)) return { name: "refused", cause: event.cause };
  return waiting(state.attempt, event.cause, event.retryInMs, event.jitter);
}

function nextLive(
  state: Extract<ConnectionState, { name: "live" }>,
  event: ConnectionEvent,
): ConnectionState {
  switch (event.name) {
    case "stable":
      return state.attempt === 0 ? state : { ...state, attempt: 0 };
    case "goaway":
      return { ...state, leaveInMs: event.leaveInMs };
    case "leave":
      return state.leaveInMs === undefined ? state : { name: "fetching", attempt: 0 };
    default:
      return nextTrying(state, event);
  }
}

/** The attempt counts from the first failure on; a hint of the server comes on top of the share. */
function waiting(attempt: number, cause: Cause, hintMs: number, jitter: number): ConnectionState {
  const delayMs = hintMs + backoffDelayMs(BACKOFF, attempt, { next: () => jitter });
  return { name: "waiting", attempt: attempt + 1, delayMs, cause };
}

function offline(): ConnectionState {
  return { name: "offline", delayMs: OFFLINE_RETRY_MS };
}
