/** What concerns all sessions, told once a tick: sources that went stale or fresh, content being copied. */
import { turnOfLoop } from "../base/turn.js";
import type { ServerFrame } from "../protocol/frames.js";
import type { BrokerContext } from "./broker-context.js";
import { sameStatus, statusOf } from "./channel-status.js";
import { isOpen } from "./session-state.js";

/** Sessions between two turns of the event loop: about 5 ms of writes. */
const SESSIONS_PER_TURN = 500;

/** Progress of a copy is told no more often. */
const PROGRESS_MS = 2_000;

export class Announcer {
  readonly #context: BrokerContext;
  #isTelling = false;
  #toldAt = -Infinity;
  /** Nothing is being copied, and everybody knows. */
  #isSettled = false;

  constructor(context: BrokerContext) {
    this.#context = context;
  }

  /** Called once a tick; one that is still telling goes on instead. */
  async tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      const { freshness, reader } = this.#context;
      for (const frame of freshness.look(reader.notice)) await this.#broadcast(frame);
      await this.#tellStatus();
    } finally {
      this.#isTelling = false;
    }
  }

  async #broadcast(frame: Extract<ServerFrame, { t: "stale" | "fresh" }>): Promise<void> {
    let count = 0;
    for (const session of this.#context.sessions) {
      if (isOpen(session.phase)) session.sendFrame(frame);
      if (++count % SESSIONS_PER_TURN === 0) await turnOfLoop();
    }
  }

  /** A session that does not stand at the hub's log is told when it does: `ready` must not come early. */
  async #tellStatus(): Promise<void> {
    const { hub, clock } = this.#context;
    const { copying } = hub;
    if (this.#isSettled && copying.length === 0) return;
    const now = clock.monotonic();
    if (copying.length > 0 && now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    let isSettled = copying.length === 0;
    let count = 0;
    for (const { name, members } of hub.channels) {
      const status = statusOf(copying, name);
      for (const attachment of members) {
        if (++count % SESSIONS_PER_TURN === 0) await turnOfLoop();
        if (sameStatus(attachment.status, status)) continue;
        const { session } = attachment;
        if (!session.isLive || session.isOwed) {
          isSettled = false;
          continue;
        }
        attachment.status = status;
        session.sendFrame({ t: "status", channel: name, ...status });
      }
    }
    this.#isSettled = isSettled;
  }
}
