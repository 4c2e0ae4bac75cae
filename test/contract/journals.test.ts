/** Both journals keep the contract; the one on disk refuses folders that are not its own. */
import fs, {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";
import { openLmdbJournal, readParked } from "../../src/journal/lmdb/lmdb-journal.js";
import type { LmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { happenedColumns, draftEvent, EVENTS_CHANNEL } from "../crash/journal-units.js";
import { journalContract, putRow, schemaOf } from "./journal.contract.js";

/** Log numbers get a time once a minute: whoever forgets lets one pass. */
let passedMs = 0;
const clock = { ...systemClock, now: () => systemClock.now() + passedMs };

/** Deletions are old at once. */
const forgetful = { tombstonesAgeMs: -60_000 };

async function forget(journal: JournalWriter, work: () => Promise<void>): Promise<void> {
  passedMs += 61_000;
  await work();
  await (journal as LmdbJournal).retain();
}

const newFolder = (): string => mkdtempSync(join(tmpdir(), "changecast-journal-"));

function open(folder: string): Promise<LmdbJournal> {
  const around = { clock, random: systemRandom, pid: process.pid, mapGib: 1 };
  return openLmdbJournal({ folder, ...around, settings: forgetful });
}

journalContract("memory", () => {
  const disk = new MemoryDisk();
  return {
    open: async () => openMemoryJournal({ disk, clock, settings: forgetful }),
    forget,
    remove: () => undefined,
  };
});

journalContract("lmdb", () => {
  const folder = newFolder();
  return {
    open: () => open(join(folder, "journal")),
    forget,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

describe("a journal's folder", () => {
  let folder: string;

  beforeEach(() => {
    folder = newFolder();
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const code = async (work: () => unknown): Promise<unknown> => {
    try {
      passedMs += 61_000;
      await work();
      return "nothing";
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
  };

  it("is written by one process at a time", async () => {
    const journal = await open(folder);
    expect(await code(() => open(folder))).toBe("JOURNAL_IN_USE");
    await journal.close();
    await (await open(folder)).close();
  });

  it("has what its former writer was told is durable, and nothing that this one writes later", async () => {
    const append = (journal: JournalWriter, fact: string): Promise<number> =>
      journal.append(journal.block(), { positions: new Map(), facts: new Map([["f", fact]]) });
    const former = await open(folder);
    await append(former, "durable");
    // As if both had found the same leftover.
    unlinkSync(join(folder, "writer.sock"));
    const journal = await open(folder);
    expect(journal.fact("f")).toBe("durable");
    expect(await code(() => append(former, "late"))).toBe("JOURNAL_IN_USE");
    await append(journal, "newest");
    await code(() => former.close());
    await journal.close();
    const again = await open(folder);
    expect(again.fact("f")).toBe("newest");
    await again.close();
  });

  it("is refused without its write-ahead log, and with that of another time", async () => {
    const wal = join(folder, "appends.wal");
    await (await open(folder)).close();
    const older = readFileSync(wal);
    await (await open(folder)).close();
    const own = readFileSync(wal);
    rmSync(wal);
    expect(await code(() => open(folder))).toBe("JOURNAL_DAMAGED");
    writeFileSync(wal, older);
    expect(await code(() => open(folder))).toBe("JOURNAL_DAMAGED");
    writeFileSync(wal, own);
    await (await open(folder)).close();
  });

  it("goes on where starts ended before their write-ahead log had its place", async () => {
    const wal = join(folder, "appends.wal");
    await (await open(folder)).close();
    const older = readFileSync(wal);
    const journal = await open(folder);
    const facts = new Map([["f", "kept"]]);
    await journal.append(journal.block(), { positions: new Map(), facts });
    await journal.close();
    renameSync(wal, `${wal}.new`);
    writeFileSync(wal, older);
    const failing = vi.spyOn(BlocksFile.prototype, "commit").mockRejectedValue(new Error("killed"));
    await expect(open(folder)).rejects.toThrow("killed");
    failing.mockRestore();
    const again = await open(folder);
    expect(again.fact("f")).toBe("kept");
    await again.close();
  });

  it("is not taken where it holds something else", async () => {
    writeFileSync(join(folder, "photo.jpg"), "x");
    expect(await code(() => open(folder))).toBe("JOURNAL_FOREIGN");
  });

  it("is made anew where a start was killed before it was whole", async () => {
    writeFileSync(join(folder, "journal.json.new"), '{"chan');
    await (await open(folder)).close();
    await (await open(folder)).close();
  });

  it("has its name and format on the disk before anything is kept there", async () => {
    const steps: string[] = [];
    const names = new Map<number, string>();
    const was = { open: fs.openSync, sync: fs.fsyncSync, rename: fs.renameSync };
    fs.openSync = (path, ...how) => {
      const file = was.open(path, ...how);
      names.set(file, relative(folder, String(path)));
      return file;
    };
    fs.fsyncSync = (file) => {
      const name = names.get(file) ?? "another";
      const text =
        name === "" ? fs.readdirSync(folder).join() : fs.readFileSync(join(folder, name));
      steps.push(`${name} is on the disk: ${String(text).trim()}`);
      was.sync(file);
    };
    fs.renameSync = (from, to) => {
      steps.push(`${relative(folder, String(from))} becomes ${relative(folder, String(to))}`);
      was.rename(from, to);
    };
    syncBuiltinESMExports();
    try {
      await (await open(folder)).close();
    } finally {
      Object.assign(fs, { openSync: was.open, fsyncSync: was.sync, renameSync: was.rename });
      syncBuiltinESMExports();
    }
    expect(steps.slice(0, 3)).toEqual([
      'journal.json.new is on the disk: {"changecast":"journal","format":1}',
      "journal.json.new becomes journal.json",
      " is on the disk: journal.json",
    ]);
    expect(steps[3]).toContain("blocks.mdb");
    expect(steps[3]).toContain("derived.mdb");
  });

  it("is refused when a newer version wrote it", async () => {
    writeFileSync(join(folder, "journal.json"), '{"changecast":"journal","format":2}');
    expect(await code(() => open(folder))).toBe("JOURNAL_NEWER");
  });

  it.each(["blocks.mdb", "derived.mdb"])("is refused when %s was cut off", async (file) => {
    const journal = await open(folder);
    const columns = [{ name: "id", type: "int" as const }];
    journal.schemaVersion("t", { kind: "state", columns, key: ["id"] });
    await journal.append(journal.block(), { positions: new Map(), facts: new Map([["f", "1"]]) });
    await journal.close();
    truncateSync(join(folder, file), 5_000);
    expect(await code(() => open(folder))).toBe("JOURNAL_DAMAGED");
  });

  it("lets go of what is old by its clock, also where that was wrong and set back", async () => {
    const minute = 60_000;
    const [right, wrong] = [1_700_000_000_000, 1_800_000_000_000];
    let now = wrong;
    const journal = await openLmdbJournal({
      ...{ folder, clock: { ...systemClock, now: () => now }, random: systemRandom },
      ...{ pid: process.pid, mapGib: 1, settings: { eventsAgeMs: 10 * minute } },
    });
    const shape = { kind: "events" as const, columns: happenedColumns, key: [] };
    const schema = journal.schemaVersion("happened", shape);
    const times = [wrong, wrong + minute, right, right + 5 * minute, right + 11 * minute];
    for (const [at, time] of times.entries()) {
      now = time;
      const draft = journal.block();
      draftEvent(draft, at + 1, schema);
      await journal.append(draft, { positions: new Map(), facts: new Map() });
    }
    const floor = async () => {
      await journal.retain();
      const request = { channel: EVENTS_CHANNEL, before: 100, limit: 100, bytesMax: 10_000 };
      return (await journal.reader.history(request)).floor;
    };
    expect(await floor()).toBe(3);
    now = right + 16 * minute;
    expect(await floor()).toBe(4);
    await journal.close();
  });

  it("lets go of deletions whatever the log number up to which they go", async () => {
    const journal = await open(folder);
    const shape = { kind: "events" as const, columns: happenedColumns, key: [] };
    const schema = journal.schemaVersion("happened", shape);
    for (let log = 1; log <= 255; log += 1) {
      const draft = journal.block();
      draftEvent(draft, log, schema);
      passedMs += 61_000;
      await journal.append(draft, { positions: new Map(), facts: new Map() });
    }
    await journal.retain();
    await journal.close();
  });

  it("gives others their turn between two pages of a scan", async () => {
    const journal = await open(folder);
    const draft = journal.block();
    const row = { value: "x", channels: ["a"], op: "i" as const, schema: schemaOf(journal) };
    for (let id = 1; id <= 3; id += 1) await putRow(draft, { id, ...row });
    await journal.append(draft, { positions: new Map(), facts: new Map() });
    const first = await journal.scan({ rule: "rule", limit: 1 });
    let hasHadTurn = false;
    setImmediate(() => (hasHadTurn = true));
    const after = first[0]?.key;
    expect(after).toBeDefined();
    if (after !== undefined) await journal.scan({ rule: "rule", after, limit: 1 });
    expect(hasHadTurn).toBe(true);
    await journal.close();
  });

  it("is refused when its format cannot be read", async () => {
    writeFileSync(join(folder, "journal.json"), "{");
    expect(await code(() => open(folder))).toBe("JOURNAL_DAMAGED");
  });

  it("is missed where there is none to read parked documents from", async () => {
    expect(await code(() => readParked(folder))).toBe("JOURNAL_MISSING");
  });
});
