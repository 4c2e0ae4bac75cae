/** The graceful end: clients are asked to leave at a moment of their own, and those that stay are closed. */
import { sleep } from "../base/abort.js";
import type { BrokerContext } from "./broker-context.js";

/** Looks at who is left, and closes a part of them, this many times in the window. */
const STEPS = 20;

/** For the last close frames to be answered. */
const LINGER_MS = 500;

/** Resolves when no session is left, or after the window; at once when `signal` is aborted. */
export async function drainSessions(context: BrokerContext, signal: AbortSignal): Promise<void> {
  const { sessions, limits, clock, log } = context;
  if (sessions.size === 0) return;
  log.info("broker.drain.started", { sessions: sessions.size, withinMs: limits.drainMs });
  for (const session of sessions) {
    if (session.isOpen) session.sendFrame({ t: "goaway", reconnectWithinMs: limits.drainMs });
  }
  for (let step = 0; step < STEPS && sessions.size > 0; step++) {
    await pause(limits.drainMs / STEPS);
    // The window's second half closes those that have not left, evenly.
    if (step < STEPS / 2) continue;
    closeSome(context, Math.ceil(sessions.size / (STEPS - step)));
  }
  for (let waitedMs = 0; waitedMs < LINGER_MS && sessions.size > 0; waitedMs += LINGER_MS / 10) {
    await pause(LINGER_MS / 10);
  }

  async function pause(delayMs: number): Promise<void> {
    if (signal.aborted) return;
    await sleep(clock, delayMs, signal).catch(() => undefined);
  }
}

function closeSome(context: BrokerContext, count: number): void {
  let left = count;
  for (const session of context.sessions) {
    if (left === 0) return;
    if (session.isOver) continue;
    left -= 1;
    session.close("BROKER_STOPPING", "keeping a session: the server stops");
  }
}
