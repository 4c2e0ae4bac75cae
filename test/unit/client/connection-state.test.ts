/**
 * Goal: the connection machine does in every state what it should at every event. Method: a total table of
 * state × event, which does not compile while a cell is missing; then the amounts: delays, hints, attempts.
 */
import { describe, expect, it } from "vitest";
import {
  BACKOFF,
  type ConnectionEvent,
  type ConnectionState,
  nextConnection,
  OFFLINE_RETRY_MS,
} from "../../../src/client/connection-state.js";

type StateName = ConnectionState["name"];
type EventName = ConnectionEvent["name"] | "refusedByServer";
/** `same` is the very same object: nothing happens. */
type Cell = StateName | "same";

const cause = { code: "CLOSE_1006", message: "gone" };

const states: { readonly [Name in StateName]: Extract<ConnectionState, { name: Name }> } = {
  idle: { name: "idle" },
  fetching: { name: "fetching", attempt: 2 },
  opening: { name: "opening", attempt: 2, token: "t" },
  greeting: { name: "greeting", attempt: 2, token: "t" },
  live: { name: "live", attempt: 2, leaveInMs: 100 },
  waiting: { name: "waiting", attempt: 2, delayMs: 100, cause },
  offline: { name: "offline", delayMs: 100 },
  refused: { name: "refused", cause },
  closed: { name: "closed" },
};

const events: { readonly [Name in EventName]: ConnectionEvent } = {
  want: { name: "want" },
  rest: { name: "rest" },
  tokenGiven: { name: "tokenGiven", token: "t" },
  opened: { name: "opened" },
  welcomed: { name: "welcomed" },
  lost: { name: "lost", code: 1006, retryInMs: 0, cause, jitter: 0.5 },
  refusedByServer: { name: "lost", code: 4501, retryInMs: 0, cause, jitter: 0.5 },
  stable: { name: "stable" },
  goaway: { name: "goaway", leaveInMs: 500 },
  timeUp: { name: "timeUp" },
  wentOffline: { name: "wentOffline" },
  wentOnline: { name: "wentOnline" },
  woke: { name: "woke" },
  retry: { name: "retry" },
  close: { name: "close" },
};

const nothing = {
  want: "same",
  rest: "idle",
  tokenGiven: "same",
  opened: "same",
  welcomed: "same",
  lost: "same",
  refusedByServer: "same",
  stable: "same",
  goaway: "same",
  timeUp: "same",
  wentOffline: "same",
  wentOnline: "same",
  woke: "same",
  retry: "same",
  close: "closed",
} as const satisfies Record<EventName, Cell>;

const table: { readonly [Name in StateName]: Readonly<Record<EventName, Cell>> } = {
  idle: { ...nothing, rest: "same", want: "fetching" },
  fetching: {
    ...nothing,
    tokenGiven: "opening",
    lost: "waiting",
    refusedByServer: "refused",
    wentOffline: "offline",
  },
  opening: {
    ...nothing,
    opened: "greeting",
    lost: "waiting",
    refusedByServer: "refused",
    wentOffline: "offline",
  },
  greeting: {
    ...nothing,
    welcomed: "live",
    lost: "waiting",
    refusedByServer: "refused",
    wentOffline: "offline",
  },
  live: {
    ...nothing,
    lost: "waiting",
    refusedByServer: "refused",
    stable: "live",
    goaway: "live",
    timeUp: "fetching",
    wentOffline: "offline",
  },
  waiting: {
    ...nothing,
    timeUp: "fetching",
    wentOffline: "offline",
    wentOnline: "fetching",
    woke: "fetching",
    retry: "fetching",
  },
  offline: { ...nothing, timeUp: "fetching", wentOnline: "fetching", retry: "fetching" },
  refused: { ...nothing, retry: "fetching" },
  closed: { ...nothing, rest: "same", close: "same" },
};

const cells = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(([event, cell]) => [state, event, cell] as const),
);

describe("the connection machine", () => {
  it.each(cells)("in %s, at %s, goes to %s", (stateName, eventName, cell) => {
    const state = states[stateName as StateName];
    const frozen = JSON.stringify(state);
    const next = nextConnection(state, events[eventName as EventName]);
    if (cell === "same") expect(next).toBe(state);
    else expect(next.name).toBe(cell);
    expect(JSON.stringify(state)).toBe(frozen);
  });

  it("doubles the ceiling of its random delay up to 20 s, and starts over once it was stable", () => {
    let state: ConnectionState = { name: "opening", attempt: 0, token: undefined };
    const ceilings: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      state = nextConnection(state, {
        name: "lost",
        code: 1006,
        retryInMs: 0,
        cause,
        jitter: 0.999_999,
      });
      ceilings.push(state.name === "waiting" ? state.delayMs + 1 : 0);
      state = nextConnection(state, { name: "timeUp" });
      state = nextConnection(state, { name: "tokenGiven", token: undefined });
    }
    expect(ceilings).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
    expect(BACKOFF).toEqual({ baseMs: 500, maxMs: 20_000 });
    for (const name of ["opened", "welcomed", "stable"] as const)
      state = nextConnection(state, { name });
    state = nextConnection(state, { name: "lost", code: 1006, retryInMs: 0, cause, jitter: 0 });
    expect(state).toMatchObject({ name: "waiting", attempt: 1, delayMs: 0 });
  });

  it("keeps counting when a session did not last", () => {
    let state: ConnectionState = states.greeting;
    state = nextConnection(state, { name: "welcomed" });
    state = nextConnection(state, events.lost);
    expect(state).toMatchObject({ name: "waiting", attempt: 3 });
  });

  it("does not come back before the server's hint", () => {
    const hinted = { name: "lost", code: 4003, retryInMs: 7_000, cause, jitter: 0 } as const;
    expect(nextConnection(states.live, hinted)).toMatchObject({ name: "waiting", delayMs: 7_000 });
  });

  it.each([
    [1000, "waiting"],
    [1001, "waiting"],
    [1006, "waiting"],
    [1013, "waiting"],
    [4000, "waiting"],
    [4001, "waiting"],
    [4005, "waiting"],
    [4499, "waiting"],
    [4500, "refused"],
    [4501, "refused"],
    [4502, "refused"],
    [4503, "refused"],
    [4999, "refused"],
  ])("takes close code %i as %s", (code, name) => {
    expect(
      nextConnection(states.live, { name: "lost", code, retryInMs: 0, cause, jitter: 0 }).name,
    ).toBe(name);
  });

  it("asks an offline platform again after a while, and leaves after `goaway` only when its time has come", () => {
    expect(nextConnection(states.live, events.wentOffline)).toEqual({
      name: "offline",
      delayMs: OFFLINE_RETRY_MS,
    });
    const live: ConnectionState = { name: "live", attempt: 0, leaveInMs: undefined };
    expect(nextConnection(live, { name: "timeUp" })).toBe(live);
    const leaving = nextConnection(live, { name: "goaway", leaveInMs: 42 });
    expect(leaving).toEqual({ name: "live", attempt: 0, leaveInMs: 42 });
    expect(nextConnection(leaving, { name: "timeUp" })).toEqual({ name: "fetching", attempt: 0 });
  });
});
