/** The WebSocket as the client uses it: the platform's own, or a class of the same shape handed in (`ws`). */
import { AppError } from "../base/errors.js";

/** A WebSocket class: `new (url, protocol)`. */
export type SocketClass = new (url: string, protocol: string) => object;

export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(name: "open" | "error", listener: () => void): void;
  addEventListener(name: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    name: "close",
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
  /** Only some have these two (`ws`): they stop reading, which slows the server instead of filling memory. */
  pause?(): void;
  resume?(): void;
}

/** The class handed in, or the platform's. Throws CLIENT_WEBSOCKET_MISSING. */
export function socketClass(given: SocketClass | undefined): SocketClass {
  const found = given ?? (globalThis as { readonly WebSocket?: SocketClass }).WebSocket;
  if (found !== undefined) return found;
  throw new AppError("CLIENT_WEBSOCKET_MISSING", "making a connection: there is no WebSocket here");
}

export function openSocket(type: SocketClass, url: string, protocol: string): Socket {
  return new type(url, protocol) as Socket;
}

/** What a close reason of the server says (PROTOCOL.md, section 8); nothing where it is something else. */
export function closeReason(reason: string): {
  readonly code?: string;
  readonly retryInMs: number;
} {
  let told: unknown;
  try {
    told = JSON.parse(reason);
  } catch {
    return { retryInMs: 0 };
  }
  if (typeof told !== "object" || told === null) return { retryInMs: 0 };
  const { code, retryInMs } = told as Readonly<Record<string, unknown>>;
  const wait =
    typeof retryInMs === "number" && retryInMs > 0 ? Math.min(retryInMs, HINT_MS_MAX) : 0;
  return typeof code === "string" ? { code, retryInMs: wait } : { retryInMs: wait };
}

/** A hint above this is not believed: a server that is wrong once must not silence clients for a day. */
export const HINT_MS_MAX = 10 * 60_000;
