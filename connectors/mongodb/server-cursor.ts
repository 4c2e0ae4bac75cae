/**
 * A change stream's cursor on one server, read as raw batches. It does not resume: resuming-stream.ts does.
 * The driver's own change stream decodes every change and keeps the token of a batch to itself.
 */
import type { ClientSession, ClusterTime, Db, Document, MongoClient, Timestamp } from "mongodb";
import { MongoClient as Client } from "mongodb";
import { raceAbort } from "../../src/base/abort.js";
import { closeClient, isAtLeast, type Deployment } from "./deployment.js";
import { readBatch, type RawBatch } from "./raw-reply.js";

/** A batch is at most 16 MB; many small changes make batches that take long to go through. */
const BATCH_COUNT = 5_000;

/** Where a cursor begins. `startAfter` takes every token that `resumeAfter` takes, and those of `invalidate` too (M-2). */
export type StreamStart =
  | { readonly startAfter: { readonly _data: string } }
  | { readonly startAtOperationTime: Timestamp }
  | Readonly<Record<string, never>>;

export interface CursorPlan {
  readonly deployment: Deployment;
  /** Undefined: the stream of the whole deployment. */
  readonly database: string | undefined;
  /** What follows `$changeStream`. */
  readonly stages: readonly Document[];
  /** Post-images are asked for where collections keep them. */
  readonly hasImages: boolean;
}

export class ServerCursor {
  readonly #db: Db;
  readonly #session: ClientSession;
  readonly #home: Home;
  #batch: RawBatch;

  private constructor(db: Db, session: ClientSession, home: Home, batch: RawBatch) {
    this.#db = db;
    this.#session = session;
    this.#home = home;
    this.#batch = batch;
  }

  /** `first` is empty mostly, and tells where the stream begins. */
  static async open(
    plan: CursorPlan,
    start: StreamStart,
    signal: AbortSignal,
  ): Promise<{ readonly cursor: ServerCursor; readonly first: RawBatch }> {
    const home = await findHome(plan.deployment, signal);
    const db = home.client.db(plan.database ?? "admin");
    const session = home.client.startSession();
    const command = {
      aggregate: 1,
      pipeline: [{ $changeStream: streamOptions(plan, start) }, ...plan.stages],
      // The first getMore tells what the aggregate hides: a history that is lost.
      cursor: { batchSize: 0 },
    };
    try {
      const asked = db.command(command, { ...home.options, session, raw: true });
      const batch = readBatch(await raceAbort(asked, signal));
      return { cursor: new ServerCursor(db, session, home, batch), first: batch };
    } catch (error) {
      await endHome(session, home);
      throw error;
    }
  }

  /** The server closed it, as after an `invalidate`. */
  get isOver(): boolean {
    return this.#batch.id.isZero();
  }

  /** The newest that the server knew of, with its signature: other members believe it. */
  get signedTime(): ClusterTime | undefined {
    return this.#session.clusterTime;
  }

  /** Waits for changes, at most `waitMs`. */
  async next(waitMs: number, signal: AbortSignal): Promise<RawBatch> {
    const { id: getMore, collection } = this.#batch;
    const command = { getMore, collection, batchSize: BATCH_COUNT, maxTimeMS: waitMs };
    const asked = this.#db.command(command, {
      ...{ ...this.#home.options, session: this.#session, raw: true },
    });
    this.#batch = readBatch(await raceAbort(asked, signal));
    return this.#batch;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const { id, collection } = this.#batch;
    if (!id.isZero()) {
      const kill = { killCursors: collection, cursors: [id] };
      const options = { ...this.#home.options, session: this.#session };
      const asked = this.#db.command(kill, options);
      await raceAbort(asked, AbortSignal.timeout(KILL_MS)).catch(() => undefined);
    }
    await endHome(this.#session, this.#home);
  }
}

/** The server ends cursors that nobody asks for any more, too. */
const KILL_MS = 1_000;

function streamOptions(
  { deployment, database, hasImages }: CursorPlan,
  start: StreamStart,
): Document {
  return {
    ...(database === undefined ? { allChangesForCluster: true } : {}),
    ...(hasImages ? { fullDocument: "whenAvailable" } : {}),
    // Tells what dotted paths mean.
    ...(isAtLeast(deployment.facts, 6, 1) ? { showExpandedEvents: true } : {}),
    ...start,
  };
}

/** The client whose commands all reach the server that has the cursor. */
interface Home {
  readonly client: MongoClient;
  readonly options: { readonly readPreference: Deployment["readPreference"] };
  /** Made for this cursor. */
  readonly isOwn: boolean;
}

/** There is one primary; of other members one is chosen, and connected to directly. */
async function findHome(deployment: Deployment, signal: AbortSignal): Promise<Home> {
  const { client, readPreference, facts } = deployment;
  const options = { readPreference };
  if (readPreference === "primary" || facts.isSharded) return { client, options, isOwn: false };
  const hello = await raceAbort(client.db("admin").command({ hello: 1 }, options), signal);
  const { credentials, tls, ca, cert, key } = client.options;
  const { serverSelectionTimeoutMS, connectTimeoutMS, heartbeatFrequencyMS } = client.options;
  const direct = new Client(`mongodb://${String(hello["me"])}/`, {
    ...{ directConnection: true, retryReads: false, tls },
    ...{ serverSelectionTimeoutMS, connectTimeoutMS, heartbeatFrequencyMS },
    ...(client.options.appName === undefined ? {} : { appName: client.options.appName }),
    ...(credentials === undefined
      ? {}
      : {
          auth: { username: credentials.username, password: credentials.password },
          authSource: credentials.source,
          authMechanism: credentials.mechanism,
        }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  return { client: direct, options, isOwn: true };
}

async function endHome(session: ClientSession, { client, isOwn }: Home): Promise<void> {
  await session.endSession().catch(() => undefined);
  if (isOwn) await closeClient(client);
}
