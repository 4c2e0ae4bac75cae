/**
 * Existing documents, chunk by chunk in the order of `_id` (mongodb.md 5.4). A chunk is read as of the moment up to
 * which the stream was fetched, so that it seldom has to wait; where that cannot be read any more, as of now.
 *
 * The order is that of the index on `_id`, over all types: `min` takes its bounds from the index, where `$gt` would
 * stay within one type. `min` is inclusive: the last document of the chunk before comes first, and is passed over.
 */
import { MaxKey } from "mongodb";
import type { Document } from "mongodb";
import { raceAbort } from "../../src/base/abort.js";
import { AppError } from "../../src/base/errors.js";
import type { ChunkRequest, CopyChunk, CopyPower, CopyRow } from "../../src/connector/connector.js";
import type { Collections, WatchedCollection } from "./collections.js";
import type { Deployment } from "./deployment.js";
import type { DocumentReads, ReadDocuments } from "./document-reads.js";
import { failureOf } from "./failures.js";
import type { ResumingStream } from "./resuming-stream.js";
import { positionThrough } from "./stream-position.js";
import { bsonType } from "./values/bson-layout.js";
import { elementOfId, identityOf } from "./values/identity.js";
import { keyOf, StoredId } from "./values/stored-id.js";

export interface CopyOptions {
  readonly deployment: Deployment;
  readonly collections: Collections;
  readonly reads: DocumentReads;
  readonly stream: Pick<ResumingStream, "time">;
  readonly signal: AbortSignal;
}

export function copyPower(options: CopyOptions): CopyPower {
  const { deployment, collections, signal: life } = options;
  return {
    chunk: async (request, signal) => {
      const collection = collectionOf(collections, request);
      try {
        return await raceAbort(readChunk(collection, request, options), signal);
      } catch (error) {
        signal.throwIfAborted();
        throw failureOf(error, `copying ${request.relation.name}`);
      }
    },
    estimate: async (relation) => {
      const found = collections.byName(relation.name);
      if (found === undefined) return undefined;
      const { client, readPreference } = deployment;
      const own = client.db(found.db).collection(found.collection);
      try {
        return await raceAbort(own.estimatedDocumentCount({ readPreference }), life);
      } catch (error) {
        life.throwIfAborted();
        throw failureOf(error, `counting ${relation.name}`);
      }
    },
  };
}

async function readChunk(
  collection: WatchedCollection,
  request: ChunkRequest,
  { reads, stream }: CopyOptions,
): Promise<CopyChunk> {
  const { after, rowsMax, bytesMax } = request;
  const { projection } = collection;
  const before = after === undefined ? undefined : bytesOf(after);
  // Nothing comes after it, and the server refuses it as a bound.
  if (before !== undefined && elementOfId(before).type === bsonType.maxKey) {
    return { rows: [], hi: positionThrough(stream.time), next: undefined };
  }
  const find = {
    ...{ filter: {}, hint: { _id: 1 }, sort: { _id: 1 } },
    ...(before === undefined ? {} : { min: { _id: new StoredId(before) } }),
    ...(projection === undefined ? {} : { projection }),
    // One more is the one that is passed over; another tells that there is more.
    ...{ limit: rowsMax + 2, batchSize: rowsMax + 2 },
  } satisfies Document;
  // An answer may have no room for another beside the one that is passed over.
  const least = before === undefined ? 1 : 2;
  const read = await reads.some(collection, find, { time: stream.time, least });
  const { isCut, at } = read;
  const documents =
    isCut || before === undefined ? read.documents : await withLast(collection, read, reads);
  const skipped = before === undefined ? undefined : identityOf(before);
  const rows: CopyRow[] = [];
  let bytes = 0;
  let last: Uint8Array | undefined;
  let isWhole = !isCut;
  for (const document of documents) {
    const identity = identityOf(document);
    if (identity === skipped) continue;
    if (rows.length >= rowsMax || (rows.length > 0 && bytes + document.length > bytesMax)) {
      isWhole = false;
      break;
    }
    const { relation, forms } = collection;
    rows.push({ relation, identity, values: forms.document(document) });
    bytes += document.length;
    last = document;
  }
  const next = isWhole || last === undefined ? undefined : keyOf(last).toString("base64");
  return { rows, hi: positionThrough(at), next };
}

/** `min` ends just below the greatest key that there can be. */
async function withLast(
  collection: WatchedCollection,
  { documents, at }: ReadDocuments,
  reads: DocumentReads,
): Promise<readonly Uint8Array[]> {
  const { projection } = collection;
  const find = {
    filter: { _id: new MaxKey() },
    ...(projection === undefined ? {} : { projection }),
    limit: 1,
  };
  const last = await reads.some(collection, find, { time: at, least: 1 });
  return [...documents, ...last.documents];
}

/** `{_id: …}` from base64, as `next` has it. */
function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}

function collectionOf(collections: Collections, { relation }: ChunkRequest): WatchedCollection {
  const found = collections.byName(relation.name);
  if (found !== undefined) return found;
  const message = `copying ${relation.name}: no rule reads it`;
  throw new AppError("MONGODB_COMMAND_FAILED", message);
}
