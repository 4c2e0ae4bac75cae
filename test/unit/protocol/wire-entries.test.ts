/** The bytes of entries: put together from stored ones, split by size, table and schema. */
import { describe, expect, test } from "vitest";
import type { ChannelEntry } from "../../../src/model/entry.js";
import { parseServerMessage } from "../../../src/protocol/client-codec.js";
import { concatBytes, encodeChanges, encodeGroups } from "../../../src/protocol/wire-entries.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (lines: readonly Uint8Array[]): string => new TextDecoder().decode(concatBytes(lines));

function entry(serial: number, more: Partial<ChannelEntry> = {}): ChannelEntry {
  const base = { serial, log: 5, index: 0, op: "i", table: "t", schema: 1 } as const;
  return { ...base, body: bytes(`${serial},"é"`), ...more };
}

describe("changes", () => {
  test("hold the bodies byte for byte, with log numbers counted from the base", () => {
    const lines = encodeChanges("store:1", [
      entry(9, { log: 12 }),
      entry(10, { log: 13, index: 7, op: "d", body: bytes("10") }),
      entry(11, { log: 2_000_000_000_012, index: 1, op: "t", body: bytes("") }),
    ]);
    expect(text(lines)).toBe(
      '{"t":"changes","channel":"store:1","table":"t","schema":1,"base":12,"entries":' +
        '[[9,0,0,"i",9,"é"],[10,1,7,"d",10],[11,2000000000000,1,"t"]]}\n',
    );
  });

  test("begin a new frame where table or schema change, and keep serial order", () => {
    const lines = encodeChanges("c", [
      entry(1),
      entry(2, { table: 'u"x' }),
      entry(3),
      entry(4, { schema: 2 }),
      entry(5, { schema: 2 }),
    ]);
    const frames = parseServerMessage(text(lines)).flatMap((frame) =>
      frame.t === "changes" ? [frame] : [],
    );
    expect(frames.map(({ table, schema, entries }) => [table, schema, entries.length])).toEqual([
      ["t", 1, 1],
      ['u"x', 1, 1],
      ["t", 1, 1],
      ["t", 2, 2],
    ]);
    expect(frames.flatMap(({ entries }) => entries.map(([serial]) => serial))).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  test("are split at about the size asked for; a larger entry stands alone", () => {
    const large = (serial: number): ChannelEntry =>
      entry(serial, { body: bytes(`"${"x".repeat(1_000)}"`) });
    const small = Array.from({ length: 100 }, (_, n) => entry(n + 1));
    const lines = encodeChanges("c", [...small, large(101), large(102)], 800);
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines.slice(0, -2)) expect(line.length).toBeLessThan(900);
    const entries = parseServerMessage(text(lines)).flatMap((frame) =>
      frame.t === "changes" ? frame.entries : [],
    );
    expect(entries.map(([serial]) => serial)).toEqual(Array.from({ length: 102 }, (_, n) => n + 1));
  });

  test("of no entries are no frames", () => {
    expect(encodeChanges("c", [])).toEqual([]);
    expect(encodeGroups([])).toEqual([]);
  });
});

test("groups of a history page make one list", () => {
  const list = `[${text(encodeGroups([entry(1), entry(2, { table: "u" }), entry(3, { table: "u" })]))}]`;
  expect(JSON.parse(list)).toEqual([
    { table: "t", schema: 1, base: 5, entries: [[1, 0, 0, "i", 1, "é"]] },
    {
      table: "u",
      schema: 1,
      base: 5,
      entries: [
        [2, 0, 0, "i", 2, "é"],
        [3, 0, 0, "i", 3, "é"],
      ],
    },
  ]);
});
