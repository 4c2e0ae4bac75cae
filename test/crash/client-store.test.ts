/**
 * Goal: a client that is killed at any instant comes back with rows and places that belong together (I6), and
 * goes on to the right end. Method: a real process applies units to an SQLite file and is killed with SIGKILL
 * at a random instant, again and again; each time the file is compared with the same units in memory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import { openPhotostructure, readRows } from "../contract/sqlite-subject.js";
import { SeededRandom } from "../support/seeded-random.js";
import { crashUnit, happened, stockSchema } from "./store-units.js";

const ROUNDS = 24;
/** More units than a child can apply before it is killed. */
const ENDLESS = 1_000_000;
const writer = join(import.meta.dirname, "../../dist/test/crash/store-writer.js");

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-crash-"));
  file = join(folder, "store.db");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

it("rows and places survive being killed at any instant, and the end is right", async () => {
  expect(existsSync(writer), "npm run build makes the process that is killed").toBe(true);
  const seed = Math.floor(Math.random() * 1e9);
  const random = new SeededRandom(seed);
  const model = memoryStore();
  let applied = 0;
  let stops = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await killedWriter(round % 2 === 0 ? "photostructure" : "better-sqlite3", random.below(120));
    const reached = await compare(model, applied, `seed ${seed}, round ${round}`);
    if (reached > applied) stops += 1;
    applied = reached;
  }
  expect(stops, "rounds in which units were applied").toBeGreaterThan(ROUNDS / 2);
  await endingWriter(applied + 30);
  expect(await compare(model, applied, `seed ${seed}, the end`)).toBe(applied + 30);
});

/** Runs a writer and kills it some milliseconds after it began to write. */
async function killedWriter(library: string, afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [writer, file, library, String(ENDLESS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  await once(child.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill("SIGKILL");
  const [, signal] = (await gone) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
}

async function endingWriter(last: number): Promise<void> {
  const child = spawn(process.execPath, [writer, file, "photostructure", String(last)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
}

/** Brings the model to where the file's places say it is, and compares. Answers that number. */
async function compare(
  model: ReturnType<typeof memoryStore>,
  from: number,
  what: string,
): Promise<number> {
  const database = openPhotostructure(file);
  try {
    const places = database.all("SELECT serial FROM changecast_channels ORDER BY channel");
    const serials = places.map(({ serial }) => Number(serial));
    const reached = serials[0] ?? 0;
    expect(serials, what).toEqual(reached === 0 ? [] : [reached, reached]);
    expect(reached, what).toBeGreaterThanOrEqual(from);
    for (let number = from + 1; number <= reached; number += 1) {
      const { staged, unit } = crashUnit(number);
      await model.stage(staged);
      await model.apply(unit);
    }
    for (const schema of [stockSchema(reached), happened]) {
      const rows = readRows(database, schema);
      expect(sorted(rows), what).toEqual(sorted(model.rows(schema.table)));
    }
    expect(database.all("PRAGMA integrity_check"), what).toEqual([{ integrity_check: "ok" }]);
    return reached;
  } finally {
    database.close();
  }
}

function sorted(rows: readonly object[]): unknown[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
}
