/** Which transactions a snapshot has to show before the rows that it reads may stand beside the stream. */
import { describe, expect, it } from "vitest";
import { SeenTransactions } from "../../../connectors/postgres/seen-transactions.js";

/** As many as are kept. */
const full = Array.from({ length: 10_000 }, (_, at) => at + 1);

describe("transactions that were yielded", () => {
  it("are forgotten once a snapshot shows them", () => {
    const seen = new SeenTransactions();
    for (const xid of [5, 7]) seen.add(xid);
    expect(seen.areVisible("5:8:5")).toBe(false);
    expect(seen.xids).toEqual([5]);
    expect(seen.areVisible("8:8:")).toBe(true);
    expect(seen.count).toBe(0);
  });

  it("are not asked of a chunk that was begun before", () => {
    const seen = new SeenTransactions([5]);
    const asked = seen.xids;
    seen.add(9);
    expect(seen.areVisible("9:10:9", asked)).toBe(true);
    expect(seen.areVisible("9:10:9")).toBe(false);
  });

  it("compare on the circle of 32 bits", () => {
    const seen = new SeenTransactions([0xffff_fff0]);
    expect(seen.areVisible(`${0x1_0000_0005n}:${0x1_0000_0005n}:`)).toBe(true);
  });

  it("beyond what is kept wait for the highest of them, in whatever order they committed", () => {
    const seen = new SeenTransactions(full);
    for (const xid of [20_500, 20_400]) seen.add(xid);
    expect(seen.beyond).toBe(20_500);
    expect(seen.areVisible("20450:20600:20500")).toBe(false);
    expect(new SeenTransactions([], seen.beyond).areVisible("20450:20600:20500")).toBe(false);
    expect(seen.areVisible("20600:20600:")).toBe(true);
  });
});
