/** Which fields of a relation the rules name: a source without lists of columns tells these alone. */
import type { Rule } from "./rule.js";

/** In the order of the rules, each once. */
export function wantedFields(rules: readonly Rule[], relation: string): readonly string[] {
  const fields = rules.filter((rule) => rule.reads(relation)).flatMap((rule) => rule.fields);
  return [...new Set(fields)];
}
