/**
 * Who waits for a source to pass a position. Looked at with every notice, idle ones too; bound by
 * UNTIL_WAITING_MAX for each session.
 */
import type { LogNumber, Notice, SourceNotice } from "../journal/journal.js";
import { errorFrame } from "./error-frame.js";
import type { Session } from "./session.js";

export interface Waiter {
  readonly session: Session;
  /** `id` of the request. */
  readonly id: number;
  readonly source: string;
  /** As the connector sorts positions. */
  readonly position: string;
  /** Of the source when it was asked; 0 where the journal had none yet. */
  readonly generation: number;
}

/** Answers `until` requests. The hub tells it what was released and who stands where. */
export class UntilDesk {
  readonly #bySource = new Map<string, Set<Waiter>>();
  /** Sessions with a request whose position has passed and whose own log has not. */
  readonly #owing = new Set<Session>();

  add(waiter: Waiter): void {
    const waiters = this.#bySource.get(waiter.source) ?? new Set();
    this.#bySource.set(waiter.source, waiters.add(waiter));
    waiter.session.untilCount += 1;
  }

  /** Takes out those whom `notice` answers. */
  settle(notice: Notice): void {
    for (const [source, waiters] of this.#bySource) {
      const at = notice.sources.get(source);
      if (at === undefined) continue;
      for (const waiter of waiters) {
        const answer = answerTo(waiter, at);
        if (answer === "waits") continue;
        waiters.delete(waiter);
        waiter.session.untilCount -= 1;
        if (answer === "passed") this.#owe(waiter, notice.log);
        else refuse(waiter);
      }
      if (waiters.size === 0) this.#bySource.delete(source);
    }
  }

  /** Tells those sessions that hold what they waited for; `hubLog` is what untouched live sessions hold. */
  answer(hubLog: LogNumber): void {
    for (const session of this.#owing) {
      if (!session.isLive || session.isOwed) continue;
      const holds = Math.max(session.log, hubLog);
      const due = session.reached.filter(({ log }) => log <= holds);
      session.reached = session.reached.filter(({ log }) => log > holds);
      if (session.reached.length === 0) this.#owing.delete(session);
      for (const { id } of due) session.sendFrame({ t: "reached", id });
    }
  }

  removeAll(session: Session): void {
    this.#owing.delete(session);
    if (session.untilCount === 0) return;
    session.untilCount = 0;
    for (const [source, waiters] of this.#bySource) {
      for (const waiter of waiters) if (waiter.session === session) waiters.delete(waiter);
      if (waiters.size === 0) this.#bySource.delete(source);
    }
  }

  #owe({ session, id }: Waiter, log: LogNumber): void {
    session.reached = [...session.reached, { id, log }];
    this.#owing.add(session);
  }
}

function refuse({ session, id, source }: Waiter): void {
  const message = `until: ${source} began a new history`;
  session.sendFrame(errorFrame({ code: "BROKER_POSITION_LOST", message, id }));
}

function answerTo(waiter: Waiter, at: SourceNotice): "passed" | "lost" | "waits" {
  if (waiter.generation !== 0 && at.generation > waiter.generation) return "lost";
  return at.position >= waiter.position ? "passed" : "waits";
}
