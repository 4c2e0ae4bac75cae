/**
 * Goal: what is kept for a view that stands still is bounded in bytes, whether anybody reads it or not (I9).
 * Method: a clock that never rings, so that no view ends by time; a scan has everything written back, and only what
 * is kept for the view stays in memory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { HeldView, LogNumber } from "../../src/journal/journal.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { LmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { putRow, schemaOf } from "./journal.contract.js";

const clock = { ...systemClock, after: () => () => undefined };
const nothing = { positions: new Map(), facts: new Map() };
const HELD_BYTES_MAX = 200_000;

describe("a view that stands still", () => {
  let folder: string;
  let journal: LmdbJournal;
  let rows = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "changecast-held-"));
    const around = { clock, random: systemRandom, pid: process.pid, mapGib: 1 };
    journal = await openLmdbJournal({
      ...{ folder, ...around, settings: { heldBytesMax: HELD_BYTES_MAX } },
    });
    rows = 0;
  });

  afterEach(async () => {
    await journal.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const append = async (count: number, value: string): Promise<LogNumber> => {
    const draft = journal.block();
    const row = { value, channels: ["a"], op: "i" as const, schema: schemaOf(journal) };
    for (let at = 0; at < count; at += 1) await putRow(draft, { id: (rows += 1), ...row });
    return journal.append(draft, nothing);
  };

  const writeBack = async (): Promise<void> => {
    await journal.scan({ rule: "rule", limit: 1 });
  };

  const hold = (): HeldView => {
    const view = journal.reader.hold();
    if (view === undefined) throw new Error("no view is held, and no huge unit is merged");
    return view;
  };

  /** How many rows it shows. */
  const read = async (view: HeldView): Promise<number> => {
    let found = 0;
    for (let after = 0; ;) {
      const [page] = (await view.read([{ channel: "a", after }], 1e9)).channels;
      if (page === undefined) throw new Error("a lap answers each request");
      found += page.entries.length;
      after = page.reached;
      if (page.atHead) return found;
    }
  };

  it("stays while little comes, also where that is written back", async () => {
    await append(3, "x");
    const view = hold();
    await append(10, "x");
    await writeBack();
    expect(journal.reader.hold()).toBeUndefined();
    expect(await read(view)).toBe(3);
    view.release();
  });

  it.each([
    { what: "a few large rows", units: 3, count: 1, value: "x".repeat(100_000) },
    { what: "many small rows", units: 1, count: 300, value: "x" },
    { what: "many small units", units: 60, count: 1, value: "x" },
  ])("ends when what is kept for it passes the bound: $what", async (made) => {
    await append(3, "x");
    const view = hold();
    let log = view.log;
    for (let unit = 0; unit < made.units; unit += 1) log = await append(made.count, made.value);
    await writeBack();
    // Nobody has read the first.
    const next = hold();
    await expect(read(view)).rejects.toMatchObject({ code: "JOURNAL_VIEW_ENDED" });
    expect(next.log).toBe(log);
    expect(await read(next)).toBe(rows);
    view.release();
    expect(journal.reader.hold(), "the next one is held still").toBeUndefined();
    next.release();
  });
});
