/**
 * One reading of the slot: the socket's messages become batches in a bounded queue; tables are looked up
 * when their first row comes; a timer of its own tells the server what is durable and has it say how far
 * it is, whatever the reading does. A keepalive moves the position of an idle database; an idle batch is
 * "at head" when the stream has passed the place where the log stood a moment before.
 */
import { raceAbort } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import { BatchQueue } from "./batch-queue.js";
import type { QueuedBatch } from "./batch-queue.js";
import { HistoryProof, type Proof } from "./history-proof.js";
import type { RelationMessage } from "./pgoutput.js";
import { ReplicationStream } from "./replication-stream.js";
import type { ReplicationTarget } from "./replication-stream.js";
import type { DescribedTable } from "./row-plan.js";
import { TransactionAssembler } from "./transaction-assembler.js";
import { lsnOf, positionOf } from "./wal-position.js";

/** Status and question to the server; far below any sensible wal_sender_timeout. */
const TICK_MS = 1_000;

/** Acknowledgements of a busy journal are gathered: each costs the server a write of the slot's state. */
const ACKNOWLEDGE_DELAY_MS = 100;

/** Pauses between questions while somebody waits for a place: doubled each time. */
const HURRY_MIN_MS = 5;
const HURRY_MAX_MS = 320;

/** A server in use sends a keepalive after nearly every transaction; so many news of a place are enough. */
const IDLE_MS = 250;

/** A server that hears from us has no reason to speak while nothing is written: then it is asked to. */
const SILENCE_ASK_MS = 30_000;
/** A server that is asked so many times and says nothing is gone. */
const SILENCE_MAX_MS = 90_000;

export interface ChangeStreamOptions extends ReplicationTarget {
  /** Skip up to here; "" for nothing. */
  readonly after: string;
  /** Where the slot stands: the server is never told less. */
  readonly confirmed: bigint;
  readonly proof: Proof | undefined;
  /** Whether changes of one of the tables (oids) were read up to `after`. */
  readonly wereRead: (tables: readonly number[]) => Promise<boolean>;
  /** Null: no rule reads from the table. Failures end the stream. `xid`: whose changes they are. */
  readonly describe: (message: RelationMessage, xid: number) => Promise<DescribedTable | null>;
  readonly head: () => Promise<bigint>;
}

export class ChangeStream {
  readonly #options: ChangeStreamOptions;
  readonly #stream: ReplicationStream;
  readonly #queue: BatchQueue;
  readonly #assembler: TransactionAssembler;
  readonly #proof: HistoryProof;
  #acknowledged: bigint;
  #told: bigint;
  #headWanted: bigint | undefined;
  #hurryTo = 0n;
  #lastIdle: string;
  #lastIdleAt = -Infinity;
  #lastHeardAt: number;
  /** Since `#lastHeardAt` was set: a row must not cost a look at the clock. */
  #hasHeard = false;
  #isAsking = false;
  #isClosed = false;
  readonly #cancels = new Map<"tick" | "acknowledge" | "hurry", () => void>();
  /** Messages that came while a table is looked up: at most what one reading of the socket brought. */
  #backlog: Buffer[] = [];
  #isDescribing = false;

  constructor(options: ChangeStreamOptions) {
    this.#options = options;
    this.#stream = new ReplicationStream(options, {
      data: (bytes, from, to) => {
        this.#data(bytes, from, to);
      },
      rest: () => {
        this.#assembler.flush();
      },
      keepalive: (walEnd, wantsReply) => {
        this.#keepalive(walEnd, wantsReply);
      },
      ended: (error) => {
        this.fail(error);
      },
    });
    this.#queue = new BatchQueue(this.#stream);
    this.#assembler = new TransactionAssembler({
      after: options.after,
      sink: (batch, xids) => {
        this.#queue.push(batch, xids);
        // What is new comes behind everything that is not.
        this.#proof.passed(this.#proof.until);
      },
      onCommit: (commit) => {
        this.#proof.committed(commit);
        this.#passed(false);
      },
    });
    this.#proof = new HistoryProof(options.proof, options.wereRead);
    this.#acknowledged = options.confirmed;
    this.#told = options.confirmed;
    this.#lastIdle = options.after;
    this.#lastHeardAt = options.clock.monotonic();
  }

  /** Resolves once the server streams and has proven its history, or not. Rejects when it can't. */
  async start(signal: AbortSignal): Promise<boolean> {
    await this.#stream.start(signal);
    this.#lastHeardAt = this.#options.clock.monotonic();
    this.#tick();
    if (this.#options.proof !== undefined) this.hurry(this.#options.after);
    return raceAbort(this.#proof.holds(), signal);
  }

  /** The reader gets `error` behind what has been read; nothing more is read. */
  fail(error: unknown): void {
    this.#queue.fail(error);
    this.#proof.fail(error);
  }

  next(signal: AbortSignal): Promise<QueuedBatch> {
    return this.#queue.next(signal);
  }

  /** Everything up to `position` is durable. The server hears of it soon. */
  acknowledge(position: string): void {
    const lsn = lsnOf(position);
    if (lsn <= this.#acknowledged || this.#isClosed) return;
    this.#acknowledged = lsn;
    this.#later("acknowledge", ACKNOWLEDGE_DELAY_MS, () => {
      this.#tell(false);
    });
  }

  /** Somebody waits until the stream has passed `position`: an idle server is asked at once. */
  hurry(position: string): void {
    const lsn = lsnOf(position);
    if (lsn > this.#hurryTo) this.#hurryTo = lsn;
    this.#hurry(HURRY_MIN_MS);
  }

  async close(): Promise<void> {
    if (!this.#isClosed && this.#told < this.#acknowledged) this.#tell(false);
    this.#isClosed = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
    await this.#stream.close();
  }

  // Reading.

  #data(bytes: Buffer, from: number, to: number): void {
    this.#hasHeard = true;
    if (this.#isDescribing) {
      this.#backlog.push(bytes.subarray(from, to));
      return;
    }
    const unknown = this.#assembler.feed(bytes, from, to);
    if (unknown !== undefined) this.#describe(unknown, bytes.subarray(from, to));
  }

  /** The socket rests while a table is looked up; what it has brought already waits. */
  #describe(message: RelationMessage, bytes: Buffer): void {
    this.#isDescribing = true;
    this.#stream.pause();
    this.#backlog.push(bytes);
    this.#lookUp(message).catch((error: unknown) => {
      // The socket stays at rest: nothing more is read.
      this.fail(error);
    });
  }

  async #lookUp(first: RelationMessage): Promise<void> {
    let unknown: RelationMessage | undefined = first;
    let at = 0;
    while (unknown !== undefined && !this.#isClosed) {
      const { xid = 0 } = this.#assembler;
      this.#assembler.describe(unknown, await this.#options.describe(unknown, xid));
      unknown = undefined;
      while (at < this.#backlog.length && unknown === undefined) {
        unknown = this.#assembler.feed(this.#backlog[at] ?? Buffer.alloc(0));
        if (unknown === undefined) at += 1;
      }
    }
    this.#assembler.flush();
    this.#backlog = [];
    this.#isDescribing = false;
    this.#stream.resume();
  }

  #keepalive(walEnd: bigint, wantsReply: boolean): void {
    this.#lastHeardAt = this.#options.clock.monotonic();
    // Inside a transaction, or before messages that wait, it says nothing about what we have read.
    if (!this.#assembler.isInTransaction && !this.#isDescribing) {
      this.#assembler.pass(walEnd);
      const sinceMs = this.#lastHeardAt - this.#lastIdleAt;
      this.#passed(wantsReply || sinceMs >= IDLE_MS);
    }
    // At a shutdown the server waits until everything is acknowledged; the journal is told of it at once.
    if (wantsReply) this.#tell(false);
  }

  /** Says how far the stream is, when that proves the head, answers somebody who waits, or is news. */
  #passed(isNews: boolean): void {
    const { passed } = this.#assembler;
    this.#proof.passed(passed);
    const position = positionOf(passed);
    const wanted = this.#headWanted;
    const atHead = wanted !== undefined && passed >= wanted;
    const isAwaited = this.#hurryTo !== 0n && passed >= this.#hurryTo;
    if (position < this.#options.after) return;
    if (!atHead && !isAwaited && !(isNews && position > this.#lastIdle)) return;
    if (atHead) this.#headWanted = undefined;
    if (isAwaited) this.#hurryTo = 0n;
    this.#assembler.flush();
    this.#lastIdle = position;
    this.#lastIdleAt = this.#lastHeardAt;
    this.#queue.push({ kind: "idle", position, atHead });
  }

  // Telling.

  #tick(): void {
    this.#later("tick", TICK_MS, () => {
      this.#tick();
    });
    const now = this.#options.clock.monotonic();
    // While we do not listen, nobody is silent.
    if (this.#queue.isPaused || this.#isDescribing || this.#hasHeard) this.#lastHeardAt = now;
    this.#hasHeard = false;
    const silentMs = now - this.#lastHeardAt;
    if (silentMs > SILENCE_MAX_MS) {
      const seconds = String(Math.round(silentMs / 1_000));
      const message = `reading the slot ${this.#options.slot}: nothing came for ${seconds} s`;
      this.fail(new AppError("CONNECTOR_CONNECTION_LOST", message));
      return;
    }
    // Independent of the question below: a server that hears nothing ends the stream.
    this.#tell(silentMs > SILENCE_ASK_MS);
    this.#ask().catch((error: unknown) => {
      this.fail(error);
    });
  }

  /** It may have been closed while somebody waited. */
  #hasClosed(): boolean {
    return this.#isClosed;
  }

  /** Where is the head, and have you got there? */
  async #ask(): Promise<void> {
    if (this.#isAsking || this.#isClosed) return;
    this.#isAsking = true;
    try {
      this.#headWanted = await this.#options.head();
      if (this.#hasClosed()) return;
      if (this.#assembler.passed >= this.#headWanted && !this.#isBusy) this.#passed(false);
      else this.#tell(true);
    } finally {
      this.#isAsking = false;
    }
  }

  get #isBusy(): boolean {
    return this.#assembler.isInTransaction || this.#isDescribing;
  }

  #hurry(delayMs: number): void {
    if (this.#isClosed || this.#hurryTo === 0n) return;
    if (!this.#isBusy && this.#assembler.passed >= this.#hurryTo) {
      this.#passed(false);
      return;
    }
    this.#tell(true);
    this.#later("hurry", delayMs, () => {
      this.#hurry(Math.min(delayMs * 2, HURRY_MAX_MS));
    });
  }

  #tell(wantsReply: boolean): void {
    this.#told = this.#acknowledged;
    this.#stream.acknowledge(this.#acknowledged, wantsReply);
  }

  #later(name: "tick" | "acknowledge" | "hurry", delayMs: number, run: () => void): void {
    if (this.#isClosed || this.#cancels.has(name)) return;
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancels.delete(name);
      run();
    });
    this.#cancels.set(name, cancel);
  }
}
