/**
 * Documents that were read ahead of the stream stay in the memo until the batch that makes them good was taken: a
 * position is journaled with the memo of that instant, also while the next batch is in the making. No server needed.
 */
import { BSON } from "mongodb";
import { describe, expect, test } from "vitest";
import { ChangeGroups } from "../../../connectors/mongodb/change-groups.js";
import { ChangeReader } from "../../../connectors/mongodb/change-reader.js";
import { Collections } from "../../../connectors/mongodb/collections.js";
import type { Deployment } from "../../../connectors/mongodb/deployment.js";
import { NamespaceScope } from "../../../connectors/mongodb/namespace-scope.js";
import { Settling } from "../../../connectors/mongodb/settling.js";
import { renewals, TransactionMaker } from "../../../connectors/mongodb/transaction-maker.js";
import type { StreamBatch } from "../../../connectors/mongodb/resuming-stream.js";
import { silentLog } from "../../../src/base/log.js";
import type { Change } from "../../../src/model/change.js";

const timeOf = (time: number): string => `6B077694${String(time).padStart(8, "0")}`;
const tokenOf = (time: number): string => `82${timeOf(time)}2B022C0100296E5A1004`;

const scope = new NamespaceScope(["shop.*"], undefined);
const facts = { version: [6, 0, 5], setName: "rs0", isSharded: false };
const collections = new Collections({
  ...{ scope, patterns: ["shop.*"], fields: () => ["a"], updates: [] },
  deployment: { facts } as unknown as Deployment,
});

/** An update inside a field, which does not tell the field. */
const untold = (time: number, coll = "items"): Uint8Array =>
  BSON.serialize({
    _id: { _data: tokenOf(time) },
    ...{ operationType: "update", ns: { db: "shop", coll }, documentKey: { _id: 1 } },
    updateDescription: { updatedFields: { "a.b": 1 }, removedFields: [] },
  });

const batchOf = (time: number, ...documents: Uint8Array[]): StreamBatch => ({
  ...{ documents, bytes: 0, token: tokenOf(time), isCurrent: true },
  endsTime: documents.length === 0,
});

/** `moments`: as of when documents are read, one after the other; none where the read fails. */
const made = (
  moments: (number | undefined)[],
  renewed: readonly Change[] = [],
): TransactionMaker => {
  const byKeys = () => {
    const moment = moments.shift();
    if (moment === undefined) return Promise.reject(new Error("cut off"));
    return Promise.resolve({ found: new Map(), at: timeOf(moment) });
  };
  return new TransactionMaker({
    groups: new ChangeGroups(new ChangeReader(collections), { position: "", transaction: "" }),
    settling: new Settling({ byKeys }, silentLog),
    ...{ renewed, position: "" },
  });
};

async function taken(maker: TransactionMaker, batch: StreamBatch): Promise<void> {
  for await (const each of maker.take(batch)) expect(each.position).not.toBe("");
}

describe("the memo", () => {
  test("names documents that run ahead until the batch with their second read was taken", async () => {
    const maker = made([3, 3]);
    await taken(maker, batchOf(1, untold(1)));
    expect(maker.ahead).toEqual(["shop.items"]);
    const batches = maker.take(batchOf(3));
    expect((await batches.next()).value).toMatchObject({ kind: "transaction" });
    expect(maker.ahead).toEqual(["shop.items"]);
    expect((await batches.next()).value).toMatchObject({ kind: "idle" });
    expect(maker.ahead).toEqual([]);
  });

  test("names them also where another of the batch's reads fails", async () => {
    const maker = made([3, 3, 3, undefined]);
    await taken(maker, batchOf(1, untold(1)));
    await taken(maker, batchOf(2, untold(2, "more")));
    await expect(taken(maker, batchOf(3))).rejects.toThrow("cut off");
    expect(maker.ahead).toEqual(["shop.items", "shop.more"]);
  });

  test("names what is to be copied again until that was taken", async () => {
    const relation = collections.find("shop", "items")?.relation;
    const maker = made([], renewals(relation === undefined ? [] : [relation]));
    expect(maker.ahead).toEqual(["shop.items"]);
    const batches = maker.take(batchOf(1));
    expect((await batches.next()).value).toMatchObject({ changes: [{ op: "renew" }] });
    expect(maker.ahead).toEqual(["shop.items"]);
    await batches.next();
    expect(maker.ahead).toEqual([]);
  });
});
