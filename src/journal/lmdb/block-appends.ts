/**
 * Appends, each durable when it resolves: small ones in the write-ahead log, which waits for one flush of the disk, and from
 * there into the blocks file, many in one commit, before the write-back needs them; a large one goes to the blocks file at
 * once, with what waits.
 */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { FairLock } from "../../base/fair-lock.js";
import type { Carried } from "../journal-desk.js";
import type { LogNumber } from "../journal.js";
import { bytesOf, readRows, writeRows, type AppendRow } from "./append-rows.js";
import type { BlocksFile } from "./blocks-file.js";
import type { DerivedWriter } from "./derived-writer.js";
import { syncFolder, takePlace } from "./journal-folder.js";
import { isWalNamed, NAME_BYTES, readWal, WalFile } from "./wal-file.js";

/** Above it the second writing of the bytes costs more than the flush that it spares. */
const SMALL_BYTES_MAX = 32 * 1024;

/** What the write-ahead log may hold: it is read whole at a start. */
const WAL_BYTES_MAX = 16 * 1024 * 1024;
const WAL_APPENDS_MAX = 8_192;

/** Of one commit where nobody waits for all of them: putting it together takes the thread some two milliseconds. */
const SETTLED_TOGETHER_MAX = 256;

interface Waiting {
  readonly number: number;
  readonly rows: readonly AppendRow[];
}

export class BlockAppends {
  readonly #blocks: BlocksFile;
  readonly #wal: WalFile;
  /** Of the newest record. */
  #number: number;
  #last: LogNumber;
  /** Not in the blocks file yet, or not known to be. */
  #waiting: Waiting[] = [];
  /** Commits of the blocks file, one after the other: what waits must not be written behind what came later. */
  readonly #commits = new FairLock();

  private constructor(blocks: BlocksFile, wal: WalFile, number: number) {
    this.#blocks = blocks;
    this.#wal = wal;
    this.#number = number;
    this.#last = blocks.last();
  }

  /**
   * Brings what an earlier run left in the write-ahead log at `path` into the blocks file, which this run has taken over, and
   * begins one of its own. Whoever had it before may write on in a file that nobody reads. Throws JOURNAL_DAMAGED,
   * _UNREADABLE, _WRITE_FAILED.
   */
  static async open(blocks: BlocksFile, path: string): Promise<BlockAppends> {
    const fresh = `${path}.new`;
    blocks.environment.fresh();
    const left = leftInWal(blocks, path, fresh);
    const number = left.at(-1)?.number ?? blocks.walNumber();
    const name = randomBytes(NAME_BYTES);
    const wal = WalFile.create(fresh, name);
    try {
      syncFolder(dirname(path));
      const rows = left.flatMap((waiting) => waiting.rows);
      await blocks.commit(rows, number, name);
      takePlace(fresh, path);
      blocks.environment.fresh();
      return new BlockAppends(blocks, wal, number);
    } catch (error) {
      wal.close();
      throw error;
    }
  }

  /** One at a time, and none after one that failed. */
  async append(carried: Carried): Promise<void> {
    const log = carried.finished?.unit.log;
    const rows = this.#blocks.rowsOf(carried, log ?? this.#last + 1);
    const bytes = bytesOf(rows);
    const isLarge = bytes > SMALL_BYTES_MAX;
    const isFull =
      this.#waiting.length >= WAL_APPENDS_MAX || this.#wal.length + bytes > WAL_BYTES_MAX;
    if (isLarge || isFull) await this.#commits.with(() => this.#commit(rows, Infinity));
    else await this.#write(rows);
    this.#last = log ?? this.#last;
  }

  /** Everything that was appended is in the blocks file when it resolves. */
  async settle(): Promise<void> {
    const number = this.#number;
    const isDue = (): boolean => (this.#waiting[0]?.number ?? Infinity) <= number;
    while (isDue()) {
      await this.#commits.with(async () => {
        if (isDue()) await this.#commit([], SETTLED_TOGETHER_MAX);
      });
    }
  }

  async close(): Promise<void> {
    try {
      await this.settle();
    } finally {
      this.#wal.close();
    }
  }

  async #write(rows: readonly AppendRow[]): Promise<void> {
    this.#number += 1;
    // Before it is written: the file is not begun anew while a record is on its way into it.
    this.#waiting.push({ number: this.#number, rows });
    await this.#wal.write(this.#number, (writer) => {
      writeRows(writer, rows);
    });
    // Whoever took the journal over has read the file since, perhaps before this record was whole.
    this.#blocks.environment.assertOurs();
  }

  /** At most `most` of those that wait, and `rows` behind them. */
  async #commit(rows: readonly AppendRow[], most: number): Promise<void> {
    const taken = this.#waiting.slice(0, most);
    const number = taken.at(-1)?.number ?? this.#number;
    await this.#blocks.commit([...taken.flatMap((append) => append.rows), ...rows], number);
    this.#waiting = this.#waiting.slice(taken.length);
    if (this.#waiting.length === 0) this.#wal.rewind();
  }
}

/** A writer of the derived file that finds in the blocks file what it is asked for. */
export function settling(appends: BlockAppends, writer: DerivedWriter): DerivedWriter {
  return {
    units: async (from, to) => {
      await appends.settle();
      return writer.units(from, to);
    },
    merge: async (log) => {
      await appends.settle();
      return writer.merge(log);
    },
    close: () => writer.close(),
  };
}

/** Appends of an earlier run that are not in the blocks file. */
function leftInWal(blocks: BlocksFile, path: string, fresh: string): Waiting[] {
  const name = blocks.walName();
  if (name === undefined) return [];
  // The start that made it ended before it had its place.
  if (isWalNamed(fresh, name)) takePlace(fresh, path);
  const records = readWal(path, name, blocks.walNumber());
  return records.map(({ number, payload }) => {
    const rows = blocks.reading(`record ${number} of ${path}`, () => readRows(payload));
    return { number, rows };
  });
}
