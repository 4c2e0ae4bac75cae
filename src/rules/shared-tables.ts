/**
 * Rules that feed one client table must make the same kind of rows, and never the same key from different
 * rows. Whether keys of two relations can collide cannot be seen from their columns, so the rule is strict:
 * they may only share a table if a key column at the same place is computed from two different literal
 * strings (`compute: {region: "'eu'"}`, `key: [region, id]`). Rules over one relation share keys by nature;
 * there every column must be made in the same way.
 */
import type { Problem } from "../model/problem.js";
import type { Column } from "../model/table.js";
import { TableRule } from "./bound-rule.js";
import type { OutputColumn } from "./column-plan.js";
import type { BoundRule } from "./rule.js";

/** Every conflict among the bound rules of all sources, each told once. */
export function findTableConflicts(bound: readonly BoundRule[]): readonly Problem[] {
  const problems: Problem[] = [];
  const tables = new Map<string, BoundRule[]>();
  for (const rule of bound) {
    // Case aside, as SQLite names tables.
    const name = rule.table.toLowerCase();
    const others = tables.get(name) ?? [];
    for (const other of others) {
      const found = conflict(other, rule);
      if (found === undefined) continue;
      problems.push(conflictProblem(rule, other, found));
      break;
    }
    tables.set(name, [...others, rule]);
  }
  return problems;
}

function conflict(left: BoundRule, right: BoundRule): string | undefined {
  if (left.table !== right.table) return "their names differ by case only";
  if (left.rule.kind !== right.rule.kind) {
    return `one is of kind ${left.rule.kind}, the other ${right.rule.kind}`;
  }
  const columns = columnDifference(left.columns, right.columns);
  if (columns !== undefined) return columns;
  if (left.key.join("\n") !== right.key.join("\n")) {
    return `the keys differ: ${left.key.join(", ")} and ${right.key.join(", ")}`;
  }
  if (left.rule.kind === "events") return undefined;
  if (isSameRelation(left, right)) return derivationDifference(left, right);
  return keysAreApart(left, right) ? undefined : "their keys can collide";
}

function columnDifference(left: readonly Column[], right: readonly Column[]): string | undefined {
  if (left.length !== right.length) {
    return `one has ${left.length} columns, the other ${right.length}`;
  }
  for (const [index, column] of left.entries()) {
    const other = right[index];
    if (other?.name === column.name && other.type === column.type && other.of === column.of) {
      continue;
    }
    const found = other === undefined ? "nothing" : `${other.name} (${other.type})`;
    return `column ${index + 1} is ${column.name} (${column.type}) in one and ${found} in the other`;
  }
  return undefined;
}

function isSameRelation(left: BoundRule, right: BoundRule): boolean {
  return left.rule.source === right.rule.source && left.relation.name === right.relation.name;
}

function derivationDifference(left: BoundRule, right: BoundRule): string | undefined {
  const others = outputsOf(right);
  for (const [index, output] of outputsOf(left).entries()) {
    const other = others[index];
    if (other === undefined || derivationOf(output, left) !== derivationOf(other, right)) {
      return `column ${output.column.name} is made in two ways from the same row`;
    }
  }
  return undefined;
}

function derivationOf(output: OutputColumn, bound: BoundRule): string {
  if (output.kind === "calculated") return `= ${output.expression.canonical}`;
  const name = bound.relation.columns[output.source]?.name ?? "";
  return JSON.stringify([name, output.path ?? [], output.cast?.declared]);
}

function keysAreApart(left: BoundRule, right: BoundRule): boolean {
  return left.key.some((name) => {
    const ours = literalOf(left, name);
    const theirs = literalOf(right, name);
    return ours !== undefined && theirs !== undefined && ours !== theirs;
  });
}

function literalOf(bound: BoundRule, name: string): string | undefined {
  const output = outputsOf(bound).find(({ column }) => column.name === name);
  return output?.kind === "calculated" ? output.expression.literal : undefined;
}

function outputsOf(bound: BoundRule): readonly OutputColumn[] {
  return bound instanceof TableRule ? bound.outputs : [];
}

function conflictProblem(rule: BoundRule, other: BoundRule, found: string): Problem {
  const here = `rule ${rule.rule.name} from ${rule.relation.name}`;
  const there = `rule ${other.rule.name} from ${other.relation.name}`;
  return {
    code: "RULE_TABLE_CONFLICT",
    level: "error",
    message: `${here} and ${there} feed the table ${rule.table}: ${found}`,
    cure: "Give one of them another `as`, or make columns and key alike and put a literal into the key.",
  };
}
