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
 * The page with the higher transaction counts. mdb.c says that the file may be shorter than its last page
 * if the last pages are free: pages that a transaction took and gave back are never written. These are few;
 * so a file is refused when more than a few pages are missing, and otherwise made as long as it says.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { AppError } from "../../base/errors.js";

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const PAGE_HEADER_BYTES = 24;
const META_BYTES = 144;

const At = { magic: 0, version: 4, pageSize: 24, lastPage: 120, transaction: 128 } as const;

/** More pages than a transaction of ours ever gives back at the end of the file. */
const FREE_TAIL_PAGES_MAX = 64;

interface Meta {
  readonly pageSize: number;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

/** Throws JOURNAL_DAMAGED or JOURNAL_NEWER. An empty file is one that LMDB has yet to fill. */
export function checkMetaPages(path: string, readOnly: boolean): void {
  const file = openSync(path, readOnly ? "r" : "r+");
  try {
    const { size } = fstatSync(file);
    if (size === 0) return;
    const first = readMeta(file, path, 0);
    const second = readMeta(file, path, first.pageSize);
    const { lastPage, pageSize } = second.transaction > first.transaction ? second : first;
    const needed = Number(lastPage + 1n) * pageSize;
    if (size >= needed) return;
    if (readOnly || needed - size > FREE_TAIL_PAGES_MAX * pageSize) {
      throw damaged(path, `it has ${size} bytes and says that it has ${needed}`);
    }
    ftruncateSync(file, needed);
  } finally {
    closeSync(file);
  }
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
    lastPage: bytes.readBigUInt64LE(At.lastPage),
    transaction: bytes.readBigUInt64LE(At.transaction),
  };
}

function damaged(path: string, found: string): AppError {
  return new AppError("JOURNAL_DAMAGED", `opening ${path}: ${found}`, { context: { path } });
}
