/**
 * The file of what is true: blocks, positions, facts, runs, schemas, hiding, and the parts of huge units.
 * The derived file can be made again from it as long as the blocks above the watermark are here.
 */
import { crc32 } from "node:zlib";
import { turnOfLoop } from "../../base/turn.js";
import type { SourcePosition } from "../../model/position.js";
import type { TableSchema } from "../../model/table.js";
import { decodeBlock } from "../block-decoder.js";
import { BlockKind, HeaderAt } from "../block-format.js";
import type { DecodedBlock } from "../block-decoder.js";
import { documentAt, NO_DOCUMENT } from "../block-encoder.js";
import { readDocument } from "../document-codec.js";
import type { TakenBlock } from "../draft.js";
import type { SpilledDocuments } from "../spilled-documents.js";
import type { HidingMark } from "../hiding.js";
import type { Carried } from "../journal-desk.js";
import type { CopyStatus, LogNumber } from "../journal.js";
import type { Run } from "../runs.js";
import { SLICE_ROWS } from "../turn.js";
import type { AppendRow, AppendTable } from "./append-rows.js";
import type { EnvironmentOptions, Row, Table } from "./environment.js";
import { JournalFile } from "./journal-file.js";
import { endOf, numberKey, partKey, pendingKey, readNumber, textKey } from "./row-keys.js";

const META_TRIMMED = Buffer.from("trimmed");
const META_COPYING = Buffer.from("copying");
/** Name of the write-ahead log of this run, and the newest of its records that is here. */
const META_WAL = Buffer.from("wal");
const META_WAL_NUMBER = Buffer.from("wal-number");

/** Of the checksum before a row of JSON. */
const SUM_BYTES = 4;

/** The value of a document that a huge unit removed. */
const GONE = Buffer.from([0]);

export class BlocksFile extends JournalFile {
  readonly #meta: Table;
  readonly #blocks: Table;
  readonly #positions: Table;
  readonly #facts: Table;
  readonly #runs: Table;
  readonly #schemas: Table;
  readonly #hiding: Table;
  readonly #parts: Table;
  readonly #pending: Table;
  readonly #appended: Readonly<Record<AppendTable, Table>>;

  constructor(options: EnvironmentOptions) {
    super(options);
    this.#meta = this.environment.table("meta");
    this.#blocks = this.environment.table("blocks");
    this.#positions = this.environment.table("positions");
    this.#facts = this.environment.table("facts");
    this.#runs = this.environment.table("runs");
    this.#schemas = this.environment.table("schemas");
    this.#hiding = this.environment.table("hiding");
    this.#parts = this.environment.table("parts");
    this.#pending = this.environment.table("pending");
    this.#appended = {
      ...{ meta: this.#meta, blocks: this.#blocks, positions: this.#positions },
      ...{ facts: this.#facts, schemas: this.#schemas, hiding: this.#hiding },
    };
  }

  // ------------------------------------------------------------ blocks

  /** Highest log number that was ever written; 0 for none. */
  last(): LogNumber {
    for (const { key } of this.#blocks.range({ reverse: true, limit: 1 })) return readNumber(key);
    return this.trimmed();
  }

  /** Blocks up to here were dropped. */
  trimmed(): LogNumber {
    const value = this.#meta.get(META_TRIMMED);
    return value === undefined ? 0 : readNumber(value);
  }

  /** Of all blocks that were not dropped. */
  blockBytes(): number {
    return this.#blocks.bytes();
  }

  /** Throws JOURNAL_DAMAGED, also where there is no such block. */
  block(log: LogNumber): DecodedBlock {
    const bytes = this.bytes(log);
    const block = this.reading(`block ${log}`, () => decodeBlock(bytes));
    if (block.unit.log === log) return block;
    throw this.damaged(`block ${log}`, `it says that it is block ${block.unit.log}`);
  }

  /** As it was written; unchecked. Throws JOURNAL_DAMAGED where there is no such block. */
  bytes(log: LogNumber): Buffer {
    const bytes = this.#blocks.get(numberKey(log));
    if (bytes === undefined) throw this.damaged(`block ${log}`, "it is not there");
    return bytes;
  }

  /** Whether the block is the commit of a huge unit. */
  isHuge(log: LogNumber): boolean {
    return isCommit(this.bytes(log));
  }

  /** The last of the blocks from `from` on that are no commits of huge units, as it is none, and have `bytesMax` together. */
  runOf(from: LogNumber, last: LogNumber, bytesMax: number): LogNumber {
    let bytes = 0;
    for (let log = from; log <= last; log += 1) {
      const block = this.bytes(log);
      bytes += block.length;
      if (log > from && (bytes > bytesMax || isCommit(block))) return log - 1;
    }
    return last;
  }

  // ------------------------------------------------------------ appends

  /** Everything that an append says; `first` is the log number from which on it says it. */
  rowsOf({ finished, after, schemas }: Carried, first: LogNumber): AppendRow[] {
    const rows: AppendRow[] = [];
    const put = (table: AppendTable, key: Buffer, value: Uint8Array | undefined): void => {
      rows.push({ table, key, value });
    };
    if (finished !== undefined) {
      put("blocks", numberKey(finished.unit.log), finished.unit.block);
    }
    const seal = (table: AppendTable, key: Buffer, value: unknown): void => {
      put(table, key, sealed(key, value));
    };
    for (const schema of schemas) {
      seal("schemas", textKey(`${schema.table}\0${schema.version}`), schema);
    }
    for (const [source, position] of after.positions) seal("positions", textKey(source), position);
    for (const [name, value] of after.facts) {
      if (value === null) put("facts", textKey(name), undefined);
      else seal("facts", textKey(name), value);
    }
    for (const [rule, version] of after.hiding ?? []) {
      const mark: HidingMark = { version, from: first };
      seal("hiding", textKey(rule), mark);
    }
    if (after.copying !== undefined) seal("meta", META_COPYING, after.copying);
    return rows;
  }

  /** Rows of appends in one transaction (I2), up to record `walNumber` of the write-ahead log, which is called `walName` from now on if given. */
  commit(rows: readonly AppendRow[], walNumber: number, walName?: Buffer): Promise<void> {
    return this.environment.commit(() => {
      for (const { table, key, value } of rows) {
        if (value === undefined) this.#appended[table].remove(key);
        else this.#appended[table].put(key, value);
      }
      this.#meta.put(META_WAL_NUMBER, numberKey(walNumber));
      if (walName !== undefined) this.#meta.put(META_WAL, walName);
    });
  }

  /** Undefined: no run had a write-ahead log. */
  walName(): Buffer | undefined {
    return this.#meta.get(META_WAL);
  }

  /** The newest record of the write-ahead log that is here; 0 for none. */
  walNumber(): number {
    const value = this.#meta.get(META_WAL_NUMBER);
    return value === undefined ? 0 : readNumber(value);
  }

  // ------------------------------------------------------------ retention

  /** Drops blocks up to `log`, which the derived file holds durably. */
  async trim(log: LogNumber): Promise<void> {
    for (let from = this.trimmed() + 1; from <= log; from += SLICE_ROWS) {
      const to = Math.min(log, from + SLICE_ROWS - 1);
      await this.environment.commit(() => {
        for (let at = from; at <= to; at++) this.#blocks.remove(numberKey(at));
        this.#meta.put(META_TRIMMED, numberKey(to));
      });
      await turnOfLoop();
    }
  }

  // ------------------------------------------------------------ what is loaded at the start

  positions(): Map<string, SourcePosition> {
    return this.#all<SourcePosition>(this.#positions);
  }

  facts(): Map<string, string> {
    return this.#all<string>(this.#facts);
  }

  hiding(): Map<string, HidingMark> {
    return this.#all<HidingMark>(this.#hiding);
  }

  schemas(): TableSchema[] {
    return [...this.#all<TableSchema>(this.#schemas).values()];
  }

  copying(): readonly CopyStatus[] {
    const value = this.#meta.get(META_COPYING);
    return value === undefined
      ? []
      : this.#parsed<CopyStatus[]>("copying", { key: META_COPYING, value });
  }

  /** In the order of their starts. */
  runs(): Run[] {
    return [...this.#runs.range({})].map((row) => this.#parsed<Run>("a run", row));
  }

  addRun(run: Run): Promise<void> {
    const count = [...this.#runs.range({})].length;
    return this.environment.commit(() => {
      const key = numberKey(count + 1);
      this.#runs.put(key, sealed(key, run));
    });
  }

  #all<T>(table: Table): Map<string, T> {
    const found = new Map<string, T>();
    for (const row of table.range({})) {
      const name = row.key.toString("utf8");
      found.set(name, this.#parsed<T>(name, row));
    }
    return found;
  }

  #parsed<T>(what: string, { key, value }: Row): T {
    const text = value.subarray(SUM_BYTES);
    if (value.length < SUM_BYTES || value.readUInt32LE() !== sumOf(key, text)) {
      throw this.damaged(what, "its bytes are not those that were written");
    }
    return JSON.parse(text.toString("utf8")) as T;
  }

  // ------------------------------------------------------------ parts of huge units

  writePart(unit: string, part: number, { block, documents }: TakenBlock): Promise<void> {
    return this.environment.commit(() => {
      this.#parts.put(partKey(unit, part), block);
      for (const at of documents.numbers()) {
        const from = documents.place(at);
        const value = from === NO_DOCUMENT ? GONE : documentAt(block, from);
        this.#pending.put(pendingKey(unit, documents.key(at)), value);
      }
    });
  }

  part(unit: string, part: number): Buffer {
    const bytes = this.#parts.get(partKey(unit, part));
    if (bytes !== undefined) return bytes;
    throw this.damaged(`part ${part} of unit ${unit}`, "it is not there");
  }

  spilled(unit: string): SpilledDocuments {
    return {
      get: (key) => {
        const value = this.#pending.get(pendingKey(unit, key.view()));
        if (value === undefined) return undefined;
        if (value.length === GONE.length) return null;
        return this.reading(`document ${JSON.stringify(key.id())} of unit ${unit}`, () => {
          return readDocument(value);
        });
      },
      forget: (prefix) => this.#removeUnder(this.#pending, pendingKey(unit, textKey(prefix))),
    };
  }

  async discardUnit(unit: string): Promise<void> {
    await this.#removeUnder(this.#parts, textKey(`${unit}\0`));
    await this.#removeUnder(this.#pending, textKey(`${unit}\0`));
  }

  /** Units that have parts or documents here, committed or not. */
  units(): string[] {
    const units = new Set<string>();
    for (const table of [this.#parts, this.#pending]) {
      let start: Buffer = Buffer.from([0]);
      for (;;) {
        let unit: string | undefined;
        for (const { key } of table.range({ start, limit: 1 })) {
          unit = key.toString("utf8", 0, key.indexOf(0));
        }
        if (unit === undefined) break;
        units.add(unit);
        start = endOf(textKey(`${unit}\0`));
      }
    }
    return [...units];
  }

  async #removeUnder(table: Table, prefix: Buffer): Promise<void> {
    const range = { start: prefix, end: endOf(prefix), limit: SLICE_ROWS };
    for (;;) {
      const keys = table.keys(range);
      if (keys.length === 0) return;
      await this.environment.commit(() => {
        for (const key of keys) table.remove(key);
      });
    }
  }
}

function isCommit(block: Buffer): boolean {
  return block[HeaderAt.kind] === BlockKind.commit;
}

/** Behind its checksum, as blocks have one: a position with a flipped bit would be another position. */
function sealed(key: Buffer, value: unknown): Buffer {
  const text = JSON.stringify(value);
  const bytes = Buffer.allocUnsafe(SUM_BYTES + Buffer.byteLength(text));
  bytes.write(text, SUM_BYTES, "utf8");
  bytes.writeUInt32LE(sumOf(key, bytes.subarray(SUM_BYTES)));
  return bytes;
}

function sumOf(key: Buffer, text: Buffer): number {
  return crc32(text, crc32(key));
}
