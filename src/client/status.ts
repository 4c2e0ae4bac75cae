/** What an app is shown of a sync: one value per connection and per channel, with the reason and what to do. */
import { AppError, errorText } from "../base/errors.js";
import type { Cause, ConnectionState } from "./connection-state.js";

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
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  /** Since when a ready channel does not follow, milliseconds since 1970; unknown before the first connection. */
  readonly staleSince?: number | undefined;
  readonly trouble?: Trouble | undefined;
}

export interface SyncStatus {
  readonly connection: ConnectionStatus;
  /** Sources that the server itself is behind on, with the instant (ms since 1970; 0: never in its run) of the last proof. */
  readonly staleSources: ReadonlyMap<string, number>;
  readonly channels: ReadonlyMap<string, ChannelStatus>;
  /** What keeps the whole sync from going on: the store, or another instance that took it. */
  readonly trouble?: Trouble | undefined;
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
      return { state: "refused", ...trouble(state.cause) };
    default:
      return { state: state.name };
  }
}

export function trouble({ code, message, cure }: Cause): Trouble {
  return { code, message, cure: cure ?? `See "changecast errors ${code}".` };
}

/** Of what a store or a handler failed with. */
export function causeOf(error: unknown): Cause {
  const isOurs = error instanceof AppError;
  const { code, cure } = isOurs ? error : { code: "CLIENT_HANDLER_FAILED", cure: undefined };
  return { code, message: errorText(error), cure };
}
