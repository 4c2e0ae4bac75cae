/** The connection to a deployment, and what kind of one it is: a replica set, or something that cannot be read. */
import { MongoClient } from "mongodb";
import type { Db, Document, MongoClientOptions, ReadPreferenceMode, Timestamp } from "mongodb";
import { raceAbort } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import { failureOf, STANDALONE_CURE } from "./failures.js";
import { urlParameters, type MongodbOptions, type MongodbTarget } from "./options.js";
import { timeOf, type ClusterTime } from "./stream-position.js";

/** An election takes up to 12 s with the server's defaults. */
const SERVER_SELECTION_MS = 20_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** A member that is cut off is noticed within two of these. */
const HEARTBEAT_MS = 5_000;
const CLOSE_MS = 2_000;

export interface Deployment {
  readonly client: MongoClient;
  readonly readPreference: ReadPreferenceMode;
  readonly facts: DeploymentFacts;
}

export interface DeploymentFacts {
  readonly version: readonly [major: number, minor: number, patch: number];
  readonly setName: string;
  readonly isSharded: boolean;
}

/** Connected; rejects with an AppError or the signal's reason. `close` it. */
export async function openDeployment(
  options: MongodbOptions,
  applicationName: string,
  signal: AbortSignal,
): Promise<Deployment> {
  const client = new MongoClient(
    options.target.url.reveal(),
    clientOptions(options.target, applicationName),
  );
  try {
    await raceAbort(client.connect(), signal);
    const facts = await raceAbort(readFacts(client), signal);
    return { client, readPreference: options.readPreference, facts };
  } catch (error) {
    await closeClient(client);
    signal.throwIfAborted();
    throw failureOf(error, "connecting to MongoDB");
  }
}

function clientOptions(target: MongodbTarget, applicationName: string): MongoClientOptions {
  const { login, authSource, tls } = target;
  const password = login?.password?.reveal();
  return {
    ...withoutUrls(target, {
      appName: applicationName.slice(0, 128),
      serverSelectionTimeoutMS: SERVER_SELECTION_MS,
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      heartbeatFrequencyMS: HEARTBEAT_MS,
      // The stream, its keys and a copy; each waits for one answer at a time.
      maxPoolSize: 6,
    }),
    // Resuming and trying again are this connector's own.
    retryReads: false,
    ...(login === undefined
      ? {}
      : { auth: { username: login.user, ...(password === undefined ? {} : { password }) } }),
    ...(authSource === undefined ? {} : { authSource }),
    ...(tls === undefined ? {} : tlsOptions(tls)),
  };
}

/** The address may say otherwise. */
function withoutUrls({ url }: MongodbTarget, defaults: MongoClientOptions): MongoClientOptions {
  const told = urlParameters(url.reveal());
  return Object.fromEntries(
    Object.entries(defaults).filter(([name]) => !told.has(name.toLowerCase())),
  );
}

function tlsOptions({ ca, cert, key }: NonNullable<MongodbTarget["tls"]>): MongoClientOptions {
  return {
    tls: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: key.reveal() }),
  };
}

/** A silent member does not hold it. Never rejects. */
export async function closeClient(client: MongoClient): Promise<void> {
  const timeout = AbortSignal.timeout(CLOSE_MS);
  await raceAbort(client.close(), timeout).catch(() => undefined);
}

async function readFacts(client: MongoClient): Promise<DeploymentFacts> {
  const admin = client.db("admin");
  const hello = await admin.command({ hello: 1 });
  const build = await admin.command({ buildInfo: 1 });
  refuseLookAlikes(hello, build);
  const isSharded = hello["msg"] === "isdbgrid";
  const setName = hello["setName"] as string | undefined;
  if (setName === undefined && !isSharded) {
    throw new AppError("MONGODB_SERVER_UNFIT", "the server is a standalone one: it has no oplog", {
      cure: STANDALONE_CURE,
    });
  }
  const [major = 0, minor = 0, patch = 0] = build["versionArray"] as number[];
  if (major < 5) {
    const message = `the server is MongoDB ${String(build["version"])}; needed is 5.0 or newer`;
    throw new AppError("MONGODB_SERVER_UNFIT", message, { cure: "Upgrade the deployment." });
  }
  return { version: [major, minor, patch], setName: setName ?? "", isSharded };
}

/** mongodb.md 5.6: they speak the protocol, and their streams lack what this connector relies on. */
export function refuseLookAlikes(hello: Document, build: Document): void {
  const internal = hello["internal"] as { documentdb_versions?: unknown } | undefined;
  const isAzure = internal?.documentdb_versions !== undefined || "_t" in build;
  const isAmazon = build["modules"] === undefined && build["gitVersion"] === undefined;
  if (!isAzure && !isAmazon) return;
  const message = "the server is not MongoDB, but speaks its protocol (DocumentDB, Cosmos DB)";
  throw new AppError("MONGODB_SERVER_UNFIT", message, {
    cure: "Only MongoDB itself is supported; see connectors/mongodb/README.md.",
  });
}

export function isAtLeast({ version }: DeploymentFacts, ...wanted: readonly number[]): boolean {
  for (const [index, number] of wanted.entries()) {
    const own = version[index] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}

/** Where the deployment stands: the newest operation that a majority has. */
export async function headOf(db: Db, readPreference: ReadPreferenceMode): Promise<ClusterTime> {
  const hello = await db.command({ hello: 1 }, { readPreference });
  const write = hello["lastWrite"] as { majorityOpTime?: { ts: Timestamp } } | undefined;
  return timeOf(write?.majorityOpTime?.ts ?? (hello["operationTime"] as Timestamp));
}
