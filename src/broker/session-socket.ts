/** What a session wants of its transport, whatever it is. Implementations stand in transports/. */
import type { WireMessage } from "./wire-message.js";

export interface SessionSocket {
  /** Address of the peer, for logs. */
  readonly remote: string;
  /** Bytes that were sent and that the kernel has not taken yet. */
  readonly waitingBytes: number;
  /** Bytes that the kernel took since the beginning: it grows while a slow peer still reads. */
  readonly takenBytes: number;
  /** In order. Ignored once the socket is closing. */
  send(messages: readonly WireMessage[]): void;
  /** What is sent until `release`, or until it is closed, leaves in one write; it counts as waiting. */
  hold(): void;
  release(): void;
  /** Asks for a sign of life below the protocol. */
  ping(): void;
  /** Stops and goes on reading. */
  pause(): void;
  resume(): void;
  /** Sends what waits, then closes; destroys after some seconds. */
  close(code: number, reason: string): void;
  destroy(): void;
}

/** What a transport tells a session. */
export interface SocketListener {
  onText(text: string, bytes: number): void;
  onBinary(): void;
  /** A sign of life that is no frame. */
  onAlive(): void;
  /** Nothing waits in the socket any more. */
  onDrained(): void;
  onClosed(code: number): void;
}
