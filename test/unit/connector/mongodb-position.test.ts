/** Places of a change stream as texts, and the history they are judged by: no server needed. */
import { describe, expect, test } from "vitest";
import * as place from "../../../connectors/mongodb/stream-position.js";
import { judgeHistory, memoText } from "../../../connectors/mongodb/history.js";
import { judgeWindow } from "../../../connectors/mongodb/check-oplog.js";

const time = "6B07769400000014";
/** As a server gives them: of a moment, and of changes at it. */
const moment = `82${time}2B0229296E04`;
const change = (end: string): string => `82${time}2B022C0100296E5A1004${"AB".repeat(16)}${end}`;

describe("positions", () => {
  test("stand in the order of the stream", () => {
    const inOrder = [
      place.positionOfIdle(moment, false),
      place.positionOfOpen(time, change("01")),
      place.positionOfChange(time, change("02"), 0),
      place.positionOfChange(time, change("03"), 1),
      place.positionThrough(time),
      place.positionOfIdle(change("03"), true),
      place.positionOfIdle(moment.replace(time, "6B07769400000015"), false),
    ];
    expect([...inOrder].sort()).toEqual(inOrder);
    expect(new Set(inOrder).size).toBe(inOrder.length);
  });

  test("keep a token that fits, and the order of those that do not", () => {
    const token = change("EE".repeat(800));
    const first = place.positionOfChange(time, token, 8);
    const second = place.positionOfChange(time, `${token}FF`, 11);
    expect(first < second).toBe(true);
    expect(first.length).toBeLessThan(1_024);
    expect(place.placeOf(first)).toEqual({ time, isTimeOver: false, token: undefined });
    expect(place.placeOf(place.positionOfChange(time, change("01"), 0)).token).toBe(change("01"));
  });

  test("are read as people write them, and nothing else is", () => {
    const own = place.positionOfChange(time, change("01"), 0);
    expect(place.parsePosition(own)).toBe(own);
    expect(place.parsePosition(moment)).toBe(place.positionOfIdle(moment, false));
    expect(place.parsePosition("1795651220,20")).toBe(place.positionThrough(time));
    for (const other of ["", "16/B374D848", "99999999999,1", "4294967296,1", "not a place"]) {
      expect(place.parsePosition(other)).toBeUndefined();
    }
  });

  test("times have a predecessor and a successor, over the second's end too", () => {
    expect(place.timeBefore("6B07769400000000")).toBe("6B077693FFFFFFFF");
    expect(place.timeOf(place.timestampAfter("6B077693FFFFFFFF"))).toBe("6B07769400000000");
  });
});

describe("history", () => {
  const memo = { filter: "f", setName: "rs0", ahead: [] };
  const now = { filter: "f", setName: "rs0", head: time };
  const at = (position: string, kept = memo) => ({
    ...{ generation: 1, position, mark: "", memo: memoText(kept) },
  });

  test("goes on from the token where the filter is the same, else from its time", () => {
    const position = place.positionOfChange(time, change("01"), 0);
    expect(judgeHistory(at(position), now)).toEqual({
      start: { startAfter: { _data: change("01") } },
    });
    expect(judgeHistory(at(position), { ...now, filter: "g" })).toEqual({
      start: { startAtOperationTime: place.timestampOf(time) },
    });
    const idle = place.positionOfIdle(moment, true);
    expect(judgeHistory(at(idle), { ...now, filter: "g" })).toEqual({
      start: { startAtOperationTime: place.timestampAfter(time) },
    });
  });

  test("is another one under another set's name, or where the newest operation is older", () => {
    const position = place.positionOfIdle(moment, true);
    expect(judgeHistory(at(position), { ...now, setName: "rs1" })).toHaveProperty("lost");
    expect(judgeHistory(at(position), { ...now, head: "6B07769300000000" })).toHaveProperty("lost");
  });

  test("is the same where nothing was written since the stream began, one moment after the newest", () => {
    const position = place.positionOfIdle(moment, false);
    const newest = { ...now, head: place.timeBefore(time) };
    expect(judgeHistory(at(position), newest)).toHaveProperty("start");
    const older = { ...now, head: place.timeBefore(newest.head) };
    expect(judgeHistory(at(position), older)).toHaveProperty("lost");
  });

  test("that is about to be lost is warned of", () => {
    const seconds = place.secondsOf(time);
    const window = { firstSeconds: seconds - 100, lastSeconds: seconds + 100 };
    const resume = at(place.positionOfIdle(moment, true));
    expect(judgeWindow(window, resume)).toEqual([]);
    expect(judgeWindow({ ...window, lastSeconds: seconds + 300 }, resume)).toMatchObject([
      { code: "MONGODB_HISTORY_LOST", level: "warning" },
    ]);
  });
});
