/**
 * Goal: what a rule makes of a row is what its YAML says, values arrive character for character, and
 * whatever goes wrong names the part but never the row's values. Method: real compiled rules.
 */
import { describe, expect, test } from "vitest";
import { AppError } from "../../../src/base/errors.js";
import { ABSENT } from "../../../src/model/change.js";
import { bound, product, products, relation, text } from "../../support/relations.js";

function failure(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("the output", () => {
  test("joins the values' own characters in the order of `fields`", () => {
    const rule = bound({ fields: ["name", "id", "price"] });
    const output = rule.evaluate(product({ name: '"a\\u0041,\\"b"', price: '"1.50"' }));
    expect(text(output.body)).toBe('"a\\u0041,\\"b",1,"1.50"');
    expect(output.key).toBe("1");
    expect(output.channels).toEqual(["store:7"]);
    expect(rule.table).toBe("products");
  });

  test("leaves excluded columns out and gives others their new names", () => {
    const rule = bound({ exclude: ["note", "archived"], rename: { quantity: "stock" } });
    expect(rule.columns.map(({ name }) => name)).toEqual([
      ...["id", "store_id", "name", "stock", "price"],
    ]);
  });

  test("adds computed columns with inferred and declared types", () => {
    const rule = bound({
      fields: ["id"],
      compute: {
        total: { value: "doc.price * doc.quantity", type: "decimal" },
        twice: "doc.quantity * 2",
        label: "doc.name + '!'",
        big: "doc.price > 10.0",
        list: "[doc.name, 'x']",
        nothing: "doc.note",
      },
    });
    expect(rule.columns.map(({ type }) => type)).toEqual([
      ...["int64", "decimal", "int64", "text", "bool", "json", "text"],
    ]);
    const { body } = rule.evaluate(product());
    expect(text(body)).toBe('1,"62.5",10,"tea!",true,"[\\"tea\\",\\"x\\"]",null');
  });

  test("is kept for a row that fails `where`, without channels and without running computed columns", () => {
    const rule = bound({
      where: "doc.note != null",
      fields: ["id"],
      compute: { length: "size(doc.note)" },
    });
    const output = rule.evaluate(product());
    expect(output).toMatchObject({ passes: false, channels: [] });
    expect(text(output.body)).toBe("1,null");
    expect(rule.evaluate(product({ note: '"abc"' })).passes).toBe(true);
  });

  test("tells whether the key holds the identity, which truncation and key changes rely on", () => {
    expect(bound().keyHoldsIdentity).toBe(true);
    const other = relation(
      { id: "int", code: "text", store_id: "int" },
      { uniqueKeys: [["id"], ["code"]] },
    );
    expect(bound({ key: "code" }, other).keyHoldsIdentity).toBe(false);
  });

  test("larger than 8 MiB is refused", () => {
    const huge = JSON.stringify("x".repeat(8 * 1024 * 1024));
    const error = failure(() => bound().evaluate(product({ name: huge })));
    expect(error.code).toBe("RULE_BODY_TOO_LARGE");
  });
});

describe("channels", () => {
  test.each([
    ["store:{doc.store_id}", {}, "store:7"],
    ["n:{doc.name}", { name: '"caf\\u00e9"' }, "n:café"],
    ["big:{doc.id}", { id: '"9223372036854775807"' }, "big:9223372036854775807"],
    ["price:{doc.price}", {}, "price:12.50"],
    ["half:{doc.quantity / 2}", {}, "half:2"],
    ["sum:{doc.price * 2.0}", {}, "sum:25"],
    ["flag:{doc.archived}", {}, "flag:false"],
    ["a:{doc.archived ? 'x' : 'y{}z'.substring(0, 1)}", {}, "a:y"],
  ])("a template %s names %s", (channel, values, expected) => {
    expect(bound({ channel }).evaluate(product(values)).channels).toEqual([expected]);
  });

  test("a list gives each name once, in its order", () => {
    const rule = bound({ channels: "['b:' + doc.name, 'a', 'b:' + doc.name]" });
    expect(rule.evaluate(product()).channels).toEqual(["b:tea", "a"]);
  });

  test("a list out of a json column feeds many channels", () => {
    const tagged = relation({ id: "int", tags: "json" });
    const rule = bound({ channels: "doc.tags.map(t, 'tag:' + t)" }, tagged);
    expect(rule.evaluate(["1", '"[\\"x\\",\\"y\\"]"']).channels).toEqual(["tag:x", "tag:y"]);
    expect(rule.rule.channelPatterns).toEqual(["tag:*"]);
  });

  test.each([
    ["null", { store_id: "null" }, "store:{doc.store_id}", "{doc.store_id} is null"],
    ["empty", { name: '""' }, "n:{doc.name}", "{doc.name} is empty"],
    ["null by CEL", { note: "null" }, "n:{doc.archived ? 'x' : doc.note}", "is null"],
    ["white space", { name: '"secret tea"' }, "n:{doc.name}", "no channel name"],
    ["too long", { name: `"${"x".repeat(200)}"` }, "n:{doc.name}", "no channel name"],
  ])("a part that is %s is refused by name, without its value", (_, values, channel, found) => {
    const error = failure(() => bound({ channel }).evaluate(product(values)));
    expect(error.code).toBe("RULE_CHANNEL_INVALID");
    expect(error.message).toContain(found);
    expect(error.message).not.toContain("secret");
  });

  test("more than 1,000 are refused", () => {
    const tagged = relation({ id: "int", tags: "json" });
    const rule = bound({ channels: "doc.tags" }, tagged);
    const tags = (count: number): string =>
      JSON.stringify(JSON.stringify(Array.from({ length: count }, (_, index) => `t${index}`)));
    expect(rule.evaluate(["1", tags(1_000)]).channels).toHaveLength(1_000);
    expect(failure(() => rule.evaluate(["1", tags(1_001)])).code).toBe("RULE_TOO_MANY_CHANNELS");
  });
});

describe("a failing expression", () => {
  test.each([
    ["where", { where: "doc.quantity > 3" }, { quantity: "null" }, "where: no such overload"],
    ["compute", { compute: { x: "doc.quantity / 0" } }, {}, "column x: division by zero"],
    ["a value", { compute: { x: "int(doc.name)" } }, { name: '"secret"' }, "int conversion error"],
    ["key", { key: ["id", "note"] }, {}, "key column note is null"],
    [
      "type",
      { compute: { x: { value: "doc.name", type: "uuid" } } },
      { name: '"secret"' },
      "gives a string that is no uuid",
    ],
  ])("in %s says which and why, never the row's values", (_, parts, values, found) => {
    const error = failure(() => bound(parts).evaluate(product(values)));
    expect(error.code).toBe("RULE_EVALUATION_FAILED");
    expect(error.message).toContain("rule inventory");
    expect(error.message).toContain(found);
    expect(error.message).not.toContain("secret");
  });
});

describe("values in CEL", () => {
  const every = relation({
    id: "int",
    big: "int64",
    float: "float",
    bytes: "bytes",
    at: "timestamptz",
    json: "json",
    list: "array",
  });
  const row = [
    ...["1", '"9007199254740993"', '"NaN"', '"AQID"'],
    ...['"2024-05-01T10:00:00.123456Z"', '"{\\"a\\":{\\"b\\":[2]}}"', '["x",null]'],
  ];
  test.each([
    "doc.big == 9007199254740993",
    "doc.big + 1 == 9007199254740994",
    "doc.float != doc.float",
    "doc.bytes == b'\\x01\\x02\\x03'",
    "timestamp(doc.at) > timestamp('2024-01-01T00:00:00Z')",
    "doc.json.a.b[0] == 2",
    "has(doc.json.a) && !has(doc.json.z)",
    "'x' in doc.list && doc.list[1] == null",
    "doc.id * 2.5 == 2.5",
    "doc.json.a.b[0] + 1 == 3",
  ])("%s holds", (where) => {
    const rule = bound({ where, channel: "c" }, every);
    expect(rule.evaluate(row).passes).toBe(true);
  });

  test("an absent field is not null: `has` is false and reading it fails", () => {
    const values = product({ note: ABSENT });
    const where = bound({ where: "has(doc.note)" });
    expect(where.evaluate(values).passes).toBe(false);
    expect(where.evaluate(product()).passes).toBe(true);
    const reading = bound({ where: "doc.note == null" });
    expect(failure(() => reading.evaluate(values)).message).toContain("No such key: note");
  });
});

describe("filling what a change leaves out", () => {
  test("takes unchanged columns from body and hidden, verbatim", () => {
    const rule = bound({ where: "doc.archived == false", fields: ["id", "name"] });
    const kept = rule.evaluate(product({ name: '"\\u0074ea"' }));
    const change = products.columns.map(({ name }) => (name === "id" ? "1" : undefined));
    const filled = rule.fill(change, kept);
    expect(rule.isComplete(change)).toBe(false);
    expect(rule.isComplete(filled)).toBe(true);
    expect(rule.evaluate(filled)).toEqual(kept);
    expect(filled[2]).toBe('"\\u0074ea"');
    // Nobody needs the quantity, so nobody knows it.
    expect(filled[3]).toBeUndefined();
  });

  test("hides only what the output does not hold", () => {
    expect(bound({ fields: ["id", "store_id"] }).evaluate(product()).hidden).toMatch(
      /^\["[^"]*",\[\]\]$/,
    );
    expect(bound({ fields: ["id"] }).evaluate(product()).hidden).toMatch(/,\[\],7\]$/);
  });

  test("brings absent fields back as absent", () => {
    const rule = bound({ where: "has(doc.note)" });
    const kept = rule.evaluate(product({ note: ABSENT }));
    expect(text(kept.body)).toContain(",null");
    expect(rule.fill([...product().slice(0, 6), undefined], kept)[6]).toBe(ABSENT);
  });

  test("takes nothing from a document that another shape of the rule made", () => {
    const kept = bound({ fields: ["id", "name", "store_id"] }).evaluate(product());
    const rule = bound({ fields: ["name", "id", "store_id"] });
    expect(rule.fill(["1", ...new Array<undefined>(6).fill(undefined)], kept)[2]).toBeUndefined();
  });

  test("packs waiting values by name and unpacks them", () => {
    const rule = bound({ fields: ["id", "name"] });
    const values = ["1", undefined, '"a,b"', "5", undefined, undefined, undefined];
    expect(rule.unpackPending(rule.packPending(values))).toEqual([
      ...["1", undefined, '"a,b"', undefined, undefined, undefined, undefined],
    ]);
    expect(rule.unpackPending("").every((each) => each === undefined)).toBe(true);
  });
});
