/** The WebSocket as the client uses it: the platform's own, or a class of the same shape handed in (`ws`). */
import { AppError } from "../base/errors.js";

/** A WebSocket class: `new (url, protocol)`. */
export type SocketClass = new (url: string, protocol: string) => object;

export interface SocketEvent {
  /** Of a message. */
  readonly data?: unknown;
  /** Of a close. */
  readonly code?: number;
}

export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(name: string, listener: (event: SocketEvent) => void): void;
  /** Only some have these two (`ws`): they stop reading, which slows the server instead of filling memory. */
  pause?(): void;
  resume?(): void;
}

/** The class handed in, or the platform's. Throws CLIENT_WEBSOCKET_MISSING. */
export function socketClass(given: SocketClass | undefined): SocketClass {
  const found = given ?? (globalThis as { readonly WebSocket?: SocketClass }).WebSocket;
  if (found !== undefined) return found;
  throw new AppError("CLIENT_WEBSOCKET_MISSING", "there is no WebSocket here");
}

export function openSocket(type: SocketClass, url: string, protocol: string): Socket {
  return new type(url, protocol) as Socket;
}
