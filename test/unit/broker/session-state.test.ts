/** Every phase × every step: the table is typed as a total record, so that a missing cell does not compile. */
import { expect, test } from "vitest";
import { isOpen, isOver, nextPhase } from "../../../src/broker/session-state.js";
import type { SessionPhase, SessionStep } from "../../../src/broker/session-state.js";

const none = undefined;
const table: Record<SessionPhase, Record<SessionStep, SessionPhase | undefined>> = {
  greeting: {
    hello: "verifying",
    accepted: none,
    behind: none,
    overflowed: none,
    drained: none,
    joined: none,
    closing: "closing",
    gone: "closed",
  },
  verifying: {
    hello: none,
    accepted: "live",
    behind: none,
    overflowed: none,
    drained: none,
    joined: none,
    closing: "closing",
    gone: "closed",
  },
  live: {
    hello: none,
    accepted: none,
    behind: "catching",
    overflowed: "lagging",
    drained: none,
    joined: none,
    closing: "closing",
    gone: "closed",
  },
  catching: {
    hello: none,
    accepted: none,
    behind: "catching",
    overflowed: "lagging",
    drained: none,
    joined: "live",
    closing: "closing",
    gone: "closed",
  },
  lagging: {
    hello: none,
    accepted: none,
    behind: "lagging",
    overflowed: none,
    drained: "catching",
    joined: none,
    closing: "closing",
    gone: "closed",
  },
  closing: {
    hello: none,
    accepted: none,
    behind: none,
    overflowed: none,
    drained: none,
    joined: none,
    closing: "closing",
    gone: "closed",
  },
  closed: {
    hello: none,
    accepted: none,
    behind: none,
    overflowed: none,
    drained: none,
    joined: none,
    closing: "closed",
    gone: "closed",
  },
};

test("each step leads where the diagram says, and nowhere else", () => {
  for (const [phase, row] of Object.entries(table)) {
    for (const [step, next] of Object.entries(row)) {
      expect([phase, step, nextPhase(phase as SessionPhase, step as SessionStep)]).toEqual([
        phase,
        step,
        next,
      ]);
    }
  }
});

test("a session is open, over, or not welcomed yet", () => {
  const phases = Object.keys(table) as SessionPhase[];
  expect(phases.filter(isOpen)).toEqual(["live", "catching", "lagging"]);
  expect(phases.filter(isOver)).toEqual(["closing", "closed"]);
});
