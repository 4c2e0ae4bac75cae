/** The write-ahead log as a file: what a start finds in it, whatever became of its bytes. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WalFile, readWal } from "../../../src/journal/lmdb/wal-file.js";

const NAME = Buffer.from("the name");
const HEADER_BYTES = 24;

let folder: string;
let path: string;
let wal: WalFile;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changecast-wal-"));
  path = join(folder, "appends.wal");
  wal = WalFile.create(path, NAME);
});

afterEach(() => {
  wal.close();
  rmSync(folder, { recursive: true });
});

async function write(from: number, to: number, text = "payload"): Promise<void> {
  for (let number = from; number <= to; number += 1) {
    await wal.write(number, (writer) => {
      writer.raw(`${text} ${number}`);
    });
  }
}

const found = (known = 0): string[] =>
  readWal(path, NAME, known).map(({ number, payload }) => `${number}: ${String(payload)}`);

const damage = expect.objectContaining({ code: "JOURNAL_DAMAGED" }) as Error;

test("gives back what is not known yet", async () => {
  expect(found()).toEqual([]);
  await write(1, 3);
  expect(found()).toEqual(["1: payload 1", "2: payload 2", "3: payload 3"]);
  expect(found(2)).toEqual(["3: payload 3"]);
  expect(found(3)).toEqual([]);
});

test("shows nothing of what stood there before it was begun anew", async () => {
  await write(1, 5, "some longer payload, whose rest stays behind the new one");
  wal.rewind();
  expect(found(5)).toEqual([]);
  await write(6, 7);
  expect(found(5)).toEqual(["6: payload 6", "7: payload 7"]);
  expect(readFileSync(path, "utf8")).toContain("stays behind the new one 5");
});

test("whatever was cut off of its last record, those before it are there", async () => {
  await write(1, 2);
  const end = wal.length;
  await write(3, 3);
  for (let size = wal.length - 1; size >= end; size -= 1) {
    truncateSync(path, size);
    expect(found()).toEqual(["1: payload 1", "2: payload 2"]);
  }
});

test("a new first record that was cut off hides none of those that stood there: they are known", async () => {
  await write(1, 5);
  const was = readFileSync(path);
  wal.rewind();
  await write(6, 6);
  const torn = Buffer.concat([readFileSync(path).subarray(0, HEADER_BYTES + 12), was.subarray(36)]);
  writeFileSync(path, torn);
  expect(found(5)).toEqual([]);
});

test("is refused with any bit flipped before its last record", async () => {
  await write(1, 2);
  const end = wal.length;
  await write(3, 3);
  const whole = readFileSync(path);
  for (let bit = HEADER_BYTES * 8; bit < end * 8; bit += 1) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, flipped);
    expect(() => readWal(path, NAME, 0), `bit ${bit}`).toThrow(damage);
  }
});

test("is refused where records are missing before the first", async () => {
  await write(4, 5);
  expect(() => readWal(path, NAME, 2)).toThrow(damage);
  expect(found(3)).toEqual(["4: payload 4", "5: payload 5"]);
});

test("is refused where it is another's, or not there", async () => {
  await write(1, 1);
  expect(() => readWal(path, Buffer.from("somebody"), 0)).toThrow(damage);
  truncateSync(path, HEADER_BYTES - 1);
  expect(() => readWal(path, NAME, 0)).toThrow(damage);
  rmSync(path);
  expect(() => readWal(path, NAME, 0)).toThrow(damage);
  wal.close();
  wal = WalFile.create(path, NAME);
});

test("a disk that takes no more is told with the file", async () => {
  wal.close();
  await expect(write(1, 1)).rejects.toMatchObject({
    code: "JOURNAL_WRITE_FAILED",
    message: expect.stringContaining(path) as unknown,
  });
  wal = WalFile.create(path, NAME);
});
