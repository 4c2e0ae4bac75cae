/** Appends on their way through the write-ahead log: the blocks file has them in their order, whoever asks for them when. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Carried } from "../../src/journal/journal-desk.js";
import { BlockAppends } from "../../src/journal/lmdb/block-appends.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";

const SMALL = "x";
const LARGE = "x".repeat(100_000);

let folder: string;
let blocks: BlocksFile;
let appends: BlockAppends;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "changecast-appends-"));
  await open();
});

afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true });
});

async function open(): Promise<void> {
  blocks = new BlocksFile({ path: join(folder, "blocks.mdb"), mapBytes: 2 ** 30 });
  await blocks.environment.takeOver();
  appends = await BlockAppends.open(blocks, join(folder, "appends.wal"));
}

async function close(): Promise<void> {
  await appends.close();
  await blocks.environment.close();
}

function carried(position: number, text: string): Carried {
  const place = { generation: 1, position: String(position), mark: "", memo: "" };
  const facts = new Map([[`fact ${position}`, text]]);
  const after = { positions: new Map([["shop", place]]), facts };
  return { finished: undefined, parts: undefined, after, schemas: [] };
}

const inBlocks = (): readonly [position: string | undefined, facts: number] => {
  blocks.environment.fresh();
  return [blocks.positions().get("shop")?.position, blocks.facts().size];
};

test("a small one waits in the write-ahead log until it is asked for; a large one takes along what waits", async () => {
  await appends.append(carried(1, SMALL));
  expect(inBlocks()).toEqual([undefined, 0]);
  await appends.settle();
  expect(inBlocks()).toEqual(["1", 1]);
  await appends.append(carried(2, SMALL));
  await appends.append(carried(3, LARGE));
  expect(inBlocks()).toEqual(["3", 3]);
});

test("what waits is not written again behind a large one that has taken it along", async () => {
  let position = 0;
  for (let round = 0; round < 20; round += 1) {
    await appends.append(carried((position += 1), SMALL));
    const large = appends.append(carried((position += 1), LARGE));
    await Promise.all([large, appends.settle()]);
    expect(inBlocks()).toEqual([String(position), position]);
  }
});

test("many that wait go there in pieces, while others come", async () => {
  const count = 1_500;
  let settled: Promise<void> = Promise.resolve();
  for (let position = 1; position <= count; position += 1) {
    await appends.append(carried(position, SMALL));
    if (position === count - 10) settled = appends.settle();
  }
  await settled;
  const [position, facts] = inBlocks();
  expect(facts).toBeGreaterThanOrEqual(count - 10);
  expect(Number(position)).toBe(facts);
  await appends.settle();
  expect(inBlocks()).toEqual([String(count), count]);
});

test("what was left in the write-ahead log is there after the next start, and its own behind it", async () => {
  for (let position = 1; position <= 3; position += 1) {
    await appends.append(carried(position, SMALL));
    // A start beside one that was taken for dead.
    const former = { blocks, appends };
    await open();
    expect(inBlocks()).toEqual([String(position), position]);
    await expect(former.appends.append(carried(9, SMALL))).rejects.toMatchObject({
      code: "JOURNAL_IN_USE",
    });
    await expect(former.appends.close()).rejects.toMatchObject({ code: "JOURNAL_IN_USE" });
  }
});
