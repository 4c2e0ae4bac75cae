/** How a channel follows on from what a client has: the whole table of rules 9 and 10. */
import { describe, expect, test } from "vitest";
import { decideAttach, restart } from "../../../src/broker/attach-decision.js";
import type { ChannelHead } from "../../../src/journal/journal.js";
import type { AttachFrom } from "../../../src/protocol/frames.js";

const state: ChannelHead = { kind: "state", epoch: 3, serial: 10, floor: 4 };
const events: ChannelHead = { ...state, kind: "events" };
const place = (serial: number, epoch = 3): AttachFrom => ({ epoch, serial, log: 9, run: "r" });

describe("a state channel", () => {
  test.each<[string, AttachFrom, boolean, unknown]>([
    ["at the head", place(10), true, ["resumed", 10]],
    ["behind the head", place(7), true, ["delta", 7]],
    ["at the floor", place(4), true, ["delta", 4]],
    ["below the floor", place(3), true, ["snapshot", 0]],
    ["above the head", place(11), true, ["snapshot", 0]],
    ["of another epoch", place(7, 2), true, ["snapshot", 0]],
    ["not of this history", place(7), false, ["snapshot", 0]],
    ["blank, below the floor", place(0, 0), false, ["snapshot", 0]],
    ["from start", "start", false, ["snapshot", 0]],
    ["from now", "now", false, undefined],
    ["last n", { last: 3 }, false, undefined],
  ])("%s", (_name, from, accepted, wanted) => {
    const found = decideAttach(from, state, accepted);
    expect(found && [found.how, found.after]).toEqual(wanted);
    if (found !== undefined) expect(found.epoch).toBe(3);
  });

  test("blank without a floor gets a delta from nothing, in any history", () => {
    const found = decideAttach(place(0, 0), { ...state, floor: 0 }, false);
    expect(found).toEqual({ how: "delta", epoch: 3, after: 0 });
  });
});

describe("an events channel", () => {
  test.each<[string, AttachFrom, boolean, unknown]>([
    ["at the head", place(10), true, ["resumed", 10]],
    ["behind the head", place(7), true, ["resumed", 7]],
    ["below the floor", place(3), true, ["gap", 4]],
    ["not of this history", place(7), false, ["gap", 4]],
    ["from start", "start", false, ["resumed", 4]],
    ["from now", "now", false, ["resumed", 10]],
    ["last 3", { last: 3 }, false, ["resumed", 7]],
    ["last more than is retained", { last: 9 }, false, ["resumed", 4]],
  ])("%s", (_name, from, accepted, wanted) => {
    const found = decideAttach(from, events, accepted);
    expect(found && [found.how, found.after]).toEqual(wanted);
  });
});

test("a channel without entries is resumed, unless the client holds some of it", () => {
  for (const from of ["start", "now", { last: 3 }, place(0, 0)] as const) {
    expect(decideAttach(from, undefined, false)).toEqual({ how: "resumed", epoch: 0, after: 0 });
  }
  expect(decideAttach(place(3), undefined, true)).toEqual({ how: "snapshot", epoch: 0, after: 0 });
});

test("a channel begins again from nothing, or behind what is lost", () => {
  expect(restart("state", 3, 4)).toEqual({ how: "snapshot", epoch: 3, after: 0 });
  expect(restart("events", 3, 4)).toEqual({ how: "gap", epoch: 3, after: 4 });
});
