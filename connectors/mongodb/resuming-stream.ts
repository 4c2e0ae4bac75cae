/**
 * A change stream that goes on over elections and broken connections, as the specification of change streams
 * for drivers asks ("Resume Process"). Where this differs from it:
 *
 * 1. `startAfter` is used in place of `resumeAfter`: it takes the same tokens, and those of `invalidate`.
 * 2. The token of a batch (`postBatchResumeToken`) is resumed from, not that of the last change that was taken:
 *    a batch is handed out whole, and what was handed out is not read again.
 * 3. A resume that fails is tried again, RESUMES_MAX times in a row: an election takes longer than one try. Errors
 *    of the first `aggregate` are not resumed; whoever opened the stream tries again later.
 * 4. After `invalidate` it goes on with the next cursor: a database that was dropped may come again.
 * 5. Change documents are not decoded, so that one without a token is found by whoever takes it apart.
 */
import type { ClusterTime as SignedTime } from "mongodb";
import { sleep } from "../../src/base/abort.js";
import { backoffDelayMs } from "../../src/base/backoff.js";
import type { Clock, Random } from "../../src/base/clock.js";
import type { Log } from "../../src/base/log.js";
import { errorText } from "../../src/base/errors.js";
import { codeOf, isResumable, isTooLarge } from "./failures.js";
import { readRawChange, timeOfChange, tokenOf } from "./raw-change.js";
import type { RawBatch } from "./raw-reply.js";
import { ServerCursor, type CursorPlan, type StreamStart } from "./server-cursor.js";
import { secondsOf, timeBefore, timeOfToken, type ClusterTime } from "./stream-position.js";

const RESUMES_MAX = 5;
const RESUME_BACKOFF = { baseMs: 100, maxMs: 2_000 };

/** An idle primary writes to its oplog every 10 s by default; where a majority is away, the stream stands still. */
const BEHIND_SECONDS_MAX = 15;

/** An empty answer comes after this long, and with it the proof that we are at the head. */
const AWAIT_MS = 1_000;
/** The rest of a transaction, or that there is none, is there already. */
const AWAIT_REST_MS = 1;

export interface StreamBatch {
  readonly documents: readonly Uint8Array[];
  readonly bytes: number;
  /** Everything up to it was handed out. */
  readonly token: string;
  /** Nothing of the token's time can follow; an answer with changes does not tell. */
  readonly endsTime: boolean;
  /** A majority keeps up: what it has not committed yet is no older than an idle primary's heartbeat (M-8). */
  readonly isCurrent: boolean;
}

function isCurrent({ clusterTime }: RawBatch, token: string): boolean {
  if (clusterTime === undefined) return true;
  return secondsOf(clusterTime) - secondsOf(timeOfToken(token)) <= BEHIND_SECONDS_MAX;
}

export interface ResumingStreamOptions {
  readonly plan: CursorPlan;
  readonly start: StreamStart;
  /** The time that was read up to before; undefined where the stream begins with the next moment. */
  readonly from: ClusterTime | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export class ResumingStream {
  readonly #options: ResumingStreamOptions;
  #plan: CursorPlan;
  #cursor: ServerCursor | undefined;
  #start: StreamStart;
  #token = "";
  #signedTime: SignedTime | undefined;
  /** Where the server said that the first cursor begins. */
  #beginning = "";
  #ahead: Promise<StreamBatch> | undefined;
  #awaitMs = AWAIT_REST_MS;

  private constructor(options: ResumingStreamOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#start = options.start;
  }

  /** Opened and proven: rejects with the server's own error where the history is lost. */
  static async open(options: ResumingStreamOptions): Promise<ResumingStream> {
    const stream = new ResumingStream(options);
    try {
      await stream.#connect();
      stream.#beginning = stream.#token;
      stream.#ahead = stream.#fetch();
      await stream.#ahead;
      return stream;
    } catch (error) {
      await stream.close();
      throw error;
    }
  }

  /** Up to where it was fetched; at or above all that was handed out. */
  get time(): ClusterTime {
    const time = timeOfToken(this.#token);
    if (this.#token !== this.#beginning) return time;
    // The next moment, which nothing has yet.
    return this.#options.from ?? timeBefore(time);
  }

  /** Of the server that is read, at `time` or later. */
  get signedTime(): SignedTime | undefined {
    return this.#signedTime;
  }

  /** The next batch, which may be empty. The one after it is fetched meanwhile: two are in memory at most. */
  async next(): Promise<StreamBatch> {
    const batch = await (this.#ahead ?? this.#fetch());
    this.#ahead = undefined;
    if (batch.documents.length > 0) {
      this.#ahead = this.#fetchSoon();
      // Whoever asks for it is told.
      this.#ahead.catch(() => undefined);
    }
    return batch;
  }

  /** To ask takes as long as to go through a few changes: what came goes on its way first. */
  async #fetchSoon(): Promise<StreamBatch> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal.throwIfAborted();
    return this.#fetch();
  }

  async close(): Promise<void> {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await this.#ahead?.catch(() => undefined);
    await cursor?.close();
  }

  async #connect(): Promise<void> {
    const { signal } = this.#options;
    const { cursor, first } = await ServerCursor.open(this.#plan, this.#start, signal);
    this.#cursor = cursor;
    if (first.token !== undefined) this.#moveTo(first.token);
  }

  async #fetch(): Promise<StreamBatch> {
    const { clock, random, log, signal } = this.#options;
    for (let failed = 0; ; failed += 1) {
      try {
        if (this.#cursor === undefined || this.#cursor.isOver) await this.#reopen();
        const batch = await this.#cursor?.next(this.#awaitMs, signal);
        if (batch !== undefined) return this.#taken(batch);
      } catch (error) {
        signal.throwIfAborted();
        if (failed >= RESUMES_MAX || !this.#mayGoOn(error)) throw error;
        const reason = errorText(error);
        log.info("mongodb.stream.resumed", { code: codeOf(error), reason, failed });
        await this.#drop();
        await sleep(clock, backoffDelayMs(RESUME_BACKOFF, failed, random), signal);
      }
    }
  }

  #taken(batch: RawBatch): StreamBatch {
    const { documents, bytes } = batch;
    const last = documents.at(-1);
    const change = last === undefined ? undefined : readRawChange(last);
    const token = batch.token ?? (change === undefined ? this.#token : tokenOf(change));
    const isOpen = change?.transaction !== undefined && timeOfToken(token) === timeOfChange(change);
    this.#awaitMs = isOpen ? AWAIT_REST_MS : AWAIT_MS;
    this.#moveTo(token);
    const endsTime = documents.length === 0 && this.#endsTime(token);
    return { documents, bytes, token, endsTime, isCurrent: isCurrent(batch, token) };
  }

  /** Not so where the token only says where the stream begins, and where several shards are merged. */
  #endsTime(token: string): boolean {
    return token !== this.#beginning && !this.#plan.deployment.facts.isSharded;
  }

  #moveTo(token: string): void {
    this.#token = token;
    this.#signedTime = this.#cursor?.signedTime ?? this.#signedTime;
    this.#start = { startAfter: { _data: token } };
  }

  /** Images make changes larger than the server can send: without them it can (M-12). */
  #mayGoOn(error: unknown): boolean {
    if (isResumable(error)) return true;
    if (!isTooLarge(error) || !this.#plan.hasImages) return false;
    this.#plan = { ...this.#plan, hasImages: false };
    this.#options.log.warn("mongodb.images.left-out", { reason: errorText(error) });
    return true;
  }

  async #reopen(): Promise<void> {
    await this.#drop();
    await this.#connect();
  }

  async #drop(): Promise<void> {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await cursor?.close();
  }
}
