/**
 * Looks at an LMDB file before it is mapped: a file that is shorter than its own record of itself would end
 * the process with a bus error at the first read of what is missing, and no error could be shown.
 *
 * The file's first two pages are meta pages, written in turn. After a page's header of 24 bytes, little
 * endian, as in mdb.c of lmdb 3.5:
 *
 *     0 magic u32 (0xBEEFC0DE) · 4 version u32 · 8 address u64 · 16 map size u64
 *     24 free db, 72 main db: 48 bytes each; the free db's first u32 is the page size
 *     120 last page u64 · 128 transaction u64 · 136 boot u64
 *
 * The page with the higher transaction counts. The file may be shorter than its last page where the last pages
 * are free: mdb.c says so, and pages that a transaction took and gave back are never written; a large one
 * leaves hundreds of them. So it is damaged only where something leads to a page that is missing.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { AppError } from "../../base/errors.js";
import { isWholeTree, PAGE_HEADER_BYTES, TREE_BYTES } from "./page-walk.js";

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const META_BYTES = 144;

const At = {
  ...{ magic: 0, version: 4, pageSize: 24, freeTree: 24, mainTree: 72 },
  ...{ lastPage: 120, transaction: 128 },
} as const;

interface Meta {
  readonly pageSize: number;
  readonly freeTree: Buffer;
  readonly mainTree: Buffer;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

/** Throws JOURNAL_DAMAGED or JOURNAL_NEWER. An empty file is one that LMDB has yet to fill. */
export function checkMetaPages(path: string, readOnly: boolean): void {
  const file = openSync(path, readOnly ? "r" : "r+");
  try {
    const { size } = fstatSync(file);
    if (size === 0) return;
    const meta = newestMeta(file, path);
    const { lastPage, pageSize, freeTree, mainTree, transaction } = meta;
    const needed = Number(lastPage + 1n) * pageSize;
    if (size >= needed) return;
    const pages = { file, size, pageSize };
    const isWhole = isWholeTree(pages, freeTree, false) && isWholeTree(pages, mainTree, true);
    if (isWhole && !readOnly) ftruncateSync(file, needed);
    // Who only reads may look while another writes: then pages were taken again under this walk.
    const isMoving = readOnly && newestMeta(file, path).transaction !== transaction;
    if (isWhole || isMoving) return;
    throw damaged(path, `it has ${size} bytes and says that it has ${needed}`);
  } finally {
    closeSync(file);
  }
}

function newestMeta(file: number, path: string): Meta {
  const first = readMeta(file, path, 0);
  const second = readMeta(file, path, first.pageSize);
  return second.transaction > first.transaction ? second : first;
}

function readMeta(file: number, path: string, at: number): Meta {
  const bytes = Buffer.alloc(META_BYTES);
  const read = readSync(file, bytes, 0, META_BYTES, at + PAGE_HEADER_BYTES);
  if (read !== META_BYTES) throw damaged(path, `it ends inside the meta page at byte ${at}`);
  if (bytes.readUInt32LE(At.magic) !== MAGIC) {
    throw damaged(path, `the meta page at byte ${at} does not begin as one`);
  }
  // The upper half carries flags of the format.
  const version = bytes.readUInt32LE(At.version) & 0xffff;
  if (version > VERSION) {
    throw new AppError(
      "JOURNAL_NEWER",
      `opening ${path}: its LMDB format is ${version}, this version reads ${VERSION}`,
    );
  }
  const pageSize = bytes.readUInt32LE(At.pageSize);
  if (version < VERSION || pageSize < 512 || pageSize > 65_536) {
    throw damaged(path, `LMDB format ${version} with pages of ${pageSize} bytes`);
  }
  return {
    pageSize,
    freeTree: bytes.subarray(At.freeTree, At.freeTree + TREE_BYTES),
    mainTree: bytes.subarray(At.mainTree, At.mainTree + TREE_BYTES),
    lastPage: bytes.readBigUInt64LE(At.lastPage),
    transaction: bytes.readBigUInt64LE(At.transaction),
  };
}

function damaged(path: string, found: string): AppError {
  return new AppError("JOURNAL_DAMAGED", `opening ${path}: ${found}`, { context: { path } });
}
