/** Groups of changes from raw documents as servers send them, those of newer ones too: no server needed. */
import { Binary, BSON, Long } from "mongodb";
import { beforeEach, describe, expect, test } from "vitest";
import { ChangeGroups } from "../../../connectors/mongodb/change-groups.js";
import type { Grouped } from "../../../connectors/mongodb/change-groups.js";
import { ChangeReader } from "../../../connectors/mongodb/change-reader.js";
import { Collections } from "../../../connectors/mongodb/collections.js";
import type { Deployment } from "../../../connectors/mongodb/deployment.js";
import { NamespaceScope } from "../../../connectors/mongodb/namespace-scope.js";
import { AppError } from "../../../src/base/errors.js";

const tokenOf = (time: number, end: number): string =>
  `826B077694${String(time).padStart(8, "0")}2B022C0100296E5A1004${String(end).padStart(4, "0")}`;

const session = (number: number): object => ({
  ...{ lsid: { id: new Binary(Buffer.alloc(16, 7), 4) }, txnNumber: Long.fromNumber(number) },
});

let count = 0;

const raw = (time: number, more: object = {}): Uint8Array =>
  BSON.serialize({
    _id: { _data: tokenOf(time, (count += 1)) },
    operationType: "insert",
    ns: { db: "shop", coll: "items" },
    documentKey: { _id: count },
    fullDocument: { _id: count, a: "x" },
    ...more,
  });

let groups: ChangeGroups;

const made = (position = "", transaction = "", version = [7, 0, 0]): ChangeGroups => {
  const scope = new NamespaceScope(["shop.items"], undefined);
  const deployment = { facts: { version, setName: "rs0", isSharded: false } };
  const collections = new Collections({
    ...{ scope, patterns: ["shop.items"], fields: () => ["a"], updates: [] },
    deployment: deployment as unknown as Deployment,
  });
  return new ChangeGroups(new ChangeReader(collections), { position, transaction });
};

/** By group: how many changes it has, as the batch shows it. */
const take = (
  documents: readonly Uint8Array[],
  token: string,
  endsTime = documents.length === 0,
): string[] => {
  const batch = { documents, bytes: 0, token, endsTime, isCurrent: true };
  return [...groups.take(batch)].map((each: Grouped) =>
    "part" in each ? "part" : String(each.group.changes.length),
  );
};

beforeEach(() => {
  count = 0;
  groups = made();
});

describe("a transaction", () => {
  test("ends where another begins, also of the same session", () => {
    const own = [raw(1, session(1)), raw(1, session(1)), raw(2, session(2))];
    expect(take(own, tokenOf(2, 9))).toEqual(["2"]);
    expect(groups.isOpen).toBe(true);
    expect(take([raw(3)], tokenOf(3, 9))).toEqual(["1", "1"]);
    expect(groups.isOpen).toBe(false);
  });

  test("ends with an empty answer, or a token of a later time", () => {
    expect(take([raw(1, session(1))], tokenOf(1, 1))).toEqual([]);
    expect(take([], tokenOf(1, 1))).toEqual(["1"]);
    expect(take([raw(2, session(2))], tokenOf(3, 1))).toEqual(["1"]);
  });

  test("and others of its time, which shards can have, go together (M-16)", () => {
    const mixed = [raw(1, session(1)), raw(1, session(2)), raw(1, session(1)), raw(2)];
    expect(take(mixed, tokenOf(2, 9))).toEqual(["3", "1"]);
  });

  test("of shards does not end with an empty answer, but when its time is over (M-16)", () => {
    expect(take([raw(1, session(1))], tokenOf(1, 1))).toEqual([]);
    expect(take([], tokenOf(1, 1), false)).toEqual([]);
    expect(groups.isOpen).toBe(true);
    expect(take([], tokenOf(2, 1), false)).toEqual(["1"]);
  });

  test("is never mixed with what was written alone at its time (servers since 8.0)", () => {
    const mixed = [raw(1), raw(1, session(1)), raw(1, session(1)), raw(1)];
    expect(take(mixed, tokenOf(1, 9))).toEqual(["1", "2", "1"]);
  });

  test("that was journaled in parts is passed over when its time is read again", () => {
    const mark = `6B07769400000001/${Buffer.alloc(16, 7).toString("base64url")}/1`;
    groups = made(`6B07769400000001-${tokenOf(1, 1)}~`, mark);
    const again = [raw(1, session(1)), raw(1, session(1)), raw(2, session(2)), raw(3)];
    expect(take(again, tokenOf(3, 9))).toEqual(["1", "1"]);
  });
});

test("transactions of one time that were journaled in parts are passed over together (M-16)", () => {
  groups = made(`6B07769400000001-${tokenOf(1, 1)}~`, "6B07769400000001/*");
  const again = [raw(1, session(1)), raw(1, session(2)), raw(1, session(1)), raw(1), raw(3)];
  expect(take(again, tokenOf(3, 9))).toEqual(["2"]);
});

describe("a change", () => {
  test("that was written alone goes on with those of its answer, and waits for no other", () => {
    expect(take([raw(1), raw(2)], tokenOf(2, 2))).toEqual(["2"]);
    expect(groups.isOpen).toBe(false);
    expect(take([raw(3)], tokenOf(3, 3))).toEqual(["1"]);
  });

  test("that was written alone comes in groups of a bounded size", () => {
    const many = Array.from({ length: 1_001 }, (_, at) => raw(at + 1));
    expect(take(many, tokenOf(1_001, 1_001))).toEqual(["1000", "1"]);
    const large = [1, 2, 3].map((time) =>
      raw(1_001 + time, { fullDocument: { _id: time, a: "x".repeat(150_000) } }),
    );
    expect(take(large, tokenOf(1_004, 1_004))).toEqual(["2", "1"]);
  });

  test("that does not tell its document begins a group, and so does what befalls a collection", () => {
    const untold = { operationType: "update", fullDocument: undefined };
    const inside = { updateDescription: { updatedFields: { "a.b": 1, "a.b ": 2 } } };
    groups = made("", "", [6, 0, 5]);
    const all = [
      raw(1),
      raw(2, { ...untold, ...inside }),
      raw(3),
      raw(4, { operationType: "drop" }),
    ];
    expect(take([...all, raw(5)], tokenOf(5, 5))).toEqual(["1", "1", "1", "1"]);
  });

  test("of a kind that nobody knows says nothing, and breaks nothing (M-14)", () => {
    expect(take([raw(1, { operationType: "novelty" })], tokenOf(1, 1))).toEqual(["0"]);
    expect(take([raw(2, { operationType: "novelty" }), raw(3)], tokenOf(3, 3))).toEqual(["1"]);
  });

  test("that the server split is put together from its fragments (M-12)", () => {
    const part = (fragment: number, more: object): Uint8Array =>
      BSON.serialize({
        _id: { _data: tokenOf(1, fragment) },
        splitEvent: { fragment, of: 3 },
        ...more,
      });
    const fragments = [
      part(1, { operationType: "update", ns: { db: "shop", coll: "items" } }),
      part(2, { documentKey: { _id: 1 } }),
      part(3, { updateDescription: { updatedFields: { a: "y" }, removedFields: [] } }),
    ];
    expect(take(fragments.slice(0, 2), tokenOf(1, 2))).toEqual([]);
    expect(groups.isOpen).toBe(true);
    expect(take(fragments.slice(2), tokenOf(1, 3))).toEqual(["1"]);
  });

  test("without what is needed to read it is refused, with what it lacks", () => {
    const lacking = BSON.serialize({ _id: { _data: tokenOf(1, 1) }, ns: {} });
    expect(() => take([lacking], tokenOf(1, 1))).toThrow(AppError);
    expect(() => take([raw(1, { fullDocument: null })], tokenOf(1, 2))).toThrow(/no fullDocument/);
  });
});
