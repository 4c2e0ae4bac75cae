/**
 * A database that exists only in memory: tables, a log of transactions and one reader's place in it. It
 * outlives connections, as a real one does, and can be cut, altered and made to forget its history. A
 * script is played whenever the reader has seen everything, so that a run is the same every time.
 */
import { SignalPoint } from "../../src/base/signal-point.js";
import { AppError } from "../../src/base/errors.js";
import type { Clock } from "../../src/base/clock.js";
import { systemClock } from "../../src/base/clock.js";
import type { Change, Relation } from "../../src/model/change.js";
import { ScriptedTable } from "./scripted-table.js";
import type { Cell, Row, TableDefinition, TextPatch } from "./scripted-table.js";

export type Write =
  | { readonly insert: string; readonly row: Row }
  | { readonly update: string; readonly key: readonly Cell[]; readonly set: Row }
  /** One character of a text: the stream tells that, and not the text. */
  | { readonly patch: string; readonly key: readonly Cell[]; readonly set: TextPatch }
  | { readonly delete: string; readonly key: readonly Cell[] }
  | { readonly truncate: string; readonly leaf?: string }
  /** Other rows take the place of all; the stream tells that, and none of them. */
  | { readonly renew: string; readonly rows: readonly Row[] };

export type Step =
  | { readonly commit: readonly Write[] }
  /** The connection breaks. */
  | { readonly fault: string }
  /** Slot, oplog or whole database: the log is gone and positions begin again. */
  | { readonly forget: true }
  | { readonly alter: TableDefinition };

export interface LoggedTransaction {
  readonly position: string;
  readonly transaction: string;
  readonly changes: readonly Change[];
  readonly committedAt: number;
}

export interface ScriptedSourceOptions {
  readonly tables: readonly TableDefinition[];
  /** Rows that are there before anything is logged, by table. */
  readonly rows?: Readonly<Record<string, readonly Row[]>>;
  readonly script?: Iterable<Step> | AsyncIterable<Step>;
  readonly clock?: Clock;
  /** Changes per part of a transaction. */
  readonly partCount?: number;
}

const PART_COUNT = 1_000;

export class ScriptedSource {
  readonly partCount: number;
  /** Raised when there is something new to read, or the connection broke. */
  readonly moved = new SignalPoint();
  /** Called after a chunk's rows were read and before they are handed out: for tests of what may happen then. */
  chunkGate: ((relation: string) => Promise<void>) | undefined;
  readonly #tables = new Map<string, ScriptedTable>();
  readonly #clock: Clock;
  readonly #steps: AsyncIterator<Step> | Iterator<Step> | undefined;
  #log: LoggedTransaction[] = [];
  #count = 0;
  #history = 1;
  readonly #bornAt: number;
  /** Where the reader's place stands; undefined before the first open. */
  #slot: string | undefined;
  #connection = 0;
  #fault: string | undefined;

  constructor(options: ScriptedSourceOptions) {
    const { tables, rows = {}, script, clock = systemClock, partCount = PART_COUNT } = options;
    this.partCount = partCount;
    this.#clock = clock;
    this.#bornAt = clock.now();
    for (const definition of tables)
      this.#tables.set(definition.name, new ScriptedTable(definition));
    for (const [name, list] of Object.entries(rows)) {
      for (const row of list) this.#table(name).insert(row);
    }
    this.#steps = script === undefined ? undefined : iteratorOf(script);
  }

  get head(): string {
    return positionText(this.#count);
  }

  /** Names one unbroken run of positions: of this source object, so of this process. */
  get history(): string {
    return `${this.#bornAt}/${this.#history}`;
  }

  /** Transactions that are kept for the reader. */
  get retained(): number {
    return this.#log.length;
  }

  get relations(): readonly Relation[] {
    return [...this.#tables.values()].map(({ relation }) => relation);
  }

  table(name: string): ScriptedTable | undefined {
    return this.#tables.get(name);
  }

  /** One transaction. Writes to rows that are not there do nothing. Without any change only the head moves. */
  commit(writes: readonly Write[]): string {
    const changes = writes
      .map((write) => this.#write(write))
      .filter((change) => change !== undefined);
    this.#count += 1;
    if (changes.length > 0 && this.#slot !== undefined) {
      const committedAt = this.#clock.now();
      const transaction = `${this.#history}-${this.#count}`;
      this.#log.push({ position: this.head, transaction, changes, committedAt });
    }
    this.moved.raise();
    return this.head;
  }

  /** Makes a table, or changes its columns; values stay with the names of their columns. Not in the log. */
  alter(definition: TableDefinition): void {
    const { name } = definition;
    this.#tables.set(name, new ScriptedTable(definition, this.#tables.get(name)));
  }

  drop(table: string): void {
    this.#tables.delete(table);
  }

  /** Breaks the open connection. */
  cut(why = "the connection was cut"): void {
    this.#fault = why;
    this.moved.raise();
  }

  forget(): void {
    this.#history += 1;
    this.#log = [];
    this.#count = 0;
    this.#slot = undefined;
    this.cut("history was lost");
  }

  /** Plays the script's next step; false at its end. */
  async play(): Promise<boolean> {
    const step = await this.#steps?.next();
    if (step === undefined || step.done === true) return false;
    const { value } = step;
    if ("commit" in value) this.commit(value.commit);
    else if ("fault" in value) this.cut(value.fault);
    else if ("alter" in value) this.alter(value.alter);
    else this.forget();
    return true;
  }

  // ------------------------------------------------------------ for one session

  /** A connection; an older one is broken by it. */
  connect(): number {
    this.#connection += 1;
    this.#fault = undefined;
    this.#slot ??= this.head;
    this.moved.raise();
    return this.#connection;
  }

  get slot(): string {
    return this.#slot ?? this.head;
  }

  /** Throws where the connection broke. */
  assertConnected(connection: number, source: string): void {
    const why = connection === this.#connection ? this.#fault : "somebody else connected";
    if (why === undefined) return;
    throw new AppError("CONNECTOR_CONNECTION_LOST", `reading ${source}: ${why}`);
  }

  after(position: string): LoggedTransaction | undefined {
    return this.#log.find((logged) => logged.position > position);
  }

  release(position: string): void {
    this.#slot = position;
    this.#log = this.#log.filter((logged) => logged.position > position);
  }

  // ------------------------------------------------------------ private

  #write(write: Write): Change | undefined {
    if ("insert" in write) return this.#table(write.insert).insert(write.row);
    if ("update" in write) return this.#table(write.update).update(write.key, write.set);
    if ("patch" in write) return this.#table(write.patch).patch(write.key, write.set);
    if ("delete" in write) return this.#table(write.delete).delete(write.key);
    if ("renew" in write) return this.#table(write.renew).renew(write.rows);
    const { truncate, leaf } = write;
    const table = this.#table(truncate);
    const full = leaf === undefined ? undefined : `${truncate}/${JSON.stringify(leaf)}`;
    table.truncate(full);
    const { relation } = table;
    return full === undefined
      ? { op: "truncate", relation }
      : { op: "truncate", relation, leaf: full };
  }

  #table(name: string): ScriptedTable {
    const table = this.#tables.get(name);
    if (table === undefined) throw new RangeError(`a scripted source without a table ${name}`);
    return table;
  }
}

/** Sixteen digits: their order as text is their order as numbers. */
export function positionText(count: number): string {
  return String(count).padStart(16, "0");
}

function iteratorOf(script: Iterable<Step> | AsyncIterable<Step>) {
  return Symbol.asyncIterator in script
    ? script[Symbol.asyncIterator]()
    : script[Symbol.iterator]();
}
