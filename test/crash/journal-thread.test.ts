/**
 * Goal: while a thread writes units back in many transactions, who reads sees each channel as of one log number,
 * whole (I4), with every row and no other (I8), and reading on by laps ends there too (I5).
 * Method: the real thread with slices of one page and another of nothing at all; between appends, whole reads,
 * laps of a few rows and held views are compared with the same units in memory.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { HeldView, JournalReader, JournalWriter } from "../../src/journal/journal.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { SeededRandom } from "../support/seeded-random.js";
import {
  crashSteps,
  draftStep,
  follow,
  isHuge,
  rowBodyOf,
  rowKeyOf,
  STATE_CHANNELS,
  stockColumns,
} from "./journal-units.js";
import type { CrashRows, CrashStep } from "./journal-units.js";

const script = join(import.meta.dirname, "../../dist/src/journal/lmdb/derived-worker.js");
const UNITS = 300;
const WHOLE = 1e9;
const LAP_BYTES = 300;
/** Rows are gathered for so long before they are written back: some readings meet all of it, some none. */
const PAUSE_MS_MAX = 8;

type Reader = Pick<JournalReader, "read">;
type Rows = ReadonlyMap<string, string>;

/** By log number: the rows of each channel. */
type History = Map<number, ReadonlyMap<string, Rows>>;

describe.each([8, 2_048])("written back in transactions of %d pages", (slicePages) => {
  it("every reading is of one moment, and whole", async () => {
    expect(existsSync(script), "npm run build makes the thread").toBe(true);
    const seed = Math.floor(Math.random() * 1e9);
    const folder = mkdtempSync(join(tmpdir(), "changecast-thread-"));
    const journal = await openLmdbJournal({
      ...{ folder, clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 1 },
      // A small bound: batches follow each other without rest.
      ...{ worker: pathToFileURL(script), settings: { slicePages, behindBytesMax: 20_000 } },
    });
    try {
      await compareAll(journal, seed);
    } finally {
      await journal.close();
      rmSync(folder, { recursive: true });
    }
  });
});

async function compareAll(journal: JournalWriter, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const history: History = new Map([[0, channelsOf(new Map())]]);
  const rows: CrashRows = new Map();
  const schema = journal.schemaVersion("stock", {
    ...{ kind: "state", columns: stockColumns, key: ["id"] },
  });
  const { reader } = journal;
  const followers = STATE_CHANNELS.map((channel) => new Follower(reader, channel));
  let held: HeldView | undefined;
  let compared = 0;
  for (let unit = 1; unit <= UNITS; unit += 1) {
    const what = `seed ${String(seed)}, unit ${String(unit)}`;
    await journal.ready();
    const steps = crashSteps(seed + unit);
    for (const step of steps) follow(rows, step);
    history.set(unit, channelsOf(rows));
    await readingMeanwhile(append(journal, isHuge(unit), { steps, schema }), followers);
    for (const channel of STATE_CHANNELS) {
      const { log } = reader.notice;
      expect(await whole(reader, channel), `${what}: ${channel}`).toEqual(
        due(history, log, channel),
      );
    }
    if (held === undefined) held = random.next() < 0.3 ? reader.hold() : undefined;
    else if (await isEqual(held, history, what)) {
      compared += 1;
      if (random.next() < 0.5) {
        held.release();
        held = undefined;
      }
    } else held = undefined;
    await new Promise((resolve) => setTimeout(resolve, random.below(PAUSE_MS_MAX)));
  }
  held?.release();
  expect(compared, "readings of held views").toBeGreaterThan(UNITS / 20);
  for (const follower of followers) {
    while (!(await follower.lap())) await new Promise(setImmediate);
    const at = `seed ${String(seed)}: ${follower.channel}, followed`;
    expect(follower.rows, at).toEqual(due(history, UNITS, follower.channel));
  }
}

/** False: it has ended, as for a huge unit it must. */
async function isEqual(view: HeldView, history: History, what: string): Promise<boolean> {
  try {
    for (const channel of STATE_CHANNELS) {
      const seen = await whole(view, channel);
      expect(seen, `${what}: held ${channel}`).toEqual(due(history, view.log, channel));
    }
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "JOURNAL_VIEW_ENDED") return false;
    throw error;
  }
}

interface Steps {
  readonly steps: readonly CrashStep[];
  readonly schema: number;
}

async function append(
  journal: JournalWriter,
  inParts: boolean,
  { steps, schema }: Steps,
): Promise<void> {
  const nothing = { positions: new Map(), facts: new Map() };
  if (!inParts) {
    const draft = journal.block();
    for (const step of steps) await draftStep(draft, step, schema);
    await journal.append(draft, nothing);
    return;
  }
  const parts = journal.parts("shop");
  for (const [at, step] of steps.entries()) {
    await draftStep(parts, step, schema);
    if (at % 10 === 9) await parts.flush();
  }
  await parts.commit(nothing);
}

/** A huge unit is merged in many transactions: who reads then gets some of it, and no hole. */
async function readingMeanwhile(
  appended: Promise<void>,
  followers: readonly Follower[],
): Promise<void> {
  const state = { isAppended: false };
  const done = appended.finally(() => {
    state.isAppended = true;
  });
  do {
    for (const follower of followers) await follower.lap();
    await new Promise(setImmediate);
  } while (!state.isAppended);
  await done;
}

/** A client that reads a few rows at a time, for ever behind. */
class Follower {
  readonly channel: string;
  readonly rows = new Map<string, string>();
  readonly #reader: Reader;
  readonly #bytesMax: number;
  #after = 0;
  #floor: number | undefined;

  constructor(reader: Reader, channel: string, bytesMax = LAP_BYTES) {
    this.#reader = reader;
    this.channel = channel;
    this.#bytesMax = bytesMax;
  }

  /** True: at the head. */
  async lap(): Promise<boolean> {
    const { channel } = this;
    const floor = this.#floor === undefined ? {} : { floor: this.#floor };
    const request = { channel, after: this.#after, ...floor };
    const [page] = (await this.#reader.read([request], this.#bytesMax)).channels;
    if (page === undefined) throw new Error("a lap answers each request");
    expect(page.belowFloor, "nothing is forgotten here").toBe(false);
    if (this.#after === 0) this.#floor = page.floor;
    for (const { op, body, serial } of page.entries) {
      expect(serial).toBeGreaterThan(this.#after);
      this.#after = serial;
      apply(this.rows, op, Buffer.from(body).toString());
    }
    this.#after = page.reached;
    return page.atHead;
  }
}

/** Nothing else runs between its laps, so that they are of one moment. */
async function whole(reader: Reader, channel: string): Promise<Rows> {
  const follower = new Follower(reader, channel, WHOLE);
  while (!(await follower.lap()));
  return follower.rows;
}

function apply(rows: Map<string, string>, op: string, text: string): void {
  if (op === "t") rows.clear();
  else if (op === "d") rows.delete(text);
  else rows.set(text.split(",")[0] ?? "", text);
}

function channelsOf(rows: CrashRows): ReadonlyMap<string, Rows> {
  const channels = new Map(STATE_CHANNELS.map((channel) => [channel, new Map<string, string>()]));
  for (const [id, row] of rows) {
    channels.get(row.channel)?.set(rowKeyOf(id, row.channel), rowBodyOf(id, row));
  }
  return channels;
}

function due(history: History, log: number, channel: string): Rows {
  return history.get(log)?.get(channel) ?? new Map();
}
