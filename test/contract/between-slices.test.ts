/**
 * Goal: between two transactions of a write-back each channel reads as its newest unit left it, also where a
 * document changes channel and row key together: no row stays under a key that nobody will ever take back (I8).
 * Method: the journal writes back in line, and after each transaction of it every channel is read whole, read on from
 * before the batch, and read by a view that was held between two transactions.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { BlockDraft, DraftEntry, HeldView } from "../../src/journal/journal.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { LmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";

const CHANNELS = ["old", "new"];
const WHOLE = 1e9;
const nothing = { positions: new Map(), facts: new Map() };

/** No page runs out of time, so each reading is of one moment; and nothing is written back before somebody waits for it. */
const clock = { ...systemClock, monotonic: () => 0, after: () => () => undefined };

/** A document's channel and row key; without them it goes. */
interface Stand {
  readonly channel: string;
  readonly key: string;
}

type Unit = (id: number) => Stand | undefined | "stays";
type Rows = ReadonlyMap<string, string>;
type Reads = Pick<HeldView, "read">;

const moves: Unit = (id) => ({ channel: "new", key: `moved-${String(id)}` });
const comesBack: Unit = (id) => {
  return id % 2 === 0 ? { channel: "old", key: `back-${String(id)}` } : "stays";
};
const renamed: Unit = (id) => ({ channel: "old", key: `renamed-${String(id)}` });
const someGo: Unit = (id) => (id % 3 === 0 ? undefined : "stays");
const sameKey: Unit = (id) => ({ channel: "new", key: keyOf(id) });

const keyOf = (id: number): string => `first-${String(id)}`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-slices-"));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

describe.each([
  { slicePages: 8, documents: 100 },
  { slicePages: 2_048, documents: 3_000 },
])("written back in transactions of $slicePages pages", ({ slicePages, documents }) => {
  it.each<[string, readonly Unit[]]>([
    ["leave with their key", [moves]],
    ["leave with their key and come back under another", [moves, comesBack]],
    ["leave and keep their key", [sameKey, comesBack]],
    ["change their key and leave", [renamed, moves, someGo]],
  ])("shows no document twice or too long: they %s", async (_, units) => {
    const around = { folder, clock, random: systemRandom, pid: process.pid, mapGib: 1 };
    const journal = await openLmdbJournal({ ...around, settings: { slicePages } });
    try {
      await compareBetween(journal, documents, units);
    } finally {
      await journal.close();
    }
  });
});

async function compareBetween(
  journal: LmdbJournal,
  documents: number,
  units: readonly Unit[],
): Promise<void> {
  const columns = [
    { name: "key", type: "text" as const },
    { name: "value", type: "text" as const },
  ];
  const schema = journal.schemaVersion("t", { kind: "state", columns, key: ["key"] });
  const ids = Array.from({ length: documents }, (_, id) => id);
  const truth = new Map<number, Stand>();
  const append = async (unit: Unit): Promise<void> => {
    const draft = journal.block();
    for (const id of ids) {
      const stand = unit(id);
      if (stand === "stays") continue;
      place(draft, { id, stand, schema });
      if (stand === undefined) truth.delete(id);
      else truth.set(id, stand);
    }
    await journal.append(draft, nothing);
  };
  await append((id) => ({ channel: "old", key: keyOf(id) }));
  // Resolves once all is written back.
  await journal.scan({ rule: "rule", limit: 1 });
  const before = await readAll(journal.reader, new Map());
  for (const unit of units) await append(unit);

  const due = new Map(CHANNELS.map((channel) => [channel, new Set<string>()]));
  for (const { channel, key } of truth.values()) due.get(channel)?.add(key);
  const readings: Promise<Reading>[] = [];
  let held: HeldView | undefined;
  const commitNow = Object.getOwnPropertyDescriptor(Environment.prototype, "commitNow")?.value as (
    work: () => void,
  ) => void;
  vi.spyOn(Environment.prototype, "commitNow").mockImplementation(function (
    this: Environment,
    work,
  ) {
    commitNow.call(this, work);
    held ??= journal.reader.hold();
    for (const reader of [journal.reader, ...(held === undefined ? [] : [held])]) {
      readings.push(readAll(reader, new Map()), readAll(reader, before));
    }
  });
  await journal.scan({ rule: "rule", limit: 1 });
  held?.release();
  expect(readings.length, "readings between transactions").toBeGreaterThan(8);
  for (const reading of await Promise.all(readings)) {
    for (const channel of CHANNELS) {
      const seen = [...(reading.get(channel)?.rows.keys() ?? [])];
      const tooMany = seen.filter((key) => due.get(channel)?.has(key) !== true);
      expect(tooMany.slice(0, 3), `${String(tooMany.length)} in ${channel}`).toEqual([]);
      expect(seen.length, channel).toBe(due.get(channel)?.size);
    }
  }
}

/** Puts the document where it shall stand, as the pipeline would. */
function place(
  draft: BlockDraft,
  { id, stand, schema }: { id: number; stand: Stand | undefined; schema: number },
): void {
  const document = { rule: "rule", relation: "t", identity: `[${String(id)}]` };
  const old = draft.document(document);
  const shared = { kind: "state", table: "t", schema } as const;
  const entries: DraftEntry[] = [];
  let isThere = false;
  for (const { channel } of old?.targets ?? []) {
    isThere = old?.key === stand?.key && channel === stand?.channel;
    const op = stand === undefined || channel === stand.channel ? "d" : "m";
    if (!isThere) entries.push({ ...shared, channel, op, body: Buffer.from(old?.key ?? "") });
  }
  if (stand === undefined) {
    if (old !== undefined) draft.put({ document, state: null, entries });
    return;
  }
  const { channel, key } = stand;
  const body = Buffer.from(`${key},x`);
  entries.push({ ...shared, channel, op: isThere ? "u" : "i", body });
  draft.put({
    document,
    entries,
    state: {
      ...{ body, key, table: "t", schema, hidden: "", pending: "" },
      ...{ channels: [channel], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
    },
  });
}

interface Held {
  readonly serial: number;
  readonly rows: Rows;
}

type Reading = ReadonlyMap<string, Held>;

/** Every channel, on from where the client stands. The look at the journal is taken in the call itself. */
async function readAll(reader: Reads, from: Reading): Promise<Reading> {
  const requests = CHANNELS.map((channel) => {
    return { channel, after: from.get(channel)?.serial ?? 0 };
  });
  const { complete, channels } = await reader.read(requests, WHOLE);
  expect(complete, "one page holds it all").toBe(true);
  return new Map(
    channels.map(({ channel, entries, reached }) => {
      const rows = new Map(from.get(channel)?.rows);
      for (const { op, body } of entries) {
        const [key = "", value] = Buffer.from(body).toString().split(",");
        if (op === "d" || op === "m") rows.delete(key);
        else rows.set(key, value ?? "");
      }
      return [channel, { serial: reached, rows }];
    }),
  );
}
