/** How many blocks the journal on disk keeps: by their bytes, those of earlier runs included. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { LmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { draftStep, stockColumns } from "../crash/journal-units.js";

const folder = mkdtempSync(join(tmpdir(), "changecast-blocks-"));
const mapGib = 1;
const KIB = 1024;

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function open(): Promise<LmdbJournal> {
  const around = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib };
  return openLmdbJournal({ folder, ...around, settings: { blocksBytesMax: 500 * KIB } });
}

async function append(journal: LmdbJournal, count: number): Promise<void> {
  const shape = { kind: "state", columns: stockColumns, key: ["id"] } as const;
  const schema = journal.schemaVersion("stock", shape);
  for (let id = 0; id < count; id += 1) {
    const draft = journal.block();
    const value = "x".repeat(100 * KIB);
    await draftStep(draft, { do: "put", id, value, channel: "a" }, schema);
    await journal.append(draft, { positions: new Map(), facts: new Map() });
  }
}

/** Closes the journal and counts the blocks that are there. */
async function blocksLeft(journal: LmdbJournal): Promise<number> {
  await journal.retain();
  await journal.close();
  const path = join(folder, "blocks.mdb");
  const file = new BlocksFile({ path, mapBytes: mapGib * KIB ** 3, readOnly: true });
  try {
    return file.last() - file.trimmed();
  } finally {
    await file.environment.close();
  }
}

it("keeps what fits, and counts what an earlier run left", async () => {
  const first = await open();
  await append(first, 3);
  expect(await blocksLeft(first)).toBe(3);
  const second = await open();
  await append(second, 3);
  expect(await blocksLeft(second)).toBe(4);
  const third = await open();
  await append(third, 20);
  expect(await blocksLeft(third)).toBe(4);
});
