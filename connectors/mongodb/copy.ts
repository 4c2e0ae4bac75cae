/**
 * Existing documents, chunk by chunk in the order of `_id` (mongodb.md 5.4). A chunk is read as of the moment up to
 * which the stream was fetched, so that it seldom has to wait; where that cannot be read any more, as of now.
 *
 * The order is that of the index on `_id`, over all types: `min` takes its bounds from the index, where `$gt` would
 * stay within one type. `min` is inclusive: the last document of the chunk before comes first, and is passed over.
 */
import { BSON } from "mongodb";
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
import { identityOf } from "./values/identity.js";

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
  const before = after === undefined ? undefined : BSON.deserialize(bytesOf(after), AS_STORED);
  const find = {
    ...{ filter: {}, hint: { _id: 1 }, sort: { _id: 1 } },
    ...(before === undefined ? {} : { min: before }),
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
  const skipped = before === undefined ? undefined : identityOf(bytesOf(after ?? ""));
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
  const next = isWhole || last === undefined ? undefined : keyText(last);
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
    filter: { _id: new BSON.MaxKey() },
    ...(projection === undefined ? {} : { projection }),
    limit: 1,
  };
  const last = await reads.some(collection, find, { time: at, least: 1 });
  return [...documents, ...last.documents];
}

const AS_STORED = { promoteValues: false, bsonRegExp: true };

/** `{_id: …}` as base64: the next chunk's `after`. */
function keyText(document: Uint8Array): string {
  const { _id } = BSON.deserialize(document, AS_STORED);
  // The driver cannot write `undefined`: the least bound finds that document again, and passes over it.
  const id: unknown = _id === undefined ? new BSON.MinKey() : _id;
  return Buffer.from(BSON.serialize({ _id: id })).toString("base64");
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}

function collectionOf(collections: Collections, { relation }: ChunkRequest): WatchedCollection {
  const found = collections.byName(relation.name);
  if (found !== undefined) return found;
  const message = `copying ${relation.name}: no rule reads it`;
  throw new AppError("MONGODB_COMMAND_FAILED", message);
}
