/** What an app is shown of a sync: one value per connection and per channel, with the reason and what to do. */
import type { ConnectionState } from "./connection-state.js";
import { HINTS } from "./hints.js";

export type ConnectionStatus =
  /** Nothing asked for the connection yet. */
  | { readonly state: "idle" }
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  /** Between two tries. */
  | {
      readonly state: "waiting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly code: string;
      readonly message: string;
    }
  /** The platform says that there is no network. */
  | { readonly state: "offline" }
  /** The server asked not to come back as things are: `reconnect()` when that changed. */
  | {
      readonly state: "refused";
      readonly code: string;
      readonly message: string;
      readonly cure: string;
    }
  | { readonly state: "closed" };

export interface Trouble {
  readonly code: string;
  readonly message: string;
  /** What to do. */
  readonly cure: string;
}

export interface ChannelStatus {
  /**
   * `waiting`: not on the wire now (no connection, or a pause after a failure). `loading`: the first content
   * comes page by page. `catchingUp`: what was missed comes, and shows at once when it is whole. `live`:
   * follows. `copying`, `rederiving`: live, but the server itself has not all of it yet. `refused`: see `trouble`.
   */
  readonly state:
    "waiting" | "loading" | "catchingUp" | "live" | "copying" | "rederiving" | "refused";
  /** The store had the whole content once: what it shows is complete, if perhaps old. */
  readonly ready: boolean;
  /** While loading: entries applied. While copying or rederiving: rows the server has done. */
  readonly done?: number;
  readonly total?: number;
  /** Since when a ready channel does not follow, milliseconds since 1970; unknown before the first connection. */
  readonly staleSince?: number;
  readonly trouble?: Trouble;
}

export interface SyncStatus {
  readonly connection: ConnectionStatus;
  /** Sources that the server itself is behind on, with the instant (ms since 1970; 0: never in its run) of the last proof. */
  readonly staleSources: ReadonlyMap<string, number>;
  readonly channels: ReadonlyMap<string, ChannelStatus>;
  /** What keeps the whole sync from going on: the store, or another instance that took it. */
  readonly trouble?: Trouble;
}

export function connectionStatus(state: ConnectionState): ConnectionStatus {
  switch (state.name) {
    case "fetching":
    case "opening":
    case "greeting":
      return { state: "connecting" };
    case "waiting":
      return { state: "waiting", attempt: state.attempt, delayMs: state.delayMs, ...state.cause };
    case "refused":
      return { state: "refused", ...trouble(state.cause.code, state.cause.message) };
    case "idle":
    case "live":
    case "offline":
    case "closed":
      return { state: state.name };
  }
}

export function trouble(code: string, message: string, cure?: string): Trouble {
  return {
    code,
    message,
    cure: cure ?? HINTS[code] ?? "Read the message; src/ERRORS.md has more.",
  };
}
