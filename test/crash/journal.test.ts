/**
 * Goal: whatever instant kills the writer, the journal comes back with every unit whole or not at all, with
 * its position (I2), with everything that was ever shown (I3), and with serials that go on without holes (I5).
 * Method: a real process kills itself before, in and after each named step of an append, a write-back, a merge
 * of parts and of retention; each time the folder is compared with the same units in memory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { JournalReader, JournalWriter } from "../../src/journal/journal.js";
import { type KillPoint, killPointText, MOMENTS } from "../support/kill-point.js";
import { SeededRandom } from "../support/seeded-random.js";
import { crashSettings, crashTime, EVENTS_KEPT, positionOf } from "./journal-settings.js";
import {
  crashSteps,
  EVENTS_CHANNEL,
  follow,
  rowBodyOf,
  rowKeyOf,
  STATE_CHANNELS,
} from "./journal-units.js";
import type { CrashRows } from "./journal-units.js";

/** Named steps, and how often one may be passed before it kills. */
const POINTS: readonly (readonly [point: string, times: number])[] = [
  ["BlockAppends.append", 40],
  ["BlockAppends.settle", 20],
  ["WalFiles.create", 1],
  ["WalFile.write", 40],
  ["BlocksFile.commit", 20],
  ["BlocksFile.writePart", 30],
  ["BlocksFile.discardUnit", 9],
  ["BlocksFile.trim", 4],
  ["BlocksFile.addRun", 1],
  ["LmdbKeep.release", 40],
  ["DerivedQueue.merge", 6],
  ["WriteBack.units", 30],
  ["WriteBack.part", 12],
  ["WriteBack.whole", 4],
  ["Retention.enforce", 6],
  ["Environment.commit", 120],
  ["Environment.commitNow", 60],
];
/** The first kill, so that every other finds something there. */
const SOME_UNITS = ["LmdbKeep.release", "after", 40] as const;
/** Pages this small make every reading take many laps. */
const LAP_BYTES = 1_000;
const FLIPS = 40;
const FLIPPED_BYTES = 12;

const writer = join(import.meta.dirname, "../../dist/test/crash/journal-writer.js");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-crash-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe.each(POINTS)("killed at %s", (point, times) => {
  it("comes back whole, again and again", async () => {
    expect(existsSync(writer), "npm run build makes the process that is killed").toBe(true);
    const seed = Math.floor(Math.random() * 1e9);
    const random = new SeededRandom(seed);
    const truth: Truth = { unit: 0, rows: new Map() };
    const places = new Map<string, Held>();
    const kills = [...MOMENTS, ...MOMENTS].map((moment) => [point, moment, times] as const);
    for (const [at, moment, timesMax] of [SOME_UNITS, ...kills]) {
      const countdown = 1 + random.below(timesMax);
      const what = `seed ${seed}: ${at} ${moment}, the ${countdown}. time`;
      const said = await killedWriter({ point: at, moment, count: countdown });
      const journal = await open(said.begun);
      try {
        await compare(journal, said, truth, what);
        await followOn(journal.reader, truth, places, what);
      } finally {
        await journal.close();
      }
    }
    expect(truth.unit, "units that were appended in all").toBeGreaterThan(0);
  });
});

describe("a bit flipped in blocks that are not written back, or in a position", () => {
  it("is found when the journal is opened, or changed nothing that counts", async () => {
    const seed = Math.floor(Math.random() * 1e9);
    const random = new SeededRandom(seed);
    const kill = { point: "DerivedQueue.add", moment: "after", count: 3 } as const;
    const said = await killedWriter(kill);
    const whole = `${folder}-whole`;
    const isFile = (path: string): boolean => !path.endsWith(".sock");
    cpSync(folder, whole, { recursive: true, filter: isFile });
    let refused = 0;
    try {
      for (let round = 0; round < FLIPS; round += 1) {
        rmSync(folder, { recursive: true });
        cpSync(whole, folder, { recursive: true });
        const file = random.pick(["blocks.mdb", "appends.wal"]) ?? "";
        const at = flipBit(join(folder, file), random);
        const what = `seed ${seed}: a bit of byte ${at} of ${file}`;
        const isWhole = await compareDamaged(said, what);
        if (!isWhole) refused += 1;
      }
    } finally {
      rmSync(whole, { recursive: true });
    }
    expect(refused, `seed ${seed}`).toBeGreaterThan(0);
  });
});

/** False: refused as damaged. Throws for any other end. */
async function compareDamaged(said: Said, what: string): Promise<boolean> {
  let journal: JournalWriter;
  try {
    journal = await open(said.begun);
  } catch (error) {
    expect((error as { code?: unknown }).code, `${what}: ${String(error)}`).toBe("JOURNAL_DAMAGED");
    return false;
  }
  try {
    await compare(journal, said, { unit: 0, rows: new Map() }, what);
    return true;
  } finally {
    await journal.close();
  }
}

/** In what a block or a position says. Pages that are free hold such texts too. */
function flipBit(path: string, random: SeededRandom): number {
  const bytes = readFileSync(path);
  // The write-ahead log's last record is one that never became whole if its bytes are not what was written.
  const end = path.endsWith(".wal") ? lastRecordOf(bytes) : bytes.length;
  const places: number[] = [];
  for (const text of ["unit ", '"position"']) {
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      if (at + FLIPPED_BYTES <= end) places.push(at);
    }
  }
  const at = (random.pick(places) ?? 0) + random.below(FLIPPED_BYTES);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  writeFileSync(path, bytes);
  return at;
}

/** Where it begins (wal-file.ts). */
function lastRecordOf(bytes: Buffer): number {
  const name = bytes.subarray(16, 24);
  return bytes.lastIndexOf(name) - 8;
}

interface Said {
  readonly begun: number;
  readonly appended: number;
  readonly shown: number;
}

/** Runs a writer until it kills itself. */
async function killedWriter(kill: KillPoint): Promise<Said> {
  const child = spawn(process.execPath, [writer, folder, killPointText(kill)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes.toString();
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  expect({ code, signal }, killPointText(kill)).toEqual({
    code: null,
    signal: "SIGKILL",
  });
  const last = (word: string) => {
    const said = output.split("\n").filter((line) => line.startsWith(`${word} `));
    return Math.max(0, ...said.map((line) => Number(line.split(" ")[1])));
  };
  return { begun: last("begun"), appended: last("appended"), shown: last("shown") };
}

function open(unit: number): Promise<JournalWriter> {
  const clock = { ...systemClock, now: () => crashTime(unit) };
  const around = { clock, random: systemRandom, pid: process.pid, mapGib: 1 };
  return openLmdbJournal({ folder, ...around, settings: crashSettings });
}

interface Truth {
  unit: number;
  readonly rows: CrashRows;
}

/** Brings the truth to the journal's last unit, and compares documents, position and fact with it. */
async function compare(
  journal: JournalWriter,
  said: Said,
  truth: Truth,
  what: string,
): Promise<void> {
  const { log } = journal.reader.notice;
  expect(log, `${what}: appended`).toBeGreaterThanOrEqual(Math.max(said.appended, truth.unit));
  expect(log, `${what}: shown`).toBeGreaterThanOrEqual(said.shown);
  if (said.begun > 0) expect(log, `${what}: begun`).toBeLessThanOrEqual(said.begun);
  for (let unit = truth.unit + 1; unit <= log; unit += 1) {
    for (const step of crashSteps(unit)) follow(truth.rows, step);
  }
  truth.unit = log;
  const position = log === 0 ? undefined : positionOf(log);
  expect(journal.position("shop")?.position, `${what}: position`).toBe(position);
  expect(journal.fact("unit"), `${what}: fact`).toBe(log === 0 ? undefined : String(log));
  const documents = await journal.scan({ rule: "stock", limit: 10_000 });
  const kept = documents.map(({ document }) => {
    const channels = document.targets.map(({ channel }) => channel);
    return [document.key, channels.join(), Buffer.from(document.body).toString()].join(" ");
  });
  const due = [...truth.rows].map(([id, row]) => {
    return `${rowKeyOf(id, row.channel)} ${row.channel} ${rowBodyOf(id, row)}`;
  });
  expect(kept.sort(), `${what}: documents`).toEqual(due.sort());
}

/** What a client holds that reads on from its place after each kill. */
interface Held {
  readonly serial: number;
  readonly rows: ReadonlyMap<string, string>;
}

/** Every channel, whole and from where the reader stood before the kill. */
async function followOn(
  reader: JournalReader,
  { unit, rows }: Truth,
  places: Map<string, Held>,
  what: string,
): Promise<void> {
  for (const channel of STATE_CHANNELS) {
    const due = new Map<string, string>();
    for (const [id, row] of rows) {
      if (row.channel === channel) due.set(rowKeyOf(id, channel), rowBodyOf(id, row));
    }
    const nothing = { serial: 0, rows: new Map<string, string>() };
    const whole = await readState(reader, channel, nothing);
    expect(sorted(whole.rows), `${what}: channel ${channel}`).toEqual(sorted(due));
    const held = await readState(reader, channel, places.get(channel) ?? nothing);
    expect(sorted(held.rows), `${what}: ${channel}, read on`).toEqual(sorted(due));
    expect(held.serial, `${what}: serial of ${channel}`).toBe(whole.serial);
    expect(whole.serial).toBe((await reader.head(channel))?.serial ?? 0);
    places.set(channel, held);
  }
  await readEvents(reader, unit, what);
}

async function readState(reader: JournalReader, channel: string, from: Held): Promise<Held> {
  let after = from.serial;
  let floor: number | undefined;
  const rows = new Map(from.rows);
  for (;;) {
    const request = floor === undefined ? { channel, after } : { channel, after, floor };
    const [page] = (await reader.read([request], LAP_BYTES)).channels;
    if (page === undefined) throw new Error("a lap answers each request");
    if (page.belowFloor) return readState(reader, channel, { serial: 0, rows: new Map() });
    if (after === 0) floor = page.floor;
    for (const { serial, op, body } of page.entries) {
      expect(serial).toBeGreaterThan(after);
      after = serial;
      const text = Buffer.from(body).toString();
      if (op === "t") rows.clear();
      else if (op === "d") rows.delete(text);
      else rows.set(text.split(",")[0] ?? "", text);
    }
    after = page.reached;
    if (page.atHead) return { serial: after, rows };
  }
}

/** One entry for each unit, as many as are kept, without a hole. */
async function readEvents(reader: JournalReader, unit: number, what: string): Promise<void> {
  const request = { channel: EVENTS_CHANNEL, before: unit + 1, limit: 10_000, bytesMax: 1_000_000 };
  const page = await reader.history(request);
  expect(page.head, `${what}: head of events`).toBe(unit);
  const due = Array.from({ length: unit - page.floor }, (_, at) => page.floor + at + 1);
  expect(
    page.entries.map(({ serial, body }) => [serial, Number(Buffer.from(body).toString())]),
    `${what}: events`,
  ).toEqual(due.map((serial) => [serial, serial]));
  expect(unit - page.floor).toBeGreaterThanOrEqual(Math.min(EVENTS_KEPT, unit));
}

function sorted(rows: ReadonlyMap<string, string>): string[] {
  return [...rows.values()].sort();
}
