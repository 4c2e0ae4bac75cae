/** Replies as raw bytes: what each tells of its time. No server needed. */
import { BSON, Long, Timestamp } from "mongodb";
import { describe, expect, test } from "vitest";
import { readBatch } from "../../../connectors/mongodb/raw-reply.js";

const time = (i: number): Timestamp => new Timestamp({ t: 1_700_000_000, i });
const cursor = (more: object): Uint8Array =>
  BSON.serialize({ firstBatch: [{ a: 1 }], id: Long.ZERO, ns: "shop.a.b", ...more });

describe("a reply", () => {
  test("tells the moment of a snapshot, the deployment's time, and the member's own", () => {
    const batch = readBatch({
      cursor: cursor({ atClusterTime: time(1) }),
      $clusterTime: BSON.serialize({ clusterTime: time(2) }),
      operationTime: time(3),
    });
    expect(batch).toMatchObject({
      ...{ collection: "a.b", atClusterTime: "6553F10000000001" },
      ...{ clusterTime: "6553F10000000002", operationTime: "6553F10000000003" },
    });
    expect(batch.documents.map((each) => BSON.deserialize(each))).toEqual([{ a: 1 }]);
  });

  test("of a collection that is not there tells no moment; of a set without keys no time but the member's", () => {
    const batch = readBatch({ cursor: cursor({ firstBatch: [] }), operationTime: time(3) });
    expect([batch.atClusterTime, batch.clusterTime]).toEqual([undefined, undefined]);
    expect(batch.operationTime).toBe("6553F10000000003");
  });
});
