/** A file of LMDB may end before its last page, where that is free; never before a page that something leads to. */
import { mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Environment } from "../../../src/journal/lmdb/environment.js";

const PAGE = 4_096;
const ROWS = 2_000;
const mapBytes = 2 ** 30;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-pages-"));
  path = join(folder, "data.mdb");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const keyOf = (row: number): Buffer => Buffer.from(String(row).padStart(6, "0"));

/** Rows, a value of several pages, and a transaction that takes pages and gives them back. */
async function fill(backBytes: number): Promise<void> {
  const environment = new Environment({ path, mapBytes });
  await environment.takeOver();
  const table = environment.table("rows");
  environment.commitNow(() => {
    for (let row = 0; row < ROWS; row += 1) table.putNow(keyOf(row), Buffer.alloc(300, 1));
    table.putNow(Buffer.from("large"), Buffer.alloc(10 * PAGE, 2));
  });
  environment.commitNow(() => {
    table.putNow(Buffer.from("back"), Buffer.alloc(backBytes));
    table.removeNow(Buffer.from("back"));
  });
  await environment.close();
}

describe("a file that ends before its last page", () => {
  it.each([false, true])("is whole where that is free (only read: %s)", async (readOnly) => {
    await fill(1_000 * PAGE);
    const { size } = statSync(path);
    expect(size, "pages that were given back are not written").toBeLessThan(500 * PAGE);
    const environment = new Environment({ path, mapBytes, readOnly });
    const table = environment.table("rows");
    expect([...table.range({})]).toHaveLength(ROWS + 1);
    if (!readOnly) {
      await environment.takeOver();
      environment.commitNow(() => {
        for (let row = 0; row < ROWS; row += 1) table.putNow(keyOf(ROWS + row), Buffer.alloc(300));
      });
      expect([...table.range({})]).toHaveLength(2 * ROWS + 1);
    }
    await environment.close();
  });

  it.each([false, true])("is damaged where it was cut (only read: %s)", async (readOnly) => {
    await fill(10 * PAGE);
    const { size } = statSync(path);
    let refused = 0;
    for (let pages = Math.floor(size / PAGE) - 20; pages > 3; pages -= 17) {
      truncateSync(path, pages * PAGE);
      expect(() => new Environment({ path, mapBytes, readOnly })).toThrow(/and says that it has/);
      refused += 1;
    }
    expect(refused).toBeGreaterThan(5);
  });
});
