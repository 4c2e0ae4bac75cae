/** The cursor part of a server's reply, as raw bytes: whole batches are taken without decoding what is in them. */
import { bufferOf } from "../../src/base/bytes.js";
import { Long } from "mongodb";
import type { Timestamp } from "mongodb";
import { bsonType, documentEnd, nameEnd, textAt } from "./values/bson-layout.js";
import { eachField } from "./raw-change.js";
import { hexTime, timeOf, type ClusterTime } from "./stream-position.js";

export interface RawBatch {
  /** Zero when the server has closed the cursor. */
  readonly id: Long;
  /** The collection that `getMore` names. */
  readonly collection: string;
  readonly documents: readonly Uint8Array[];
  readonly bytes: number;
  /** `_data` of `postBatchResumeToken`; undefined where the reply is not a change stream's. */
  readonly token: string | undefined;
  /** The newest time that the deployment knows of; undefined where the reply does not tell. */
  readonly clusterTime: ClusterTime | undefined;
  /** Of a snapshot read. */
  readonly atClusterTime: ClusterTime | undefined;
  /** At or after what the reply shows; of a majority. Undefined on a server that keeps no time. */
  readonly operationTime: ClusterTime | undefined;
}

/** As `db.command(…, {raw: true})` gives it: nested documents are bytes. */
export interface RawReply {
  readonly cursor?: Uint8Array;
  readonly $clusterTime?: Uint8Array;
  readonly operationTime?: Timestamp;
}

export function readBatch(reply: RawReply): RawBatch {
  if (reply.cursor === undefined) throw new RangeError("a reply without a cursor");
  const bytes = bufferOf(reply.cursor);
  let id = Long.ZERO;
  let collection = "";
  let documents: readonly Uint8Array[] = [];
  let token: string | undefined;
  let atClusterTime: ClusterTime | undefined;
  eachField(bytes, 0, (name, type, value) => {
    if (name === "id") id = Long.fromBigInt(bytes.readBigInt64LE(value));
    else if (name === "ns") collection = collectionOf(textAt(bytes, value));
    else if (name === "firstBatch" || name === "nextBatch") documents = itemsOf(bytes, value);
    else if (name === "postBatchResumeToken" && type === bsonType.document) {
      eachField(bytes, value, (inner, _type, at) => {
        if (inner === "_data") token = textAt(bytes, at);
      });
    } else if (name === "atClusterTime") atClusterTime = hexTime(bytes.readBigUInt64LE(value));
  });
  return {
    ...{ id, collection, documents, bytes: bytes.length, token, atClusterTime },
    clusterTime: clusterTimeOf(reply),
    operationTime: reply.operationTime === undefined ? undefined : timeOf(reply.operationTime),
  };
}

function clusterTimeOf({ $clusterTime }: RawReply): ClusterTime | undefined {
  if ($clusterTime === undefined) return undefined;
  const bytes = bufferOf($clusterTime);
  let time: ClusterTime | undefined;
  eachField(bytes, 0, (name, type, value) => {
    const isTime = name === "clusterTime" && type === bsonType.timestamp;
    if (isTime) time = hexTime(bytes.readBigUInt64LE(value));
  });
  return time;
}

function itemsOf(bytes: Buffer, from: number): Uint8Array[] {
  const limit = documentEnd(bytes, from) - 1;
  const items: Uint8Array[] = [];
  for (let at = from + 4; at < limit;) {
    const value = nameEnd(bytes, at + 1) + 1;
    const end = documentEnd(bytes, value);
    items.push(bytes.subarray(value, end));
    at = end;
  }
  return items;
}

/** A database's name holds no dot, a collection's may. */
function collectionOf(namespace: string): string {
  return namespace.slice(namespace.indexOf(".") + 1);
}
