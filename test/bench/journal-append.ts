/**
 * How fast commit units become durable: rows through drafts into the journal on disk, against the plain way
 * in the same run, the same bytes appended to one file with an fsync for each unit.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { median, ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure } from "./figure.js";

const UNITS = 200;
const ROWS = 100;

export const journalAppend: Bench = {
  name: "journal-append",
  run: measure,
};

/** Medians over the rounds; ours and the reference take turns. */
async function measure(isQuick: boolean): Promise<Figure> {
  const ours: number[] = [];
  const plain: number[] = [];
  const { cpuMs: before } = usageOf(process.pid);
  const rounds = isQuick ? 1 : 3;
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await inFolder(appendUnits));
    plain.push(await inFolder(async (folder) => writeFile(folder)));
  }
  const { cpuMs, rssAnonMb } = usageOf(process.pid);
  const [figure, reference] = [median(ours), median(plain)];
  const what = "the same bytes appended to one file, an fsync each unit";
  return {
    ...{ bench: "journal-append", figure, unit: "rows/s" },
    ...{ reference: { what, figure: reference }, ratio: ratioOf(figure, reference), rssAnonMb },
    cpuUsPerItem: Math.round(((cpuMs - before) * 1_000) / (rounds * UNITS * ROWS)),
    ...(isQuick ? { reduced: "one round" } : {}),
  };
}

async function appendUnits(folder: string): Promise<number> {
  const options = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 4 };
  const journal = await openLmdbJournal({ folder: join(folder, "journal"), ...options });
  const columns = [
    { name: "id", type: "int" as const },
    { name: "name", type: "text" as const },
  ];
  const schema = journal.schemaVersion("t", { kind: "state", columns, key: ["id"] });
  const startedAt = performance.now();
  for (let unit = 0; unit < UNITS; unit += 1) await appendUnit(journal, unit, schema);
  const seconds = (performance.now() - startedAt) / 1_000;
  await journal.close();
  return Math.round((UNITS * ROWS) / seconds);
}

async function appendUnit(journal: JournalWriter, unit: number, schema: number): Promise<void> {
  await journal.ready();
  const draft = journal.block();
  const ids = Array.from({ length: ROWS }, (_, at) => unit * ROWS + at);
  const keyOf = (id: number) => ({ rule: "rule", relation: "t", identity: `[${id}]` });
  await draft.prepare(ids.map(keyOf));
  for (const id of ids) {
    const body = rowBytes(id);
    const channel = `store:${id % 10}`;
    draft.put({
      document: keyOf(id),
      state: {
        ...{ body, key: String(id), table: "t", schema, hidden: "", pending: "" },
        ...{ channels: [channel], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
      },
      entries: [{ channel, kind: "state", op: "i", table: "t", schema, body }],
    });
  }
  await journal.append(draft, { positions: new Map(), facts: new Map() });
}

function writeFile(folder: string): number {
  const file = openSync(join(folder, "plain"), "a");
  const startedAt = performance.now();
  for (let unit = 0; unit < UNITS; unit += 1) {
    const rows = Array.from({ length: ROWS }, (_, at) => rowBytes(unit * ROWS + at));
    writeSync(file, Buffer.concat(rows));
    fsyncSync(file);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  closeSync(file);
  return Math.round((UNITS * ROWS) / seconds);
}

function rowBytes(id: number): Buffer {
  return Buffer.from(`${id},"row ${id} with a text of about a hundred bytes ${"x".repeat(50)}"`);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
