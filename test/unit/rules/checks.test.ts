/**
 * Goal: a rule that cannot work is refused before it sees a row, with the place and a cure. Method: one
 * wrong rule per case, the nearest right one beside it where it matters.
 */
import { describe, expect, test } from "vitest";
import type { BoundRule } from "../../../src/rules/rule.js";
import { compileRules } from "../../../src/rules/compile.js";
import { ruleDefinition } from "../../../src/rules/definition.js";
import { findTableConflicts } from "../../../src/rules/shared-tables.js";
import { editDistance, nearest } from "../../../src/base/suggestion.js";
import {
  bound,
  compile,
  problemsOf,
  products,
  relation,
  written,
} from "../../support/relations.js";

describe("a rule on paper", () => {
  test.each([
    ["both channel forms", { channel: "a", channels: "['a']" }, "RULE_INVALID", ["channels"]],
    ["fields and exclude", { fields: ["id"], exclude: ["x"] }, "RULE_INVALID", ["exclude"]],
    ["a doubled field", { fields: ["id", "id"] }, "RULE_INVALID", ["fields", 1]],
    ["a key outside fields", { fields: ["name"], key: "id" }, "RULE_KEY_UNUSABLE", ["key"]],
    [
      "a rename outside fields",
      { fields: ["id"], rename: { nam: "x" } },
      "RULE_INVALID",
      ["rename", "nam"],
    ],
    [
      "a computed double",
      { fields: ["id"], compute: { id: "1" } },
      "RULE_INVALID",
      ["compute", "id"],
    ],
    ["an impossible from", { from: "public..products" }, "RULE_INVALID", ["from"]],
    ["an open brace", { channel: "a:{doc.x" }, "RULE_TEMPLATE_INVALID", ["channel"]],
    ["empty braces", { channel: "a:{}" }, "RULE_TEMPLATE_INVALID", ["channel"]],
    ["white space in a channel", { channel: "a b" }, "RULE_TEMPLATE_INVALID", ["channel"]],
    ["CEL that does not parse", { where: "doc.a ==" }, "RULE_EXPRESSION_INVALID", ["where"]],
    ["an unknown function", { where: "foo(doc.a)" }, "RULE_EXPRESSION_INVALID", ["where"]],
    ["an unknown variable", { where: "row.a == 1" }, "RULE_EXPRESSION_INVALID", ["where"]],
    ["the whole document", { where: "doc == 1" }, "RULE_EXPRESSION_INVALID", ["where"]],
    [
      "a shadowed doc",
      { where: "[1].exists(doc, doc == 1)" },
      "RULE_EXPRESSION_INVALID",
      ["where"],
    ],
    [
      "a pattern out of a row",
      { where: "doc.a.matches(doc.b)" },
      "RULE_EXPRESSION_INVALID",
      ["where"],
    ],
  ])("with %s is refused at its place", (_, parts, code, path) => {
    const { problems } = compile(parts);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ code, path: ["rules", 0, ...path] });
    expect(problems[0]?.cure).not.toBe("");
  });

  test("says where inside an expression it went wrong", () => {
    expect(compile({ where: "doc.a == 1 && foo(1)" }).problems[0]?.at).toBe(14);
    expect(compile({ channel: "store:{doc.a +}" }).problems[0]?.at).toBe(14);
  });

  test("tells all that is wrong at once", () => {
    const parts = { fields: ["id"], exclude: ["x"], where: "doc.", channel: "{" };
    expect(compile(parts).problems).toHaveLength(3);
  });

  test("beside others has a name of its own, and one kind per table and channel", () => {
    const two = (parts: object) =>
      compileRules([ruleDefinition.parse(written()), ruleDefinition.parse(written({ ...parts }))]);
    expect(two({}).problems.map(({ code }) => code)).toEqual(["RULE_NAME_TAKEN"]);
    const kinds = two({ name: "other", kind: "events" }).problems;
    expect(kinds.map(({ message }) => message)).toEqual([expect.stringContaining("store:*")]);
  });
});

describe("a rule over a table", () => {
  test.each([
    ["an unknown column", { where: "doc.arhived" }, "RULE_EXPRESSION_INVALID", 'mean "archived"'],
    ["an unknown field", { fields: ["id", "nam"] }, "RULE_FIELD_UNKNOWN", 'mean "name"'],
    [
      "a where that is no bool",
      { where: "doc.quantity" },
      "RULE_EXPRESSION_INVALID",
      "true or false",
    ],
    [
      "a type error",
      { where: "doc.name + doc.quantity == 'x'" },
      "RULE_EXPRESSION_INVALID",
      "string + int",
    ],
    [
      "a comparison that never holds",
      { where: "doc.id == '1'" },
      "RULE_EXPRESSION_INVALID",
      "never equals",
    ],
    [
      "a membership that never holds",
      { where: "doc.id in ['1']" },
      "RULE_EXPRESSION_INVALID",
      "never equals",
    ],
    [
      "channels that are no list",
      { channels: "doc.name" },
      "RULE_EXPRESSION_INVALID",
      "list of names",
    ],
    [
      "a wrong computed type",
      { compute: { x: { value: "doc.name", type: "int" } } },
      "RULE_EXPRESSION_INVALID",
      "not int",
    ],
    ["a case-only double", { compute: { NAME: "1" } }, "RULE_INVALID", "case aside"],
    ["a lost primary key", { fields: ["name"] }, "RULE_KEY_UNUSABLE", "is not put out"],
    ["a key that is not unique", { key: "name" }, "RULE_KEY_UNUSABLE", "tell rows"],
    ["the old name as key", { key: "id", rename: { id: "pid" } }, "RULE_KEY_UNUSABLE", '"pid"'],
  ])("with %s is refused with a cure", (_, parts, code, found) => {
    const problems = problemsOf(parts);
    expect(problems).toHaveLength(1);
    const [problem] = problems;
    expect(problem?.code).toBe(code);
    expect(`${problem?.message} ${problem?.cure}`).toContain(found);
  });

  test("without any key feeds events only", () => {
    const log = relation({ store_id: "int", what: "text" });
    expect(problemsOf({}, log)[0]?.code).toBe("RULE_KEY_UNUSABLE");
    expect(bound({ kind: "events" }, log).key).toEqual([]);
  });

  test("takes a unique index, or more than the primary key, as its key", () => {
    const coded = relation(
      { code: "text", store_id: "int" },
      { uniqueKeys: [["code"]], primaryKey: [] },
    );
    expect(problemsOf({}, coded)[0]?.cure).toContain("key: [code]");
    expect(bound({ key: "code" }, coded).key).toEqual(["code"]);
    expect(bound({ key: ["store_id", "id"] }).key).toEqual(["store_id", "id"]);
    expect(bound({ rename: { id: "pid" } }).key).toEqual(["pid"]);
  });
});

describe("the fingerprint", () => {
  const print = (parts: object): string | undefined => compile({ ...parts }).rules[0]?.fingerprint;

  test("stays when only the writing changes", () => {
    const spaced = {
      where: "( doc.a==1 )  // why\n && doc.b",
      channel: "s:{ doc.x }",
      key: ["id"],
    };
    const plain = { where: "doc.a == 1 && doc.b", channel: "s:{doc.x}", key: "id" };
    expect(print(spaced)).toBe(print(plain));
  });

  test.each([
    [{ where: "doc.a == 1" }, { where: "doc.a == 2" }],
    [{ where: "doc.a == 1" }, { where: "doc.a == '1'" }],
    [{ where: "doc.a - (doc.b - doc.c) > 0" }, { where: "doc.a - doc.b - doc.c > 0" }],
    [{ channel: "a:{doc.x}" }, { channel: "b:{doc.x}" }],
    [{ fields: ["id", "a"] }, { fields: ["a", "id"] }],
    [{ kind: "state" }, { kind: "events" }],
    [{ compute: { x: "doc.a" } }, { compute: { x: "doc.b" } }],
    [{ onError: "keep" }, { onError: "remove" }],
  ])("differs between %j and %j", (one, other) => {
    expect(print(one)).not.toBe(print(other));
  });
});

describe("rules that share a table", () => {
  const conflicts = (...rules: readonly BoundRule[]) =>
    findTableConflicts(rules).map(({ message }) => message);
  const archive = { ...products, name: "archive.products" };

  test("over one relation agree when every column is made alike", () => {
    expect(conflicts(bound(), bound({ name: "b", channel: "all" }))).toEqual([]);
    expect(conflicts(bound(), bound({ name: "b", fields: ["id"] }))[0]).toContain("columns");
    const one = bound({ fields: ["id"], compute: { x: "doc.quantity + 1" } });
    const two = bound({ name: "b", fields: ["id"], compute: { x: "doc.quantity + 2" } });
    expect(conflicts(one, two)[0]).toContain("two ways");
  });

  test("over two relations need a literal in the key that keeps them apart", () => {
    expect(conflicts(bound(), bound({ name: "b" }, archive))[0]).toContain("can collide");
    const apart = { compute: { place: "'live'" }, key: ["place", "id"] };
    const old = { name: "b", compute: { place: "'old'" }, key: ["place", "id"] };
    expect(conflicts(bound(apart), bound(old, archive))).toEqual([]);
    expect(conflicts(bound(apart), bound({ ...apart, name: "b" }, archive))).toHaveLength(1);
  });

  test("agree on the kind, and may share events freely", () => {
    expect(conflicts(bound(), bound({ name: "b", kind: "events" }))[0]).toContain("kind");
    const events = bound({ kind: "events" });
    expect(conflicts(events, bound({ name: "b", kind: "events" }, archive))).toEqual([]);
  });
});

describe("suggestions", () => {
  test("name what is near and nothing that is far", () => {
    expect(editDistance("form", "from")).toBe(1);
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(nearest("chanel", ["channel", "channels", "key"])).toBe("channel");
    expect(nearest("zzz", ["channel", "key"])).toBeUndefined();
  });
});
