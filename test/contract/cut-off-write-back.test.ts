/**
 * Goal: a write of the derived file that fails, as on a full disk, ends all writing there and loses nothing: what is
 * appended behind it is kept and shown, and the next start ends with all of it, cut off again or not (I2, I8).
 * Method: one commit of a write-back, each in turn, fails in the real journal; units go on that take back rows of the
 * batch that was cut off; then the folder is opened with larger and smaller batches and compared with the same units in memory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import type { JournalReader, JournalWriter } from "../../src/journal/journal.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import {
  crashSteps,
  draftStep,
  follow,
  rowBodyOf,
  STATE_CHANNELS,
  stockColumns,
} from "../crash/journal-units.js";
import type { CrashRows } from "../crash/journal-units.js";

const nothing = { positions: new Map(), facts: new Map() };
const full = new AppError("JOURNAL_WRITE_FAILED", "writing derived.mdb: no space left");

/** No page runs out of time, so a channel is read as one; and nothing is written back before somebody waits for it. */
const clock = { ...systemClock, monotonic: () => 0, after: () => () => undefined };

/** Units of the batch that is cut off, and of those behind it. */
const CUT_OFF = 4;
const BEHIND = 6;

/** Units that are written back before, and which commit of the batch fails. In the first case a unit of it empties the table. */
const cases = [
  ...[1, 2, 12, 20, 24].map((count) => ({ before: 10, count })),
  ...[1, 12, 24, 34, 39, 44].map((count) => ({ before: 14, count })),
];

/** Half of it makes a batch: all units, three, one. */
const LARGE = 32 * 1024 ** 2;
const MIDDLE = 13_000;
const SMALL = 2;

let folder: string;
/** Commits of the derived file from here on, and which of them fails: 0 for none. */
let commits = 0;
let failsAt = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-cut-off-"));
  const commitNow = Object.getOwnPropertyDescriptor(Environment.prototype, "commitNow")?.value as (
    work: () => void,
  ) => void;
  vi.spyOn(Environment.prototype, "commitNow").mockImplementation(function (
    this: Environment,
    work,
  ) {
    commits += 1;
    if (commits === failsAt) throw full;
    commitNow.call(this, work);
  });
  failFrom(0);
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function failFrom(count: number): void {
  commits = 0;
  failsAt = count;
}

function open(behindBytesMax: number): Promise<JournalWriter> {
  const settings = { slicePages: 6, behindBytesMax };
  return openLmdbJournal({
    ...{ folder, clock, random: systemRandom, pid: process.pid, mapGib: 1, settings },
  });
}

describe.each(cases)("behind unit $before, commit $count of a write-back fails", (at) => {
  it("nothing is written behind it, and everything that was appended is shown", async () => {
    const { journal, rows } = await cutOff(at);
    try {
      await expect(journal.scan({ rule: "stock", limit: 1 })).rejects.toBe(full);
      await expect(journal.ready()).rejects.toBe(full);
      await compare(journal.reader, rows);
    } finally {
      await expect(journal.close()).rejects.toBe(full);
    }
    expect(commits, "commits behind the one that failed").toBe(at.count);
  });

  it.each([
    ["larger batches", LARGE],
    ["batches that end elsewhere", MIDDLE],
    ["smaller batches", SMALL],
  ])("the next start ends it in %s", async (_, behindBytesMax) => {
    const { journal, rows } = await cutOff(at);
    await expect(journal.close()).rejects.toBe(full);
    // Cut off again and again, each time elsewhere.
    for (const again of [1, 2, 4, 7]) {
      failFrom(again);
      await expect(open(behindBytesMax)).rejects.toBe(full);
    }
    failFrom(0);
    const opened = await open(behindBytesMax);
    try {
      await compare(opened.reader, rows);
      const { log } = opened.reader.notice;
      await append(opened, log + 1, rows);
      await opened.scan({ rule: "stock", limit: 1 });
      await compare(opened.reader, rows);
    } finally {
      await opened.close();
    }
  });
});

interface CutOff {
  readonly journal: JournalWriter;
  readonly rows: CrashRows;
}

/** Some units are written back, the write-back of some more fails, and more are appended behind them. */
async function cutOff({ before, count }: (typeof cases)[number]): Promise<CutOff> {
  const journal = await open(LARGE);
  const rows: CrashRows = new Map();
  let unit = 0;
  const appendUpTo = async (last: number): Promise<void> => {
    while (unit < last) await append(journal, (unit += 1), rows);
  };
  await appendUpTo(before);
  await journal.scan({ rule: "stock", limit: 1 });
  await appendUpTo(before + CUT_OFF);
  failFrom(count);
  await expect(journal.scan({ rule: "stock", limit: 1 })).rejects.toBe(full);
  expect(commits).toBe(count);
  await appendUpTo(before + CUT_OFF + BEHIND);
  return { journal, rows };
}

async function append(journal: JournalWriter, unit: number, rows: CrashRows): Promise<void> {
  const shape = { kind: "state", columns: stockColumns, key: ["id"] } as const;
  const schema = journal.schemaVersion("stock", shape);
  const draft = journal.block();
  for (const step of crashSteps(unit)) {
    await draftStep(draft, step, schema);
    follow(rows, step);
  }
  await journal.append(draft, nothing);
}

async function compare(reader: JournalReader, rows: CrashRows): Promise<void> {
  for (const channel of STATE_CHANNELS) {
    const due = [...rows].filter(([, row]) => row.channel === channel);
    const lap = await reader.read([{ channel, after: 0 }], 1e9);
    const seen = new Map<string, string>();
    for (const { op, body } of lap.channels[0]?.entries ?? []) {
      const text = Buffer.from(body).toString();
      if (op === "t") seen.clear();
      else if (op === "d") seen.delete(text);
      else seen.set(text.split(",")[0] ?? "", text);
    }
    const told = due.map(([id, row]) => rowBodyOf(id, row));
    expect([...seen.values()].sort(), channel).toEqual(told.sort());
  }
}
