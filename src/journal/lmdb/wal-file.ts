/**
 * The write-ahead log (WAL): appends that are durable and not in the blocks file yet. One write and one flush each, where a
 * commit of LMDB takes two flushes, one behind the other.
 *
 *     file    0 "changecast wal 1" · 16 name of the WAL, 8 bytes · 24 records
 *     record  0 crc u32 of what follows · 4 length u32 of the payload · 8 name of the WAL · 16 number f64 · 24 payload
 *
 * Numbers rise by one. When all of it is in the blocks file, it is written from its beginning again: records that
 * stand behind the newest one then have lower numbers.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { AppError, errorText } from "../../base/errors.js";
import { ByteWriter } from "../byte-io.js";
import { attempt } from "./journal-folder.js";

const MAGIC = Buffer.from("changecast wal 1");
export const NAME_BYTES = 8;
const HEADER_BYTES = MAGIC.length + NAME_BYTES;

const flush = promisify(fdatasync);

const RecordAt = { length: 4, name: 8, number: 16, payload: 24 } as const;

export interface WalRecord {
  readonly number: number;
  readonly payload: Buffer;
}

export class WalFile {
  readonly #path: string;
  readonly #name: Buffer;
  readonly #file: number;
  readonly #writer = new ByteWriter();
  #end = HEADER_BYTES;

  private constructor(path: string, name: Buffer, file: number) {
    this.#path = path;
    this.#name = name;
    this.#file = file;
  }

  /** An empty one, in place of what is there. Its bytes are durable when it returns; its entry in the folder is not. */
  static create(path: string, name: Buffer): WalFile {
    let file: number | undefined;
    try {
      file = openSync(path, "w");
      writeSync(file, headerOf(name));
      fsyncSync(file);
      return new WalFile(path, name, file);
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw writeFailure(path, error);
    }
  }

  /** With the header of the file. */
  get length(): number {
    return this.#end;
  }

  /** Durable when it resolves. One at a time. */
  async write(number: number, payload: (writer: ByteWriter) => void): Promise<void> {
    const record = this.#record(number, payload);
    const at = this.#end;
    this.#end += record.length;
    try {
      // At once: into the system's memory that is less work than to hand it to another thread.
      for (let done = 0; done < record.length;) {
        done += writeSync(this.#file, record, done, record.length - done, at + done);
      }
      await flush(this.#file);
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  /** The next record is the first: nothing in the file is needed any more. */
  rewind(): void {
    this.#end = HEADER_BYTES;
  }

  close(): void {
    closeSync(this.#file);
  }

  #record(number: number, payload: (writer: ByteWriter) => void): Buffer {
    const writer = this.#writer;
    writer.clear();
    const [crcAt, lengthAt] = [writer.gap32(), writer.gap32()];
    writer.raw(this.#name);
    writer.f64(number);
    payload(writer);
    writer.patchU32(lengthAt, writer.length - RecordAt.payload);
    writer.patchU32(crcAt, crc32(writer.view(lengthAt)));
    return writer.view();
  }
}

/** Whether the file at `path` is the WAL of this name. Throws JOURNAL_UNREADABLE. */
export function isWalNamed(path: string, name: Buffer): boolean {
  return contentOf(path)?.subarray(0, HEADER_BYTES).equals(headerOf(name)) === true;
}

/** Records above `known`, which is in the blocks file, one after the other. Throws JOURNAL_DAMAGED, JOURNAL_UNREADABLE. */
export function readWal(path: string, name: Buffer, known: number): WalRecord[] {
  const bytes = contentOf(path);
  if (bytes?.subarray(0, HEADER_BYTES).equals(headerOf(name)) !== true) {
    throw damaged(path, "it is not the one of this journal");
  }
  const records: WalRecord[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const record = recordAt(bytes, at, name);
    const last = records.at(-1);
    if (record === undefined || (last !== undefined && record.number !== last.number + 1)) break;
    records.push(record);
    at += RecordAt.payload + record.payload.length;
  }
  // A record that was cut off by the end of the process is the last; one that was damaged since may have others behind it.
  const newest = Math.max(known, records.at(-1)?.number ?? 0);
  const lost = laterRecord(bytes, at, { name, newest });
  if (lost !== undefined) {
    throw damaged(path, `record ${newest + 1} at byte ${at} is not what was written, ${lost} is`);
  }
  const first = records[0]?.number ?? known;
  if (first > known + 1) {
    throw damaged(path, `it begins with record ${first}, the blocks end with ${known}`);
  }
  return records.filter(({ number }) => number > known);
}

function recordAt(bytes: Buffer, at: number, name: Buffer): WalRecord | undefined {
  const from = at + RecordAt.payload;
  if (from > bytes.length) return undefined;
  const end = from + bytes.readUInt32LE(at + RecordAt.length);
  if (end > bytes.length) return undefined;
  if (crc32(bytes.subarray(at + RecordAt.length, end)) !== bytes.readUInt32LE(at)) return undefined;
  if (!bytes.subarray(at + RecordAt.name, at + RecordAt.number).equals(name)) return undefined;
  return { number: bytes.readDoubleLE(at + RecordAt.number), payload: bytes.subarray(from, end) };
}

/** The number of a whole record behind `from` that is newer than `newest`. */
function laterRecord(
  bytes: Buffer,
  from: number,
  { name, newest }: { readonly name: Buffer; readonly newest: number },
): number | undefined {
  for (let at = bytes.indexOf(name, from); at >= 0; at = bytes.indexOf(name, at + 1)) {
    const record = recordAt(bytes, at - RecordAt.name, name);
    if (record !== undefined && record.number > newest) return record.number;
  }
  return undefined;
}

function contentOf(path: string): Buffer | undefined {
  return existsSync(path) ? attempt(path, () => readFileSync(path)) : undefined;
}

function headerOf(name: Buffer): Buffer {
  return Buffer.concat([MAGIC, name]);
}

function damaged(path: string, found: string): AppError {
  return new AppError("JOURNAL_DAMAGED", `reading ${path}: ${found}`, { context: { path } });
}

function writeFailure(path: string, cause: unknown): AppError {
  return new AppError("JOURNAL_WRITE_FAILED", `writing ${path}: ${errorText(cause)}`, { cause });
}
