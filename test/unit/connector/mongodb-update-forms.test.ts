/**
 * Goal: an update's description is applied as the server means it under each reading, and whatever it leaves open is
 * told to be untold. Method: descriptions as servers since 6.1 write them, with `disambiguatedPaths`, and such as
 * do not fit the kept form. test/integration/mongodb-updates.test.ts has those of a real server.
 */
import { describe, expect, test } from "vitest";
import { documentForms } from "../../../connectors/mongodb/values/document-forms.js";
import type { UpdateReading } from "../../../connectors/mongodb/values/forms.js";
import { raw, rawDocument } from "../../support/bson-bytes.js";
import type { RawField, RawValue } from "../../support/bson-bytes.js";

interface Description {
  readonly set?: readonly RawField[];
  readonly removed?: readonly string[];
  readonly cut?: Readonly<Record<string, number>>;
  readonly paths?: Readonly<Record<string, readonly (string | number)[]>>;
}

function describeUpdate({ set = [], removed = [], cut = {}, paths }: Description): Buffer {
  const step = (each: string | number): RawValue =>
    typeof each === "string" ? raw.text(each) : raw.int32(each);
  const steps = Object.entries(paths ?? {}).map(([path, list]): RawField => [
    path,
    raw.array(list.map(step)),
  ]);
  return rawDocument([
    ["updatedFields", raw.document(set)],
    ["removedFields", raw.array(removed.map((path) => raw.text(path)))],
    ["truncatedArrays", raw.array(Object.entries(cut).map(([field, size]) => cutOf(field, size)))],
    ...(paths === undefined ? [] : ([["disambiguatedPaths", raw.document(steps)]] as const)),
  ]);
}

function cutOf(field: string, size: number): RawValue {
  return raw.document([
    ["field", raw.text(field)],
    ["newSize", raw.int32(size)],
  ]);
}

/** The form of `field` after the update: undefined where it is not told. */
function after(
  description: Description,
  before: Readonly<Record<string, string>>,
  reading: UpdateReading = "expanded",
): Record<string, string | undefined> {
  const fields = Object.keys(before);
  const { values, patches, untold } = documentForms(fields).update(
    describeUpdate(description),
    reading,
  );
  const entries = fields.map((field, place) => {
    const kept = before[field] ?? "";
    const patch = patches.get(place);
    const form = patch === undefined ? (values[place] ?? kept) : patch(kept);
    return [field, untold.includes(place) ? undefined : form] as const;
  });
  return Object.fromEntries(entries);
}

const seven = raw.int32(7);

describe("with disambiguatedPaths", () => {
  test("paths are names, and numbers are places, unless the server says otherwise", () => {
    const before = { a: '{"b":1,"c":[1,{"d":2}]}' };
    const description = {
      set: [
        ["a.b", seven],
        ["a.c.1.d", seven],
        ["a.c.2", seven],
      ] as const,
      paths: {},
    };
    expect(after(description, before)).toEqual({ a: '{"b":7,"c":[1,{"d":7},7]}' });
  });

  test("a name that is a number, or has dots, is one", () => {
    const before = { a: '{"0":1,"x.y":2}', "t.u": "1", t: '{"u":5}' };
    const description = {
      set: [
        ["a.0", seven],
        ["t.u", seven],
      ] as const,
      removed: ["a.x.y"],
      paths: { "a.0": ["a", "0"], "a.x.y": ["a", "x.y"], "t.u": ["t.u"] },
    };
    expect(after(description, before)).toEqual({ a: '{"0":7}', "t.u": "7", t: '{"u":5}' });
  });

  test("the same dotted path twice tells nothing", () => {
    const description = {
      set: [["a.b", seven]] as const,
      removed: ["a.b"],
      paths: { "a.b": ["a.b"] },
    };
    expect(after(description, { a: '{"b":1}', "a.b": "1", c: "1" })).toEqual({
      a: undefined,
      "a.b": undefined,
      c: "1",
    });
  });

  test("an item past the end comes with nulls before it, whatever the order", () => {
    const set = [
      ["a.5", seven],
      ["a.3", seven],
      ["b.c.1", seven],
    ] as const;
    expect(after({ set, cut: { a: 2 } }, { a: "[1,2,9]", b: '{"c":[]}' })).toEqual({
      a: "[1,2,null,7,null,7]",
      b: '{"c":[null,7]}',
    });
    const { a = "" } = after({ set: [["a.1500001", seven]] }, { a: "[1]" });
    expect(a.split(",")).toHaveLength(1_500_002);
  });

  test("an array is cut before it is set", () => {
    const description = { set: [["a.1", seven]] as const, cut: { a: 1, "b.c": 0 } };
    expect(after(description, { a: "[1,2,3]", b: '{"c":[1,[2]]}' })).toEqual({
      a: "[1,7]",
      b: '{"c":[]}',
    });
  });
});

describe("a description that does not fit the kept form tells nothing", () => {
  test.each<[string, Description, string]>([
    ["a path into a scalar", { set: [["a.b", seven]] }, "5"],
    ["a path into a tagged value", { set: [["a.b", seven]] }, '{"$oid":"x"}'],
    ["a path into nothing", { set: [["a.b.c", seven]] }, '{"x":1}'],
    ["a path into an absent field", { set: [["a.b", seven]] }, ""],
    ["a name in an array", { set: [["a.b", seven]] }, "[1]"],
    ["a place that no server pads up to", { set: [["a.1500002", seven]] }, "[1]"],
    ["a path into an item past the end", { set: [["a.2.b", seven]] }, "[1]"],
    ["a place in a document", { set: [["a.0", seven]] }, '{"0":1}'],
    ["a removal of what is not there", { removed: ["a.b"] }, '{"c":1}'],
    ["a cut of a document", { cut: { a: 0 } }, "{}"],
    ["a cut to more", { cut: { a: 3 } }, "[1]"],
  ])("%s", (_, description, form) => {
    expect(after(description, { a: form })).toEqual({ a: undefined });
  });
});

test("a field set inside is appended, replaced in place, and may look like a tag", () => {
  const set = [["a.$oid", seven]] as const;
  expect(after({ set }, { a: "{}" })).toEqual({ a: '{"$$oid":7}' });
  expect(after({ set }, { a: '{"$$oid":1}' })).toEqual({ a: '{"$$oid":7}' });
  expect(after({ set }, { a: '{"b":1}' })).toEqual({ a: '{"b":1,"$oid":7}' });
  expect(after({ removed: ["a.b"] }, { a: '{"b":1,"$oid":7}' })).toEqual({ a: '{"$$oid":7}' });
});

describe("without disambiguatedPaths", () => {
  const before = { a: '{"b":1,"0":2}', l: "[1,2]", "a.b": "5", top: "1" };

  test("a dotted path leaves open every field that it can mean, and only those", () => {
    const description = {
      set: [
        ["a.b.c", seven],
        ["top", seven],
      ] as const,
      removed: ["l.0"],
    };
    expect(after(description, before, "none")).toEqual({
      ...{ a: undefined, "a.b": undefined, l: undefined, top: "7" },
    });
  });

  test("`nested` takes it for a path, and a number for a place where there is an array", () => {
    const description = {
      set: [
        ["a.0", seven],
        ["l.0", seven],
      ] as const,
    };
    expect(after(description, before, "nested")).toEqual({
      ...{ a: '{"b":1,"0":7}', l: "[7,2]", "a.b": "5", top: "1" },
    });
    // A rule that names a field with a dot says that there is one.
    expect(after({ set: [["a.b", seven]] }, before, "nested")["a.b"]).toBeUndefined();
  });
});
