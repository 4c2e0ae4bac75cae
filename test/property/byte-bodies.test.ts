/**
 * Goal: what a change tells, put into the kept body as bytes, is what the rule makes of all values, for relations
 * with types of columns and for open ones, whatever the values hold. Method: random JSON texts as forms.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findFragments, splitFragment } from "../../src/model/fragments.js";
import { ABSENT } from "../../src/model/change.js";
import { bound, relation } from "../support/relations.js";

const form = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc.integer().map(String),
  fc.constantFrom("null", '"\\\\"', '"\\""', '{"$date":"2026-01-01T00:00:00.000Z"}', "5e0"),
);
const number = fc.nat().map(String);

const row = fc.tuple(number, number, form, form);
const told = fc.tuple(
  number,
  fc.option(number, { nil: undefined }),
  fc.option(form, { nil: undefined }),
  fc.option(form, { nil: undefined }),
);

const rules = {
  open: bound(
    { fields: ["id", "store_id", "name", "note"], key: ["id"] },
    relation({ id: "any", store_id: "any", name: "any", note: "any" }, { isOpen: true }),
  ),
  typed: bound(
    { fields: ["note", "id", "store_id", "name"] },
    relation({ id: "int64", store_id: "int", name: "json", note: "json" }),
  ),
};

describe.each(Object.entries(rules))("an update of a relation that is %s", (_kind, rule) => {
  test("has the output of all of its values", () => {
    fc.assert(
      fc.property(row, told, (before, update) => {
        const kept = rule.evaluate(before);
        const body = Buffer.from(kept.body);
        const made = rule.evaluateUpdate?.(update, { body, hidden: kept.hidden });
        if (made === undefined) throw new Error("the kept document tells every value");
        const expected = rule.evaluate(rule.fill(update, { body, hidden: kept.hidden }));
        expect({ ...made, body: Buffer.from(made.body).toString() }).toEqual({
          ...expected,
          body: Buffer.from(expected.body).toString(),
        });
      }),
      { numRuns: 500 },
    );
  });
});

test("a document that lacked a field, or was made by another plan, is evaluated from its values", () => {
  const lacking = rules.open.evaluate(["1", "2", ABSENT, "4"]);
  const body = Buffer.from(lacking.body);
  const update = ["1", undefined, '"tea"', undefined];
  expect(rules.open.evaluateUpdate?.(update, { body, hidden: lacking.hidden })).toBeUndefined();
  const { hidden } = rules.typed.evaluate(["1", "2", '"x"', "4"]);
  expect(rules.open.evaluateUpdate?.(update, { body, hidden })).toBeUndefined();
});

test("fragments are found in bytes where they are split in text", () => {
  fc.assert(
    fc.property(fc.array(form, { minLength: 1, maxLength: 6 }), fc.nat(7), (forms, count) => {
      const fragment = Buffer.from(forms.join(","));
      const begins = new Uint32Array(count + 1);
      expect(findFragments(fragment, count, begins)).toBe(count <= forms.length);
      const found = Array.from({ length: Math.min(count, forms.length) }, (_, at) =>
        fragment.toString("utf8", begins[at], (begins[at + 1] ?? 0) - 1),
      );
      const texts = splitFragment(fragment.toString()).slice(0, count);
      expect(found.slice(0, texts.length)).toEqual(count <= forms.length ? texts : found);
    }),
    { numRuns: 500 },
  );
});
