/**
 * Goal: of every frame about a channel it is decided right whether it counts and joins on. Method: a total
 * table of state × event, which does not compile while a cell is missing; then the serials.
 */
import { describe, expect, it } from "vitest";
import {
  type AttachmentEvent,
  type AttachmentState,
  nextAttachment,
} from "../../../src/client/attachment-state.js";

type StateName = AttachmentState["name"] | "attachingPaged";
type EventName = AttachmentEvent["name"] | "otherAttached" | "holeInMoved" | "holeInPage";
type Cell = AttachmentState["name"] | "same";

const cause = { code: "X", message: "y" };
const received = { id: 3, epoch: 1, serial: 5, replace: undefined } as const;

const states: Readonly<Record<StateName, AttachmentState>> = {
  detached: { name: "detached" },
  attaching: { name: "attaching", id: 3, paged: false, held: 5 },
  attachingPaged: { name: "attaching", id: 3, paged: true, held: 0 },
  loading: { name: "loading", ...received },
  collecting: { name: "collecting", ...received },
  ready: { name: "ready", ...received },
  broken: { name: "broken", cause },
  refused: { name: "refused", cause },
};

const events: Readonly<Record<EventName, AttachmentEvent>> = {
  sent: { name: "sent", id: 4, paged: false, held: 5 },
  attached: { name: "attached", id: 3, epoch: 1, how: "delta", after: 5 },
  otherAttached: { name: "attached", id: 2, epoch: 1, how: "delta", after: 5 },
  page: { name: "page", epoch: 1, from: 5, to: 7 },
  holeInPage: { name: "page", epoch: 1, from: 6, to: 7 },
  moved: { name: "moved", epoch: 1, from: 5, to: 7 },
  holeInMoved: { name: "moved", epoch: 1, from: 6, to: 7 },
  readied: { name: "readied" },
  refusal: { name: "refusal", cause },
  dropped: { name: "dropped" },
  cut: { name: "cut" },
};

const nothing = {
  sent: "attaching",
  attached: "same",
  otherAttached: "same",
  page: "same",
  holeInPage: "same",
  moved: "same",
  holeInMoved: "same",
  readied: "same",
  refusal: "refused",
  dropped: "detached",
  cut: "detached",
} as const satisfies Record<EventName, Cell>;

const table: Readonly<Record<StateName, Readonly<Record<EventName, Cell>>>> = {
  detached: nothing,
  attaching: { ...nothing, attached: "collecting", dropped: "same" },
  attachingPaged: { ...nothing, attached: "loading", dropped: "same" },
  loading: {
    ...nothing,
    attached: "loading",
    page: "loading",
    holeInPage: "broken",
    moved: "loading",
    holeInMoved: "broken",
    readied: "ready",
  },
  collecting: {
    ...nothing,
    attached: "collecting",
    page: "broken",
    holeInPage: "broken",
    moved: "collecting",
    holeInMoved: "broken",
    readied: "ready",
  },
  ready: {
    ...nothing,
    attached: "ready",
    page: "broken",
    holeInPage: "broken",
    moved: "ready",
    holeInMoved: "broken",
  },
  broken: nothing,
  refused: { ...nothing, dropped: "same" },
};

const cells = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(([event, cell]) => [state, event, cell] as const),
);

describe("the attachment machine", () => {
  it.each(cells)("in %s, at %s, goes to %s", (stateName, eventName, cell) => {
    const state = states[stateName as StateName];
    const next = nextAttachment(state, events[eventName as EventName]);
    if (cell === "same") expect(next).toBe(state);
    else expect(next.name).toBe(cell);
  });

  it("takes the serials of pages and commits as they come", () => {
    const paged = nextAttachment(states.loading, events.page);
    expect(paged).toMatchObject({ name: "loading", serial: 7 });
    expect(nextAttachment(paged, { name: "moved", epoch: 1, from: 7, to: 9 })).toMatchObject({
      serial: 9,
    });
  });

  it("takes the first epoch it is told where it has none, and no other after it", () => {
    const unborn: AttachmentState = { ...received, name: "ready", epoch: 0, serial: 0 };
    const born = nextAttachment(unborn, { name: "moved", epoch: 8, from: 0, to: 2 });
    expect(born).toMatchObject({ name: "ready", epoch: 8, serial: 2 });
    expect(nextAttachment(born, { name: "moved", epoch: 9, from: 2, to: 3 }).name).toBe("broken");
  });

  it("is broken by serials that go back", () => {
    expect(nextAttachment(states.ready, { name: "moved", epoch: 1, from: 5, to: 4 }).name).toBe(
      "broken",
    );
  });

  it("replaces everything once after a snapshot, and events beyond a gap that lies before them", () => {
    const snapshot = { name: "attached", id: 3, epoch: 2, how: "snapshot", after: 0 } as const;
    const fresh = nextAttachment(states.attaching, snapshot);
    expect(fresh).toMatchObject({ name: "collecting", epoch: 2, serial: 0, replace: "all" });
    const moved = nextAttachment(fresh, { name: "moved", epoch: 2, from: 0, to: 3 });
    expect(moved).toMatchObject({ serial: 3, replace: undefined });
    expect(nextAttachment(states.ready, snapshot)).toMatchObject({ name: "ready", replace: "all" });
    const gap = { name: "attached", id: 3, epoch: 1, how: "gap" } as const;
    expect(nextAttachment(states.attaching, { ...gap, after: 9 })).toMatchObject({
      serial: 9,
      replace: undefined,
    });
    expect(nextAttachment(states.attaching, { ...gap, after: 2 })).toMatchObject({
      serial: 2,
      replace: "after",
    });
  });
});
