/**
 * The phases of a session, pure.
 *
 *     greeting ──hello──▶ verifying ──accepted──▶ live ◀──joined── catching ◀──drained── lagging
 *                                                  │ └───behind──────▲ └───overflowed──────▲
 *                                                  └────overflowed─────────────────────────┘
 *     every phase ──closing──▶ closing ──gone──▶ closed;  every phase ──gone──▶ closed
 *
 * `live`: stands at the hub's log number; the hub writes to it. `catching`: the hub passes it by; laps of
 * the journal bring it up. `lagging`: its socket is full; nothing is written until it drained.
 */
export type SessionPhase =
  "greeting" | "verifying" | "live" | "catching" | "lagging" | "closing" | "closed";

export type SessionStep =
  "hello" | "accepted" | "behind" | "overflowed" | "drained" | "joined" | "closing" | "gone";

type Steps = Partial<Record<SessionStep, SessionPhase>>;

const steps: Readonly<Record<SessionPhase, Steps>> = {
  greeting: { hello: "verifying", closing: "closing", gone: "closed" },
  verifying: { accepted: "live", closing: "closing", gone: "closed" },
  live: { behind: "catching", overflowed: "lagging", closing: "closing", gone: "closed" },
  catching: {
    behind: "catching",
    overflowed: "lagging",
    joined: "live",
    closing: "closing",
    gone: "closed",
  },
  lagging: { behind: "lagging", drained: "catching", closing: "closing", gone: "closed" },
  closing: { closing: "closing", gone: "closed" },
  closed: { closing: "closed", gone: "closed" },
};

/** The phase after `step`; undefined where the step cannot happen in this phase. */
export function nextPhase(phase: SessionPhase, step: SessionStep): SessionPhase | undefined {
  return steps[phase][step];
}

/** Whether frames of the client are acted upon. */
export function isOpen(phase: SessionPhase): boolean {
  return phase === "live" || phase === "catching" || phase === "lagging";
}

export function isOver(phase: SessionPhase): boolean {
  return phase === "closing" || phase === "closed";
}
