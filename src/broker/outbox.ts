/**
 * What a session is told in one turn of the event loop leaves in one write: a welcome, an answer and a page are a system
 * call of some 10 µs and a packet each otherwise.
 */
import type { SessionSocket } from "./session-socket.js";

export class Outbox {
  #held = new Set<SessionSocket>();

  /** What the socket is given from now on waits for the end of the turn. */
  hold(socket: SessionSocket): void {
    if (this.#held.has(socket)) return;
    socket.hold();
    this.#held.add(socket);
    if (this.#held.size > 1) return;
    setImmediate(() => {
      const held = this.#held;
      this.#held = new Set();
      for (const one of held) one.release();
    });
  }
}
