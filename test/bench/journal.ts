/**
 * How fast commit units become durable, with the derived state kept close behind: upserts through drafts into
 * the journal on disk, beside LMDB alone writing blocks of the same sizes, each with its fsync.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { numberKey } from "../../src/journal/lmdb/row-keys.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { median, ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";

const VARIANTS = [1, 100, 1_000];
const MARK = 0.6;

/** Documents that are written over and over, in so many channels. */
const DOCUMENTS = 100_000;
const CHANNELS = 64;

const worker = new URL("../../src/journal/lmdb/derived-worker.js", import.meta.url);

export const journal: Bench = { name: "journal", run: measure };

interface Round {
  readonly rowsPerSecond: number;
  /** Of its blocks, in order. */
  readonly sizes: readonly number[];
}

/** Medians over the rounds; ours and the reference take turns. */
async function measure(isQuick: boolean): Promise<Figure> {
  const [rounds, seconds] = isQuick ? [1, 5] : [3, 10];
  const { cpuMs: before } = usageOf(process.pid);
  const variants: Variant[] = [];
  let rows = 0;
  for (const count of VARIANTS) {
    const ours: number[] = [];
    const plain: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { rowsPerSecond, sizes } = await inFolder((folder) => appends(folder, count, seconds));
      ours.push(rowsPerSecond);
      plain.push(await inFolder((folder) => writes(folder, count, sizes)));
      rows += sizes.length * count;
    }
    const [figure, reference] = [median(ours), median(plain)];
    const ratio = ratioOf(figure, reference);
    variants.push({ name: `${String(count)} a commit`, figure, reference, ratio, mark: MARK });
  }
  const { cpuMs, rssAnonMb } = usageOf(process.pid);
  const [lowest] = [...variants].sort((one, other) => one.ratio - other.ratio);
  const { figure, reference, ratio } = lowest ?? { figure: 0, reference: 0, ratio: 0 };
  const what = "LMDB alone, blocks of the same sizes";
  return {
    ...{ bench: "journal", figure, unit: "rows/s", reference: { what, figure: reference }, ratio },
    ...{ variants, rssAnonMb },
    cpuUsPerItem: Math.round(((cpuMs - before) * 1_000) / rows),
    ...(isQuick ? { reduced: "one round of 5 s instead of three of 10 s" } : {}),
  };
}

async function appends(folder: string, count: number, seconds: number): Promise<Round> {
  const options = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 16 };
  const writer = await openLmdbJournal({ folder: join(folder, "journal"), worker, ...options });
  const columns = [
    { name: "id", type: "int" as const },
    { name: "name", type: "text" as const },
  ];
  const schema = writer.schemaVersion("t", { kind: "state", columns, key: ["id"] });
  const sizes: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1_000;
  let flushed: Promise<unknown> = Promise.resolve();
  for (let row = 0; performance.now() < endsAt; row += count) {
    await writer.ready();
    const draft = writer.block();
    await draft.prepare([]);
    for (let at = 0; at < count; at += 1) putRow(draft, row + at, schema);
    sizes.push(draft.bytes);
    // The next block is collected while this one is flushed, as the pipeline does.
    await flushed;
    flushed = writer.append(draft, { positions: new Map(), facts: new Map() });
  }
  await flushed;
  const took = (performance.now() - startedAt) / 1_000;
  await writer.close();
  return { rowsPerSecond: Math.round((sizes.length * count) / took), sizes };
}

function putRow(draft: ReturnType<JournalWriter["block"]>, row: number, schema: number): void {
  // Every key once before any comes again, in an order that is not that of the keys.
  const id = (row * 7_919) % DOCUMENTS;
  const document = { rule: "rule", relation: "t", identity: `[${String(id)}]` };
  const channel = `store:${String(id % CHANNELS)}`;
  const body = `${String(id)},"row ${String(row)} ${"x".repeat(180)}"`;
  const op = draft.document(document) === undefined ? "i" : "u";
  draft.put({
    document,
    state: {
      ...{ body, key: String(id), table: "t", schema, hidden: "", pending: "" },
      ...{ channels: [channel], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
    },
    entries: [{ channel, kind: "state", op, table: "t", schema, body }],
  });
}

async function writes(folder: string, count: number, sizes: readonly number[]): Promise<number> {
  const file = new Environment({ path: join(folder, "plain.mdb"), mapBytes: 16 * 1024 ** 3 });
  const table = file.table("blocks");
  await file.takeOver();
  const startedAt = performance.now();
  for (const [at, size] of sizes.entries()) {
    const block = Buffer.alloc(size, at % 251);
    await file.commit(() => {
      table.put(numberKey(at + 1), block);
    });
  }
  const took = (performance.now() - startedAt) / 1_000;
  await file.close();
  return Math.round((sizes.length * count) / took);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
