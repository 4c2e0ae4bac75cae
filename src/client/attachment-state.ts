/**
 * One channel of one session as a pure machine: which frames count, and whether they join what came before
 * (PROTOCOL.md, rules 9–16). Holds what was *received*; what the store has of it is feed.ts's business.
 *
 *              sent             attached, paged            readied
 *   detached ───────▶ attaching ─────────────▶ loading ──────────────┐
 *      ▲  ▲               │                     ▲ │ page, moved      ▼
 *      │  │ cut           │ attached, not paged └─┘               ready ◀─┐
 *      │  │               └────────────────▶ collecting ─ readied ─▶ │ ───┘ moved
 *      │  │                                     ▲ │ moved            │
 *      │  │                                     └─┘                  │
 *      │  └── every state                       from ≠ serial, another epoch: broken ── sent ──▶ attaching
 *      └───── dropped                           refusal: refused ── sent ──▶ attaching
 */
import type { AttachedHow } from "../protocol/frames.js";
import type { Cause } from "./connection-state.js";

/** What a snapshot or a gap asks the store to do first, at the next page or commit. */
export type Replace = "all" | "after" | undefined;

interface Received {
  readonly epoch: number;
  readonly serial: number;
  readonly replace: Replace;
}

export type AttachmentState =
  | { readonly name: "detached" }
  | {
      readonly name: "attaching";
      readonly id: number;
      readonly paged: boolean;
      /** Serial of the place offered. */
      readonly held: number;
    }
  | ({ readonly name: "loading"; readonly id: number } & Received)
  | ({ readonly name: "collecting"; readonly id: number } & Received)
  | ({ readonly name: "ready"; readonly id: number } & Received)
  | { readonly name: "broken"; readonly cause: Cause }
  | { readonly name: "refused"; readonly cause: Cause };

export type AttachmentEvent =
  | {
      readonly name: "sent";
      readonly id: number;
      readonly paged: boolean;
      readonly held: number;
    }
  | {
      readonly name: "attached";
      readonly id: number;
      readonly epoch: number;
      readonly how: AttachedHow;
      readonly after: number;
    }
  | { readonly name: "page"; readonly epoch: number; readonly from: number; readonly to: number }
  | { readonly name: "moved"; readonly epoch: number; readonly from: number; readonly to: number }
  | { readonly name: "readied" }
  | { readonly name: "refusal"; readonly cause: Cause }
  /** Taken from the session, to be attached again. */
  | { readonly name: "dropped" }
  /** The session ended. */
  | { readonly name: "cut" };

export const DETACHED: AttachmentState = { name: "detached" };

/** The state after the event; the same object where the event means nothing in it. */
export function nextAttachment(state: AttachmentState, event: AttachmentEvent): AttachmentState {
  switch (event.name) {
    case "sent":
      return { name: "attaching", id: event.id, paged: event.paged, held: event.held };
    case "attached":
      return attached(state, event);
    case "page":
    case "moved":
      return joined(state, event);
    case "readied":
      return state.name === "loading" || state.name === "collecting"
        ? { ...state, name: "ready" }
        : state;
    case "refusal":
      return { name: "refused", cause: event.cause };
    case "dropped":
      return state.name === "attaching" || state.name === "refused" ? state : DETACHED;
    case "cut":
      return DETACHED;
  }
}

function attached(
  state: AttachmentState,
  event: Extract<AttachmentEvent, { name: "attached" }>,
): AttachmentState {
  if (!("id" in state) || state.id !== event.id) return state;
  const { id, epoch, how, after } = event;
  const held = state.name === "attaching" ? state.held : state.serial;
  const replace = how === "snapshot" ? "all" : how === "gap" && after < held ? "after" : undefined;
  const received = { id, epoch, serial: after, replace } as const;
  if (state.name === "attaching") {
    return { name: state.paged ? "loading" : "collecting", ...received };
  }
  // Rule 11: begun again in the middle of the session; the channel's state does not change.
  return { name: state.name, ...received };
}

function joined(
  state: AttachmentState,
  event: Extract<AttachmentEvent, { name: "page" | "moved" }>,
): AttachmentState {
  if (!("serial" in state)) return state;
  const { name, epoch, from, to } = event;
  const isHole = from !== state.serial || (state.epoch !== 0 && epoch !== state.epoch);
  if (isHole || to < from || (name === "page" && state.name !== "loading")) {
    const code = isHole ? "CLIENT_SERIAL_HOLE" : "CLIENT_FRAME_INVALID";
    const found = `${name} from ${from} to ${to} of epoch ${epoch}`;
    const message = `${found} came at ${state.serial} of epoch ${state.epoch}, ${state.name}`;
    return { name: "broken", cause: { code, message } };
  }
  return { ...state, epoch, serial: to, replace: undefined };
}
