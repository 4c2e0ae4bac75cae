/**
 * Lets go of what is old: entries of `events` channels, deletions of `state` channels, and blocks that the
 * derived file holds. A place below what went finds out by the channel's floor.
 */
import type { Clock } from "../../base/clock.js";
import { sleep } from "../../base/abort.js";
import type { JournalSettings } from "../journal-settings.js";
import type { LogNumber } from "../journal.js";
import { SLICE_ROWS } from "../turn.js";
import type { BlocksFile } from "./blocks-file.js";
import type { DerivedFile } from "./derived-file.js";
import type { DerivedQueue } from "./derived-queue.js";
import {
  indexKey,
  indexSerial,
  numberKey,
  readNumber,
  readTombstoneKey,
  rowKey,
  textKey,
  truncationKey,
} from "./row-keys.js";
import { decodeHead, decodeIndexRow, encodeHead, indexRowLog } from "./row-values.js";
import type { HeadRow } from "./row-values.js";
import { RowWrites } from "./row-writes.js";

export interface RetentionParts {
  readonly blocks: BlocksFile;
  readonly file: DerivedFile;
  readonly queue: DerivedQueue;
  readonly settings: JournalSettings;
  readonly clock: Clock;
}

/** Blocks that go together: the newest of them, and the size of all. */
interface Blocks {
  readonly log: LogNumber;
  readonly bytes: number;
}

/** Blocks of earlier runs are told apart so far: to read the size of each would read all of them. */
const EARLIER_GROUPS = 100;

export class Retention {
  readonly #parts: RetentionParts;
  /** What was not dropped, oldest first. */
  #blocks: Blocks[];
  #blockBytes: number;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#blocks = earlierBlocks(parts.blocks);
    this.#blockBytes = bytesOf(this.#blocks);
  }

  wrote(log: LogNumber, bytes: number): void {
    this.#blocks.push({ log, bytes });
    this.#blockBytes += bytes;
  }

  /** Until the signal; a failure ends it, and is the caller's. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#parts;
    for (;;) {
      try {
        await sleep(clock, settings.retentionEveryMs, signal);
      } catch {
        return;
      }
      await this.enforce();
    }
  }

  /** Everything once. */
  async enforce(): Promise<void> {
    const { queue, settings } = this.#parts;
    await queue.flush();
    await queue.turn(() => this.#events(settings));
    await queue.turn(() => this.#tombstones(this.#logBefore(settings.tombstonesAgeMs)));
    await queue.turn(() => this.#forgetTimes(settings));
    await this.#trimBlocks(settings);
  }

  /**
   * The newest log number that was appended so long ago. Times rise with log numbers unless the clock was
   * set: one from the future was wrong, and says nothing. What is found is old enough either way.
   */
  #logBefore(ageMs: number): LogNumber {
    const { clock, file } = this.#parts;
    const now = clock.now();
    let found = 0;
    let low = 0;
    let high = 0;
    for (const { key } of file.times.range({ reverse: true, limit: 1 })) high = readNumber(key);
    while (low <= high) {
      const middle = Math.floor((low + high) / 2);
      const range = { start: numberKey(middle), end: numberKey(high + 1), limit: 1 };
      const [row] = [...file.times.range(range)];
      const at = row === undefined ? 0 : readNumber(row.value);
      if (row === undefined || (at > now - ageMs && at <= now)) high = middle - 1;
      else {
        low = readNumber(row.key) + 1;
        if (at <= now) found = low - 1;
      }
    }
    return found;
  }

  /** Times below what the longest of the ages asks for. */
  async #forgetTimes({
    blocksAgeMs,
    eventsAgeMs,
    tombstonesAgeMs,
  }: JournalSettings): Promise<void> {
    const { file } = this.#parts;
    const end = numberKey(this.#logBefore(Math.max(blocksAgeMs, eventsAgeMs, tombstonesAgeMs)));
    for (;;) {
      file.environment.fresh();
      const keys = file.times.keys({ end, limit: SLICE_ROWS });
      if (keys.length === 0) return;
      const writes = new RowWrites(file.environment);
      for (const key of keys) writes.remove(file.times, key);
      await writes.end();
    }
  }

  async #trimBlocks({ blocksAgeMs, blocksBytesMax }: JournalSettings): Promise<void> {
    const { blocks, file } = this.#parts;
    let cut = this.#logBefore(blocksAgeMs);
    let bytes = this.#blockBytes;
    for (const block of this.#blocks) {
      if (block.log > cut && bytes <= blocksBytesMax) break;
      cut = Math.max(cut, block.log);
      bytes -= block.bytes;
    }
    cut = Math.min(cut, file.watermark());
    this.#blocks = this.#blocks.filter(({ log }) => log > cut);
    this.#blockBytes = bytesOf(this.#blocks);
    if (cut > blocks.trimmed()) await blocks.trim(cut);
  }

  async #events(settings: JournalSettings): Promise<void> {
    const { file } = this.#parts;
    const old = this.#logBefore(settings.eventsAgeMs);
    const due: { readonly name: string; readonly head: HeadRow }[] = [];
    const see = ({ key, value }: { readonly key: Buffer; readonly value: Buffer }): void => {
      const name = key.toString("utf8");
      const head = file.reading(`the head of ${name}`, () => decodeHead(value));
      if (head.kind === "events" && head.serial > head.floor) due.push({ name, head });
    };
    await file.eachUnder(file.heads, Buffer.alloc(0), see);
    for (const { name, head } of due) await this.#trimEvents(name, head, { old, ...settings });
  }

  async #trimEvents(
    name: string,
    head: HeadRow,
    { old, eventsCountMax, eventsBytesMax }: JournalSettings & { readonly old: LogNumber },
  ): Promise<void> {
    const { file } = this.#parts;
    const range = { start: indexKey(name, head.floor + 1), end: indexKey(name, head.serial + 1) };
    const writes = new RowWrites(file.environment);
    let { floor, trimmed } = head;
    for (;;) {
      let count = 0;
      let isOver = false;
      for (const { key, value } of file.index.range({ ...range, limit: SLICE_ROWS })) {
        const serial = indexSerial(key);
        const isKept =
          indexRowLog(value) > old &&
          head.serial - serial < eventsCountMax &&
          head.written - trimmed <= eventsBytesMax;
        if (isKept) {
          isOver = true;
          break;
        }
        const row = decodeIndexRow(serial, value);
        if (row.kind === "entry") trimmed += row.entry.body.length;
        floor = serial;
        writes.remove(file.index, key);
        count += 1;
      }
      if (count === 0 && floor === head.floor) return;
      writes.put(file.heads, textKey(name), encodeHead({ ...head, floor, trimmed }));
      await writes.end();
      if (isOver || count < SLICE_ROWS) return;
      range.start = indexKey(name, floor + 1);
      file.environment.fresh();
    }
  }

  /** Deletions up to `log`, where they are still the last word about their row. */
  async #tombstones(log: LogNumber): Promise<void> {
    const { file } = this.#parts;
    const end = numberKey(log + 1);
    for (;;) {
      file.environment.fresh();
      const keys = file.tombstones.keys({ end, limit: SLICE_ROWS });
      if (keys.length === 0 || log === 0) return;
      const floors = new Map<string, number>();
      const writes = new RowWrites(file.environment);
      for (const key of keys) {
        const { channel, serial } = readTombstoneKey(key);
        writes.remove(file.tombstones, key);
        if (this.#removeDeletion(channel, serial, writes)) {
          floors.set(channel, Math.max(serial, floors.get(channel) ?? 0));
        }
      }
      for (const [channel, floor] of floors) {
        const head = file.head(channel);
        if (head === undefined || head.floor >= floor) continue;
        writes.put(file.heads, textKey(channel), encodeHead({ ...head, floor }));
      }
      await writes.end();
    }
  }

  #removeDeletion(channel: string, serial: number, writes: RowWrites): boolean {
    const { file } = this.#parts;
    const value = file.index.get(indexKey(channel, serial));
    if (value === undefined) return false;
    const row = decodeIndexRow(serial, value);
    if (row.kind !== "entry") return false;
    const { op, table, body } = row.entry;
    const key =
      op === "t"
        ? truncationKey(channel, table)
        : rowKey(channel, table, Buffer.from(body).toString("utf8"));
    writes.remove(file.index, indexKey(channel, serial));
    writes.remove(file.rows, key);
    return true;
  }
}

/** Those that an earlier run left, in groups that are taken to be of one size. */
function earlierBlocks(file: BlocksFile): Blocks[] {
  const first = file.trimmed();
  const count = file.last() - first;
  const groups = Math.min(count, EARLIER_GROUPS);
  const bytes = file.blockBytes() / groups;
  return Array.from({ length: groups }, (_, at) => {
    return { log: first + Math.round((count * (at + 1)) / groups), bytes };
  });
}

function bytesOf(blocks: readonly Blocks[]): number {
  return blocks.reduce((sum, block) => sum + block.bytes, 0);
}
