/** Relations and rules for tests: a table of the shop, with columns of many types. */
import type { Relation } from "../../src/model/change.js";
import type { Column } from "../../src/model/table.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";
import type { BoundRule, Rule } from "../../src/rules/rule.js";
import type { Problem } from "../../src/model/problem.js";

export function relation(
  columns: Readonly<Record<string, Column["type"]>>,
  more: Partial<Relation> = {},
): Relation {
  const primaryKey = more.primaryKey ?? (Object.hasOwn(columns, "id") ? ["id"] : []);
  return {
    name: "public.products",
    columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
    identity: primaryKey,
    primaryKey,
    uniqueKeys: primaryKey.length === 0 ? [] : [primaryKey],
    fingerprint: JSON.stringify(columns),
    ...more,
  };
}

/** id, store_id, name, quantity, price, archived, note. */
export const products = relation({
  id: "int64",
  store_id: "int",
  name: "text",
  quantity: "int",
  price: "decimal",
  archived: "bool",
  note: "text",
});

/** A rule as the YAML would give it; `source`, `from` and `channel` have defaults. */
export function written(parts: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const channel = "channels" in parts ? {} : { channel: "store:{doc.store_id}" };
  return { name: "inventory", source: "shop", from: "public.products", ...channel, ...parts };
}

export function compile(parts: Readonly<Record<string, unknown>> = {}): {
  readonly rules: readonly Rule[];
  readonly problems: readonly Problem[];
} {
  return compileRules([ruleDefinition.parse(written(parts))]);
}

/** The rule over the relation; throws the problems there are. */
export function bound(
  parts: Readonly<Record<string, unknown>> = {},
  over: Relation = products,
): BoundRule {
  const { rules, problems } = compile(parts);
  const made = rules[0]?.bind(over);
  if (made === undefined || "problems" in made) {
    throw new Error(JSON.stringify(made?.problems ?? problems));
  }
  return made;
}

/** What is wrong with the rule, on paper or over the relation. */
export function problemsOf(
  parts: Readonly<Record<string, unknown>>,
  over: Relation = products,
): readonly Problem[] {
  const { rules, problems } = compile(parts);
  if (problems.length > 0) return problems;
  const made = rules[0]?.bind(over);
  return made !== undefined && "problems" in made ? made.problems : [];
}

/** JSON forms of a product; see `products` for the order. */
export function product(values: Readonly<Record<string, string>> = {}): string[] {
  const forms: Record<string, string> = {
    id: "1",
    store_id: "7",
    name: '"tea"',
    quantity: "5",
    price: '"12.50"',
    archived: "false",
    note: "null",
    ...values,
  };
  return products.columns.map(({ name }) => forms[name] ?? "null");
}

export function text(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString("utf8");
}
