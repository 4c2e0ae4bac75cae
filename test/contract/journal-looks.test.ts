/**
 * Goal: what a draft learns by looking at a whole table of the derived file, page by page, is the same whatever is
 * written back between two pages: each channel that is fed, each document that is parked.
 * Method: rows for more than one page are in the file, others only in memory. The look begins, reads its first page,
 * and lets go; a scan then writes everything back, behind and before the place where the look stands.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { BlockDraft } from "../../src/journal/journal.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import type { LmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { SLICE_ROWS } from "../../src/journal/turn.js";
import type { ChannelKind } from "../../src/model/table.js";
import { putRow, schemaOf } from "./journal.contract.js";

const nothing = { positions: new Map(), facts: new Map() };

/** More than one page. */
const MANY = SLICE_ROWS + 100;

let folder: string;
let journal: LmdbJournal;
let schema: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "changecast-looks-"));
  const around = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 1 };
  journal = await openLmdbJournal({ folder, ...around });
  schema = schemaOf(journal);
});

afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Document {
  readonly id: number;
  readonly channel: string;
  readonly rule?: string;
  readonly kind?: ChannelKind;
}

function put(draft: BlockDraft, { id, channel, rule = "rule", kind = "state" }: Document): void {
  const body = Buffer.from(`${id},x`);
  const told = { body, table: "t", schema };
  draft.put({
    document: { rule, relation: "t", identity: `[${id}]` },
    entries: [{ ...told, channel, kind, op: "i" }],
    state: {
      ...{ ...told, key: String(id), hidden: "", pending: "", channels: [channel] },
      ...{ leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
    },
  });
}

async function append(documents: readonly Document[]): Promise<void> {
  const draft = journal.block();
  for (const document of documents) put(draft, document);
  await journal.append(draft, nothing);
}

/** A scan sees only what is in the file, so it has everything written there. */
async function writeBack(): Promise<void> {
  await journal.scan({ rule: "rule", limit: 1 });
}

async function ops(channel: string): Promise<string> {
  const lap = await journal.reader.read([{ channel, after: 0 }], 1_000_000);
  return (lap.channels[0]?.entries ?? []).map(({ op }) => op).join("");
}

describe("who feeds what", () => {
  const names = Array.from({ length: MANY }, (_, at) => `m${String(at).padStart(4, "0")}`);
  const early = "a, before all others";
  const late = "z, behind all others";

  /** Of `names` the file knows, of the two others only memory. */
  const feed = async (rule: string, kind: ChannelKind): Promise<void> => {
    await append(names.map((channel, id) => ({ id, channel, kind })));
    await writeBack();
    await append([
      { id: MANY, channel: early, rule, kind },
      { id: MANY + 1, channel: late, rule, kind },
    ]);
  };

  it("a truncation is told in each channel, also where it is written back meanwhile", async () => {
    await feed("rule", "state");
    const draft = journal.block();
    const truncated = draft.truncate("rule", "t", "t", schema);
    await writeBack();
    await truncated;
    await journal.append(draft, nothing);
    for (const channel of [early, ...names, late]) expect(await ops(channel), channel).toBe("t");
  });

  it("a gap is told in each channel, also where it is written back meanwhile", async () => {
    await feed("rule", "events");
    const draft = journal.block();
    const told = draft.gap("rule", "t", schema);
    await writeBack();
    await told;
    await journal.append(draft, nothing);
    for (const channel of [early, ...names, late]) expect(await ops(channel), channel).toBe("ig");
  });

  it("a second feeder is found, also where it is written back meanwhile", async () => {
    await feed("rule", "state");
    await writeBack();
    await append([
      { id: MANY + 2, channel: "a, of two" },
      { id: 2, channel: "a, of two", rule: "other" },
    ]);
    const isSole = journal.isSoleFeeder("rule", "t", "t");
    await writeBack();
    expect(await isSole).toBe(false);
  });
});

describe("who is parked", () => {
  /** Of what the documents are, nothing but that. */
  const park = async (ids: Iterable<number>, isParked = true, relation = "t"): Promise<void> => {
    const draft = journal.block();
    const row = { value: "x", channels: [], op: "u", schema, relation, isParked } as const;
    for (const id of ids) await putRow(draft, { id, ...row });
    await journal.append(draft, nothing);
  };

  const truncateWhile = async (work: (truncated: Promise<void>) => Promise<void>) => {
    const draft = journal.block();
    const truncated = draft.truncate("rule", "t", "t", schema);
    await work(truncated);
    await truncated;
    await journal.append(draft, nothing);
  };

  it("is counted once, also where it is written back meanwhile", async () => {
    // Numbers of four digits, so that they sort as they are.
    const ids = Array.from({ length: 2 * MANY }, (_, at) => 2_000 + at);
    await park(ids);
    await park([1, 2, 3], true, "other");
    await writeBack();
    const [early, late] = [[1_001, 1_002], [8_001]];
    await park([...early, ...late, ...ids.slice(0, 2), ...ids.slice(-2)]);
    await park([2_003, 2_004, 2_000 + MANY], false);
    await park([2_004]);
    expect(journal.reader.parkedCount).toBe(2 * MANY + 3 + 3 - 2);
    await truncateWhile(async () => {
      // It has looked for channels then, and read its first page of those that are parked.
      await new Promise(setImmediate);
      await writeBack();
    });
    expect(journal.reader.parkedCount).toBe(3);
    expect(await journal.reader.parked(undefined, 10)).toHaveLength(3);
  });

  it("is counted in pages, and others have their turn between two of them", async () => {
    await park(Array.from({ length: 5 * SLICE_ROWS }, (_, id) => id));
    await writeBack();
    let turns = 0;
    await truncateWhile(async (truncated) => {
      const state = { isDone: false };
      const done = truncated.finally(() => {
        state.isDone = true;
      });
      for (; !state.isDone; turns += 1) await new Promise(setImmediate);
      await done;
    });
    expect(turns).toBeGreaterThan(5);
    expect(journal.reader.parkedCount).toBe(0);
  });
});
