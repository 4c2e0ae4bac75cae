/**
 * Goal: documents without types of columns become the columns that a rule declares, exactly or not at all, and
 * every value can be had back from what is kept of the document. Method: real compiled rules over forms as the
 * MongoDB connector makes them.
 */
import { describe, expect, test } from "vitest";
import { AppError } from "../../../src/base/errors.js";
import { ABSENT } from "../../../src/model/change.js";
import type { Relation } from "../../../src/model/change.js";
import type { BoundRule } from "../../../src/rules/rule.js";
import { edgeValues } from "../../support/bson-corpus.js";
import { rawDocument } from "../../support/bson-bytes.js";
import { documentForms } from "../../../connectors/mongodb/values/document-forms.js";
import { bound, problemsOf, text } from "../../support/relations.js";

const OID = '{"$oid":"65a1b2c3d4e5f60718293a4b"}';

function open(fields: readonly string[]): Relation {
  return {
    name: "shop.products",
    columns: fields.map((name) => ({ name, type: "any" })),
    ...{ identity: ["_id"], primaryKey: ["_id"], uniqueKeys: [["_id"]] },
    isOpen: true,
    fingerprint: fields.join(),
  };
}

function ruled(parts: Readonly<Record<string, unknown>>, fields: readonly string[]): BoundRule {
  return bound({ from: "shop.products", channel: "all", ...parts }, open(fields));
}

/** One field declared as `type`: what it becomes, or why it is parked. */
function castOf(type: string, form: string): string {
  const rule = ruled({ fields: ["_id", "v"], types: { v: type } }, ["_id", "v"]);
  try {
    return text(rule.evaluate(["1", form]).body).slice('"1",'.length);
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

describe("a declared type", () => {
  test.each([
    ["text", '"tea"', '"tea"'],
    ["text", "null", "null"],
    ["text", ABSENT, "null"],
    ["objectId", OID, '"65a1b2c3d4e5f60718293a4b"'],
    [
      "uuid",
      '{"$uuid":"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"}',
      '"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"',
    ],
    ["bool", "true", "true"],
    ["int", "5", "5"],
    ["int", "5e0", "5"],
    ["int", "5.0", "5"],
    ["int", "9007199254740991", "9007199254740991"],
    ["int", '{"$numberDecimal":"5.00"}', "5"],
    ["int64", '{"$numberLong":"9223372036854775807"}', '"9223372036854775807"'],
    ["int64", "9007199254740994.0", '"9007199254740994"'],
    ["float", "5", "5"],
    ["float", "5.5", "5.5"],
    ["float", "5.0", "5"],
    ["float", "-0.0", '"-0"'],
    ["float", '{"$numberDouble":"NaN"}', '"NaN"'],
    ["float", '{"$numberLong":"9007199254740994"}', "9007199254740994"],
    ["decimal", '{"$numberDecimal":"1.10"}', '"1.10"'],
    ["decimal", "12.5", '"12.5"'],
    ["decimal", "7e0", '"7"'],
    ["timestamptz", '{"$date":"2024-01-01T00:00:00.000Z"}', '"2024-01-01T00:00:00.000Z"'],
    ["timestamptz", '{"$date":{"$numberLong":"253402300800000"}}', '"+010000-01-01T00:00:00.000Z"'],
    ["bytes", '{"$binary":{"base64":"AAE=","subType":"00"}}', '"AAE="'],
    ["json", '{"a":5.0,"b":5e0}', '"{\\"a\\":5.0,\\"b\\":5e0}"'],
    ["json", '"tea"', String.raw`"\"tea\""`],
    ["json", String.raw`"a\"b\\"`, JSON.stringify(String.raw`"a\"b\\"`)],
    ["json", "-5.0", '"-5.0"'],
    ["json", "null", '"null"'],
    ["json", ABSENT, "null"],
  ])("%s takes %s", (type, form, written) => {
    expect(castOf(type, form)).toBe(written);
  });

  test.each([
    ["text", OID, "holds an ObjectId, and is declared as text"],
    ["objectId", '"65a1b2c3d4e5f60718293a4b"', "holds a text, and is declared as objectId"],
    ["int", "5.5", "not a whole number"],
    ["int", "-0.0", "not a whole number"],
    ["int", '{"$numberLong":"9007199254740993"}', "beyond ±(2^53 − 1)"],
    ["int", '"5"', "holds a text"],
    ["int", '{"$numberDecimal":"1E+3"}', "not a whole number"],
    ["int64", "1e+21", "beyond 64 bits"],
    ["float", '{"$numberLong":"9007199254740993"}', "beyond 53 bits"],
    ["float", '{"$numberDecimal":"1.10"}', "holds a decimal"],
    ["bool", "1", "holds a number"],
    ["bytes", '{"$binary":{"base64":"AAE=","subType":"05"}}', "holds bytes"],
    ["timestamptz", '"2024-01-01"', "holds a text"],
    ["decimal", "true", "holds a bool"],
    ["text", '{"$$oid":"1"}', "holds a document"],
    ["text", "[]", "holds an array"],
  ])("%s does not take %s", (type, form, why) => {
    const message = castOf(type, form);
    expect(message).toContain("the column v holds");
    expect(message).toContain(why);
  });
});

describe("fields of documents", () => {
  test("without a type are JSON, and paths are parts of them", () => {
    const rule = ruled(
      {
        fields: ["_id", "address.city", "address.zip", "tags", "address.geo.lat"],
        types: { _id: "objectId", "address.city": "text", "address.geo.lat": "float" },
        rename: { _id: "id", "address.city": "city" },
      },
      ["_id", "address", "tags"],
    );
    expect(rule.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      ...["id text", "city text", "address.zip json", "tags json", "address.geo.lat float"],
    ]);
    expect(rule.key).toEqual(["id"]);
    const address = '{"city":"Rome","geo":{"lat":41.9},"zip":"00100"}';
    const { body } = rule.evaluate([OID, address, '["a",5.0]']);
    expect(text(body)).toBe('"65a1b2c3d4e5f60718293a4b","Rome","\\"00100\\"","[\\"a\\",5.0]",41.9');
    // Where the path ends early, there is nothing; a tagged value is no document.
    const none = rule.evaluate([OID, '{"city":null,"geo":{"$date":"x"}}', ABSENT]);
    expect(text(none.body)).toBe('"65a1b2c3d4e5f60718293a4b",null,null,null,null');
  });

  test("that the rule never reads, and types of a table that has its own, are mistakes", () => {
    const parts = { from: "shop.products", channel: "all", fields: ["_id", "name"] };
    const slip = problemsOf({ ...parts, types: { nmae: "text" } }, open(["_id", "name"]));
    expect(slip).toMatchObject([
      { code: "RULE_FIELD_UNKNOWN", path: ["rules", 0, "types", "nmae"] },
    ]);
    expect(slip[0]?.cure).toContain('Did you mean "name"?');
    expect(problemsOf({ fields: ["id", "name"], types: { name: "text" } })).toMatchObject([
      { code: "RULE_INVALID", path: ["rules", 0, "types", "name"] },
    ]);
    expect(problemsOf({ from: "shop.products", channel: "all" }, open(["_id"]))).toMatchObject([
      { code: "RULE_INVALID" },
    ]);
  });

  test("that do not fit park the document only where it is put out", () => {
    const rule = ruled({ where: "doc.live", fields: ["_id", "n"], types: { n: "int" } }, [
      "_id",
      "n",
      "live",
    ]);
    expect(() => rule.evaluate(["1", '"x"', "true"])).toThrow(/the column n holds a text/);
    const hidden = rule.evaluate(["1", '"x"', "false"]);
    expect(hidden.passes).toBe(false);
    expect(rule.fill(["1", undefined, "true"], hidden)).toEqual(["1", '"x"', "true"]);
  });
});

describe("what is kept of a document", () => {
  const fields = ["_id", "v", "w"];
  const types = ["json", "text", "int64", "float", "decimal", "timestamptz", "objectId", "bytes"];

  test.each(types)("gives every value back that %s takes", (type) => {
    const rule = ruled({ fields: ["_id", "v"], types: { v: type }, where: "has(doc.w)" }, fields);
    const forms = edgeValues.map(({ value }) => {
      return documentForms(["v"]).document(rawDocument([["v", value]]))[0] ?? "";
    });
    for (const form of [ABSENT, ...forms]) {
      // Not put out, so that what the type does not take is kept too.
      const kept = rule.evaluate(["1", form, ABSENT]);
      expect(rule.fill([undefined, undefined, undefined], kept)).toEqual(["1", form, ABSENT]);
    }
  });

  test("is not twice there where the column tells it", () => {
    const rule = ruled({ fields: ["_id", "v"], types: { _id: "objectId", v: "text" } }, fields);
    const long = JSON.stringify("x".repeat(1000));
    expect(rule.evaluate([OID, long, ABSENT]).hidden.length).toBeLessThan(40);
  });
});

describe("expressions over documents", () => {
  const fields = ["_id", "n", "s", "when", "owner", "list", "price"];
  const values = [
    ...[OID, "5.0", '"tea"', '{"$date":"2024-01-01T00:00:00.000Z"}', '{"id":7,"$x":{"$oid":"ab"}}'],
    ...['[1,2.5,{"$$a":1}]', '{"$numberDecimal":"1.5"}'],
  ];

  test.each([
    ["doc.n == 5 && doc.n == 5.0 && doc.n < 6", true],
    ["doc.s == 'tea'", true],
    ["doc.owner.id == 7 && doc.owner['$x'] == 'ab'", true],
    ["doc.list[0] == 1 && doc.list[1] == 2.5 && doc.list[2]['$a'] == 1", true],
    ["timestamp(doc.when) > timestamp('2023-01-01T00:00:00Z')", true],
    ["doc._id == '65a1b2c3d4e5f60718293a4b'", true],
    ["doc.price * 2.0 == 3.0", true],
    ["has(doc.owner.name)", false],
  ])("%s is %s", (where, passes) => {
    expect(ruled({ where, fields: ["_id"] }, fields).evaluate(values).passes).toBe(passes);
  });

  test("see the declared type, and their mistakes are found without a document", () => {
    const parts = { fields: ["_id"], types: { n: "int" }, where: "doc.n == '5'" };
    const problems = problemsOf({ from: "shop.products", channel: "all", ...parts }, open(fields));
    expect(problems).toMatchObject([{ code: "RULE_EXPRESSION_INVALID" }]);
    const rule = ruled({ ...parts, where: "doc.n == 5" }, fields);
    expect(rule.evaluate(values).passes).toBe(true);
    expect(() => rule.evaluate(values.map((form, at) => (at === 1 ? '"5"' : form)))).toThrow(
      "rule inventory: where: holds a text, and is declared as int",
    );
  });

  test.each([
    ["7", "store:7"],
    ["7e0", "store:7"],
    ["7.0", "store:7"],
    ['{"$numberLong":"9007199254740993"}', "store:9007199254740993"],
    ['"north"', "store:north"],
    ['"n\\u00f6rth"', "store:nörth"],
    [OID, "store:65a1b2c3d4e5f60718293a4b"],
    ["true", "store:true"],
  ])("a channel of %s is %s", (form, channel) => {
    const rule = ruled({ fields: ["_id"], channel: "store:{doc.n}" }, ["_id", "n"]);
    expect(rule.evaluate(["1", form]).channels).toEqual([channel]);
  });

  test.each([ABSENT, "null", '""', "[1]", "{}"])("a channel of %s parks the document", (form) => {
    const rule = ruled({ fields: ["_id"], channel: "store:{doc.n}" }, ["_id", "n"]);
    expect(() => rule.evaluate(["1", form])).toThrow(/rule inventory/);
  });
});
