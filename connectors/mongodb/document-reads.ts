/** Reads of documents at a moment of the cluster's time: `readConcern: snapshot` (servers since 5.0). */
import type { ClientSession, Document } from "mongodb";
import { raceAbort, sleep } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import type { WatchedCollection } from "./collections.js";
import type { Deployment } from "./deployment.js";
import { isMomentGone, isMomentToCome } from "./failures.js";
import { readBatch, type RawBatch } from "./raw-reply.js";
import type { ResumingStream } from "./resuming-stream.js";
import { timestampOf, type ClusterTime } from "./stream-position.js";
import { identityOf } from "./values/identity.js";
import { StoredId } from "./values/stored-id.js";

/** Keys of one read; a command holds 16 MB. */
const KEYS_MAX = 1_000;

/** A member that lags is waited for: what is read is never older than what the stream has told. */
const READ_MS_MAX = 30_000;

/** A collection that is being made or renamed can be read at a new moment soon (error 246). */
const MOMENT_TRIES_MAX = 20;
const MOMENT_PAUSE_MS = 100;

export interface ReadDocuments {
  readonly documents: readonly Uint8Array[];
  readonly at: ClusterTime;
  /** There are more, behind the last one. */
  readonly isCut: boolean;
}

export interface DocumentReadsOptions {
  readonly deployment: Deployment;
  readonly stream: Pick<ResumingStream, "signedTime">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Asked {
  readonly find: Document;
  readonly concern: Document;
  readonly least: number;
}

export class DocumentReads {
  readonly #options: DocumentReadsOptions;

  constructor(options: DocumentReadsOptions) {
    this.#options = options;
  }

  /**
   * At least `least` documents of what `find` asks for, or all, as of `time`, or of a later moment where that cannot
   * be read any more. More come only as far as one answer of the server holds them.
   */
  async some(
    collection: WatchedCollection,
    find: Document,
    { time, least }: { readonly time: ClusterTime; readonly least: number },
  ): Promise<ReadDocuments> {
    return this.#atMoment(time, (concern) => this.#read(collection, { find, concern, least }));
  }

  /** The documents of the keys (`documentKey`s) by identity; one that is not there is left out. */
  async byKeys(
    collection: WatchedCollection,
    keys: readonly Uint8Array[],
    time: ClusterTime,
  ): Promise<{ readonly found: ReadonlyMap<string, Uint8Array>; readonly at: ClusterTime }> {
    const found = new Map<string, Uint8Array>();
    let at = time;
    for (let from = 0; from < keys.length; from += KEYS_MAX) {
      const $in = keys.slice(from, from + KEYS_MAX).map((key) => new StoredId(key));
      const { projection } = collection;
      const find = {
        filter: { _id: { $in } },
        batchSize: KEYS_MAX,
        ...(projection === undefined ? {} : { projection }),
      };
      const read = await this.#atMoment(at, (concern) =>
        this.#read(collection, { find, concern, least: Infinity }),
      );
      at = read.at;
      for (const document of read.documents) found.set(identityOf(document), document);
    }
    return { found, at };
  }

  /** At `time` if that can still be read, else at the newest moment, which is later. */
  async #atMoment<Read>(
    time: ClusterTime,
    read: (concern: Document) => Promise<Read>,
  ): Promise<Read> {
    const { clock, signal } = this.#options;
    const level = "snapshot";
    const exact = { level, atClusterTime: timestampOf(time) };
    let concern: Document = exact;
    for (let tries = 1; ; tries += 1) {
      try {
        return await read(concern);
      } catch (error) {
        const isGone = isMomentGone(error);
        const mayCome = isGone || isMomentToCome(error);
        if (!mayCome || tries >= MOMENT_TRIES_MAX) throw error;
        const isFirst = isGone && concern === exact;
        if (isGone) concern = { level, afterClusterTime: timestampOf(time) };
        if (!isFirst) await sleep(clock, MOMENT_PAUSE_MS, signal);
      }
    }
  }

  #read(collection: WatchedCollection, asked: Asked): Promise<ReadDocuments> {
    const { find, concern: readConcern, least } = asked;
    return this.#inSession(async (session) => {
      const command = {
        ...{ find: collection.collection, ...find, readConcern },
        maxTimeMS: READ_MS_MAX,
      };
      let batch = await this.#ask(session, collection, command);
      const at = momentOf(batch);
      const documents = [...batch.documents];
      while (documents.length < least && !batch.id.isZero()) {
        const more = { getMore: batch.id, collection: collection.collection };
        batch = await this.#ask(session, collection, more);
        documents.push(...batch.documents);
      }
      const isCut = !batch.id.isZero();
      if (isCut) await this.#kill(session, collection, batch);
      return { documents, at, isCut };
    });
  }

  async #ask(
    session: ClientSession,
    { db }: WatchedCollection,
    command: Document,
  ): Promise<RawBatch> {
    const { deployment, signal } = this.#options;
    const { client, readPreference } = deployment;
    const asked = client.db(db).command(command, { session, readPreference, raw: true });
    return readBatch(await raceAbort(asked, signal));
  }

  /** Fails quietly: the server ends cursors that nobody asks for. */
  async #kill(
    session: ClientSession,
    { db, collection }: WatchedCollection,
    { id }: RawBatch,
  ): Promise<void> {
    const { client, readPreference } = this.#options.deployment;
    const kill = { killCursors: collection, cursors: [id] };
    await client
      .db(db)
      .command(kill, { session, readPreference })
      .catch(() => undefined);
  }

  async #inSession<Read>(work: (session: ClientSession) => Promise<Read>): Promise<Read> {
    const { deployment, stream } = this.#options;
    // Its own clock would be added to the read concern.
    const session = deployment.client.startSession({ causalConsistency: false });
    // A member waits for moments that it has been told of, and refuses others.
    if (stream.signedTime !== undefined) session.advanceClusterTime(stream.signedTime);
    try {
      return await work(session);
    } finally {
      await session.endSession().catch(() => undefined);
    }
  }
}

/**
 * Of a collection that does not exist nothing was read, so the server tells no moment: it is at most that of its
 * answer. The deployment's time is missing in answers of a set whose keys are not made yet, the member's own is not.
 */
function momentOf({ atClusterTime, clusterTime, operationTime }: RawBatch): ClusterTime {
  const moment = atClusterTime ?? clusterTime ?? operationTime;
  if (moment === undefined) throw new RangeError("a snapshot read that does not tell its time");
  return moment;
}
