/**
 * The client's connection as a pure machine: no socket, no clock, no chance; each comes in as an event.
 * connection.ts performs what a state asks for when it is entered.
 *
 *        want            tokenGiven          opened             welcomed
 *   idle ────▶ fetching ───────────▶ opening ───────▶ greeting ──────────▶ live ──┐ stable: attempt = 0
 *    ▲            ▲ │ ▲                 │                 │                 │ │ ◀─┘ goaway: leave later
 *    │ rest       │ │ └──────────────── │ ─── timeUp ──── │ ─────────────── │ ┘
 *    │            │ │ lost              │ lost            │ lost            │ lost
 *    │timeUp, woke│ ▼                   ▼                 ▼                 ▼
 *    │    , retry └─────────────────── waiting ◀──────── may come back ─────┤
 *    │                                                                      │ may not
 *    └── from every state but closed            refused ◀───────────────────┘
 *                                                  └── retry ──▶ fetching
 *   wentOffline: every state that tries ──▶ offline ── wentOnline, timeUp, retry ──▶ fetching
 *   close: every state ──▶ closed, which nothing leaves
 */
import { backoffDelayMs } from "../base/backoff.js";
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
  readonly cure?: string | undefined;
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
  | { readonly name: "opened" }
  | { readonly name: "welcomed" }
  /** The session, the socket, or the token on the way to it. */
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
  /** The state's `delayMs` or `leaveInMs` is over. */
  | { readonly name: "timeUp" }
  | { readonly name: "wentOffline" }
  | { readonly name: "wentOnline" }
  /** Somebody looks at the app again, or the machine slept. */
  | { readonly name: "woke" }
  | { readonly name: "retry" }
  | { readonly name: "close" };

export const IDLE: ConnectionState = { name: "idle" };

const START: ConnectionState = { name: "fetching", attempt: 0 };

/** The state after the event; the same object where the event means nothing in it. */
export function nextConnection(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const { name } = state;
  switch (event.name) {
    case "close":
      return name === "closed" ? state : { name: "closed" };
    case "rest":
      return name === "idle" || name === "closed" ? state : IDLE;
    case "want":
      return name === "idle" ? START : state;
    case "retry":
      return name === "waiting" || name === "offline" || name === "refused" ? START : state;
    case "wentOnline":
      return name === "waiting" || name === "offline" ? START : state;
    case "timeUp":
      if (name === "waiting") return { name: "fetching", attempt: state.attempt };
      return name === "offline" || (name === "live" && state.leaveInMs !== undefined)
        ? START
        : state;
    case "woke":
      return name === "waiting" ? { name: "fetching", attempt: state.attempt } : state;
    default:
      return "attempt" in state ? nextTrying(state, event) : state;
  }
}

/** What a state does that has a connection, or is on its way to one. */
function nextTrying(
  state: Extract<ConnectionState, { attempt: number }>,
  event: ConnectionEvent,
): ConnectionState {
  const { name, attempt } = state;
  switch (event.name) {
    case "wentOffline":
      return { name: "offline", delayMs: OFFLINE_RETRY_MS };
    case "tokenGiven":
      return name === "fetching" ? { name: "opening", attempt, token: event.token } : state;
    case "opened":
      return name === "opening" ? { ...state, name: "greeting" } : state;
    case "welcomed":
      return name === "greeting" ? { name: "live", attempt, leaveInMs: undefined } : state;
    case "lost":
      if (name === "waiting") return state;
      if (!mayReconnect(event.code)) return { name: "refused", cause: event.cause };
      return waiting(attempt, event);
    case "stable":
      return name === "live" && attempt > 0 ? { ...state, attempt: 0 } : state;
    case "goaway":
      return name === "live" ? { ...state, leaveInMs: event.leaveInMs } : state;
    default:
      return state;
  }
}

/** The attempt counts from the first failure on; a hint of the server comes on top of the share. */
function waiting(
  attempt: number,
  { retryInMs, cause, jitter }: Extract<ConnectionEvent, { name: "lost" }>,
): ConnectionState {
  const delayMs = retryInMs + backoffDelayMs(BACKOFF, attempt, { next: () => jitter });
  return { name: "waiting", attempt: attempt + 1, delayMs, cause };
}
