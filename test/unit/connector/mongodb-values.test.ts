/**
 * Goal: every BSON value becomes the form that VALUES.md promises, and comes back to the very bytes it was (I10);
 * an `_id` is told apart from another exactly where MongoDB does. Method: a corpus of edge values, read from raw
 * bytes and written back by code that shares nothing with the reader; bytes that are no BSON.
 */
import { describe, expect, test } from "vitest";
import { documentForms } from "../../../connectors/mongodb/values/document-forms.js";
import { identityOf } from "../../../connectors/mongodb/values/identity.js";
import { raw, rawDocument } from "../../support/bson-bytes.js";
import type { RawValue } from "../../support/bson-bytes.js";
import { edgeValues } from "../../support/bson-corpus.js";
import { bsonOfForm, documentOfForms } from "../../support/bson-of-form.js";

function formOf(value: RawValue): string {
  const [form = ""] = documentForms(["v"]).document(rawDocument([["v", value]]));
  return form;
}

describe("a BSON value", () => {
  test.each(edgeValues)("$name", ({ value, form }) => {
    const found = formOf(value);
    if (form !== undefined) expect(found).toBe(form);
    expect(bsonOfForm(found)).toEqual(value);
    // Inside others too, where commas and braces of its own must not be taken for theirs.
    const nested = raw.document([
      ["before", raw.int32(1)],
      ["v", raw.array([value, value])],
    ]);
    expect(bsonOfForm(formOf(nested))).toEqual(nested);
    // A reader of JSON that knows nothing of us can read it.
    JSON.parse(found);
  });
});

describe("a date", () => {
  const day = 86_400_000;
  test.each([-719_528, -1, 0, 11_016, 20_454, 2_932_896])("of day %d is written as ISO", (at) => {
    const times = [0, 1, 59_999, 60_000, 3_599_999, 3_600_000, 45_296_789, day - 1];
    // The next day, and back: the day before may not stay.
    for (const time of [...times, ...times.map((each) => each - day), 0]) {
      const ms = at * day + time;
      if (ms < -719_528 * day) continue;
      const form = `{"$date":"${new Date(ms).toISOString()}"}`;
      expect(formOf(raw.date(BigInt(ms)))).toBe(form);
    }
  });
});

describe("a double", () => {
  test("is written with the shortest digits that tell it, also where it is an amount of money", () => {
    const amounts = Array.from({ length: 2_000 }, (_, at) => [at / 100, -at / 100, at / 1_000]);
    const others = [0.1 + 0.2, 1e-7, 1.005, 21_474_836.48, 21_474_836.49, -0.05, 5e-324, 1.7e308];
    for (const value of [...amounts.flat(), ...others]) {
      if (Number.isInteger(value)) continue;
      expect(formOf(raw.double(value))).toBe(String(value));
    }
  });
});

describe("a document", () => {
  const document = rawDocument([
    ["_id", raw.int32(7)],
    ["name", raw.text("tea")],
    ["names", raw.text("not this")],
    ["big", raw.binary(Buffer.alloc(1000), 0)],
    ["", raw.int32(1)],
    ["__proto__", raw.int32(2)],
    ["a.b", raw.int32(3)],
    ["name", raw.text("the first counts")],
    ["last", raw.null],
  ]);

  test("gives the wanted fields in the wanted order, and ABSENT for others", () => {
    const fields = ["last", "a.b", "missing", "name", "__proto__", "", "_id"];
    const forms = documentForms(fields).document(document);
    expect(forms).toEqual(["null", "3", "", '"tea"', "2", "1", "7"]);
    expect(documentOfForms(["_id"], [forms[6] ?? ""])).toEqual(
      rawDocument([["_id", raw.int32(7)]]),
    );
  });

  test("may be a part of a larger buffer", () => {
    const around = Buffer.concat([Buffer.alloc(3, 9), document, Buffer.alloc(3, 9)]);
    const part = new Uint8Array(around.buffer, around.byteOffset + 3, document.length);
    expect(documentForms(["name"]).document(part)).toEqual(['"tea"']);
  });

  test.each<[string, Buffer]>([
    ["cut off", document.subarray(0, 40)],
    ["with a text that leads out of it", patched(document, 18, 0x7f)],
    ["of a type that does not exist", patched(document, 4, 0x20)],
    ["without its closing zero", patched(document, document.length - 1, 1)],
    ["shorter than a document can be", Buffer.alloc(4)],
  ])("%s is refused", (_, bytes) => {
    expect(() => documentForms(["last"]).document(bytes)).toThrow(/reading a document: found/);
  });

  test("nested without end is refused before the stack ends", () => {
    let value = raw.document([]);
    for (let depth = 0; depth < 300; depth += 1) value = raw.document([["a", value]]);
    expect(() => formOf(value)).toThrow(/nested more than/);
  });
});

describe("an _id", () => {
  const same: readonly (readonly [string, readonly RawValue[]])[] = [
    ["1", [raw.int32(1), raw.int64(1n), raw.double(1), decimal("1"), decimal("100", -2)]],
    ["0", [raw.int32(0), raw.double(-0), decimal("0", 3), raw.int64(0n)]],
    ["0.5", [raw.double(0.5), decimal("5", -1), decimal("50", -2)]],
    ["-0.25", [raw.double(-0.25), decimal("-25", -2)]],
    ["2^53", [raw.int64(2n ** 53n), raw.double(2 ** 53), decimal("9007199254740992")]],
    ["2^60", [raw.int64(2n ** 60n), raw.double(2 ** 60)]],
    ["1e22", [raw.double(1e22), decimal("1", 22)]],
    ["NaN", [raw.double(NaN), decimalBits("7c000000000000000000000000000000")]],
    ["∞", [raw.double(Infinity), decimalBits("78000000000000000000000000000000")]],
    ["{a: 1}", [raw.document([["a", raw.int32(1)]]), raw.document([["a", raw.double(1)]])]],
    ["text and symbol", [raw.text("tea"), raw.symbol("tea")]],
    ["text of 1", [raw.text("1")]],
    ["0.1 as double", [raw.double(0.1)]],
    ["0.1 as decimal", [decimal("1", -1)]],
    ["2^53 + 1", [raw.int64(2n ** 53n + 1n)]],
    ["{b: 1}", [raw.document([["b", raw.int32(1)]])]],
    [
      "{a: 1, b: 2}",
      [
        raw.document([
          ["a", raw.int32(1)],
          ["b", raw.int32(2)],
        ]),
      ],
    ],
    [
      "{b: 2, a: 1}",
      [
        raw.document([
          ["b", raw.int32(2)],
          ["a", raw.int32(1)],
        ]),
      ],
    ],
    ["{$doc: []}", [raw.document([["$doc", raw.array([])]])]],
    ["{}", [raw.document([])]],
    ["{$number: 'NaN'}", [raw.document([["$number", raw.text("NaN")]])]],
    ["ObjectId", [raw.objectId("65a1b2c3d4e5f60718293a4b")]],
    ["text of an ObjectId", [raw.text("65a1b2c3d4e5f60718293a4b")]],
    ["{$oid: …}", [raw.document([["$oid", raw.text("65a1b2c3d4e5f60718293a4b")]])]],
    ["null", [raw.null]],
    ["undefined", [raw.undefined]],
    ["true", [raw.bool(true)]],
    ["1970", [raw.date(0n)]],
    ["bytes", [raw.binary(Buffer.of(1), 0)]],
    ["bytes of subtype 5", [raw.binary(Buffer.of(1), 5)]],
    ["MinKey", [raw.minKey]],
  ];

  test("is the same where MongoDB says so, and only there", () => {
    const seen = new Map<string, string>();
    for (const [name, values] of same) {
      const identities = values.map((value) => identityOf(rawDocument([["_id", value]])));
      expect(new Set(identities).size, name).toBe(1);
      const [identity = ""] = identities;
      expect(seen.get(identity), `${name}: ${identity}`).toBeUndefined();
      seen.set(identity, name);
      expect(Array.isArray(JSON.parse(identity))).toBe(true);
    }
  });

  test("is read wherever it stands", () => {
    expect(
      identityOf(
        rawDocument([
          ["a", raw.text("x")],
          ["_id", raw.int32(3)],
        ]),
      ),
    ).toBe("[3]");
    expect(() => identityOf(rawDocument([["a", raw.text("x")]]))).toThrow(/without an _id/);
  });
});

function patched(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}

function decimalBits(hex: string): RawValue {
  return raw.decimal128(hex);
}

function decimal(significand: string, exponent = 0): RawValue {
  const digits = BigInt(significand);
  const magnitude = digits < 0n ? -digits : digits;
  const sign = digits < 0n ? 1n << 127n : 0n;
  const bits = sign | (BigInt(exponent + 6176) << 113n) | magnitude;
  return decimalBits(bits.toString(16).padStart(32, "0"));
}
