/**
 * Goal: whatever a document holds, its forms are JSON and lead back to the same bytes; and members can be read,
 * taken out and put back without touching their neighbours. Method: random documents of random depth, with names
 * and values that look like our own marks, written byte by byte.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { documentForms } from "../../connectors/mongodb/values/document-forms.js";
import { identityOf } from "../../connectors/mongodb/values/identity.js";
import { arrayForm, documentForm, itemsOf, membersOf } from "../../src/model/any-form.js";
import { raw, rawDocument } from "../support/bson-bytes.js";
import type { RawField, RawValue } from "../support/bson-bytes.js";
import { edgeValues } from "../support/bson-corpus.js";
import { bsonOfForm, documentOfForms } from "../support/bson-of-form.js";

const name = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 6 }).filter((text) => !text.includes("\0")),
  fc.constantFrom(
    "",
    "$",
    "$$",
    "$oid",
    "$$oid",
    "$date",
    "a.b",
    "0",
    "1",
    "10",
    "__proto__",
    "_id",
  ),
);

const scalar: fc.Arbitrary<RawValue> = fc.oneof(
  fc.constantFrom(...edgeValues.map(({ value }) => value)),
  fc.string({ unit: "grapheme" }).map((text) => raw.text(text)),
  fc
    .string({ unit: fc.constantFrom("a", '"', "\\", "\n", "\u007f", "é") })
    .map((text) => raw.text(text)),
  fc
    .double()
    .filter((value) => !Number.isNaN(value))
    .map((value) => raw.double(value)),
  fc.integer().map((value) => raw.int32(value)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => raw.int64(value)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((ms) => raw.date(ms)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
    return { type: 0x13, bytes: Buffer.from(bytes) };
  }),
  fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 0, max: 255 }))
    .map(([bytes, subType]) => raw.binary(Buffer.from(bytes), subType)),
);

const { value } = fc.letrec<{ value: RawValue; fields: RawField[] }>((tie) => ({
  fields: fc.array(fc.tuple(name, tie("value")), { maxLength: 4 }),
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    scalar,
    tie("fields").map((fields) => raw.document(fields)),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => raw.array(items)),
  ),
}));

const uniqueFields = fc.uniqueArray(fc.tuple(name, value), {
  maxLength: 6,
  selector: ([field]) => field,
});

test("every document comes back byte for byte from the forms of its fields", () => {
  fc.assert(
    fc.property(uniqueFields, (fields) => {
      const document = rawDocument(fields);
      const names = fields.map(([field]) => field);
      const forms = documentForms(names).document(document);
      for (const form of forms) JSON.parse(form);
      expect(documentOfForms(names, forms)).toEqual(document);
    }),
    { numRuns: 600 },
  );
});

test("a document is written as bytes as it is read as texts", () => {
  const into = Buffer.alloc(400_000);
  fc.assert(
    fc.property(uniqueFields, fc.array(fc.nat(), { maxLength: 8 }), (fields, chosen) => {
      const document = rawDocument(fields);
      const forms = documentForms(fields.map(([field]) => field));
      const values = forms.document(document);
      // Among other bytes, as in a batch.
      const bytes = Buffer.concat([Buffer.from("before"), document, Buffer.from("behind")]);
      const whole = forms.whole(bytes, 6);
      if (whole === undefined) throw new Error("a document that has every field is whole");
      expect(fields.map((_, at) => whole.form(at))).toEqual(values);
      const columns = fields.length === 0 ? [] : chosen.map((each) => each % fields.length);
      const end = whole.writeForms(columns, into, 3);
      expect(into.toString("utf8", 3, end)).toBe(columns.map((at) => values[at]).join(","));
      const all = fields.map((_, at) => at);
      const room = into.subarray(0, whole.bytesMax);
      const size = whole.writeQuoted?.(all, room, 0) ?? 0;
      expect(room.toString("utf8", 0, size)).toBe(
        values.map((form) => JSON.stringify(form)).join(","),
      );
    }),
    { numRuns: 600 },
  );
});

test("a document that lacks a field is not whole", () => {
  const document = Buffer.from(rawDocument([["a", raw.int32(1)]]));
  expect(documentForms(["a", "b"]).whole(document, 0)).toBeUndefined();
  expect(documentForms(["a"]).whole(document, 0)?.form(0)).toBe("1");
});

test("a form taken apart and put together is the same form", () => {
  fc.assert(
    fc.property(value, (random) => {
      const [form = ""] = documentForms(["v"]).document(rawDocument([["v", random]]));
      const members = membersOf(form);
      if (members !== undefined) expect(documentForm(members)).toBe(form);
      const items = itemsOf(form);
      if (items !== undefined) expect(arrayForm(items)).toBe(form);
      const isDocument = random.type === 0x03 && !form.startsWith('{"$bson"');
      expect([members !== undefined, items !== undefined]).toEqual([isDocument, random.type === 4]);
      for (const part of items ?? members?.map((member) => member.form) ?? []) bsonOfForm(part);
    }),
    { numRuns: 400 },
  );
});

test("two random _ids are the same only if one is the other in other types of numbers", () => {
  fc.assert(
    fc.property(value, value, (left, right) => {
      const [a, b] = [left, right].map((id) => identityOf(rawDocument([["_id", id]])));
      if (left.type === right.type && left.bytes.equals(right.bytes)) expect(a).toBe(b);
      if (a !== b) return;
      const kinds = [left, right].map(({ type }) => kindOf(type));
      expect(kinds[0]).toBe(kinds[1]);
    }),
    { numRuns: 400 },
  );
});

/** Types that can be equal to each other. */
function kindOf(type: number): string {
  if ([0x01, 0x10, 0x12, 0x13].includes(type)) return "number";
  return type === 0x0e || type === 0x02 ? "text" : String(type);
}
