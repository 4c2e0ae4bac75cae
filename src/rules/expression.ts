/**
 * CEL expressions as written: parsed once, checked without a table, and asked which fields of `doc` they
 * read. row-environment.ts ties them to the columns of a table.
 */
import { Environment, EvaluationError, ParseError } from "@marcbachmann/cel-js";
import type { ASTNode } from "@marcbachmann/cel-js";

/** Far above what a person writes, far below what would take noticeable time per row. */
const LIMITS = { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200 };

/** Names that JavaScript objects have of themselves: a getter there would break every lookup. */
const UNREADABLE_FIELDS = new Set(["constructor", "__proto__", "prototype"]);

const macroNames = new Set(["all", "exists", "exists_one", "map", "filter", "bind"]);

export interface Expression {
  readonly text: string;
  /** Fields of `doc` that it may read, each once. */
  readonly fields: readonly string[];
  /** The field, when the expression is nothing but `doc.field`. */
  readonly direct: string | undefined;
  /** The value, when the expression is a literal string. */
  readonly literal: string | undefined;
  /** Equal for expressions that differ in white space, brackets and comments only. */
  readonly canonical: string;
  readonly ast: ASTNode;
}

export interface ExpressionFault {
  readonly reason: string;
  /** Characters from the start of the expression. */
  readonly at: number;
}

/**
 * CEL with one extension: int and double mix in + − * /, since a decimal column is a double here and a
 * count an int, and JSON does not tell 2 from 2.0.
 */
export const celBase = mixedArithmetic(
  new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS }),
);

class AnyRow {}

/** Knows functions and operators, but takes any field of `doc`, of any type. */
const untyped = celBase
  .clone()
  .registerType("Document", { ctor: AnyRow })
  .registerVariable("doc", "Document");

export function parseExpression(text: string): Expression | { readonly fault: ExpressionFault } {
  try {
    const parsed = untyped.parse(text);
    const ast = parsed.ast;
    const fields = new Set<string>();
    collectFields(ast, fields);
    const canonical = canonicalForm(ast);
    const direct = directField(ast);
    const literal = ast.op === "value" && typeof ast.args === "string" ? ast.args : undefined;
    const checked = parsed.check();
    if (!checked.valid) throw checked.error ?? new Error("it does not type-check");
    return { text, fields: [...fields], direct, literal, canonical, ast };
  } catch (error) {
    return { fault: faultOf(error) };
  }
}

/** What CEL said, in its words, and where. Only for errors of parsing and checking: no row was seen. */
export function faultOf(error: unknown): ExpressionFault {
  if (error instanceof FieldFault) return { reason: error.message, at: error.at };
  const known = error as { summary?: string; range?: { start: number }; message?: string };
  const reason = plainTypes(known.summary ?? known.message ?? String(error));
  return { reason, at: known.range?.start ?? 0 };
}

/**
 * Why an evaluation failed, without the row's values: CEL's own words only where they hold nothing but
 * types and names from the expression.
 */
export function safeReason(error: unknown): string {
  if (!(error instanceof EvaluationError || error instanceof ParseError)) return "it failed";
  const { code, summary, node } = error;
  const namesOnly =
    typeOnlyCodes.has(code) || (code === "no_such_key" && (node?.op === "." || node?.op === ".?"));
  return namesOnly ? plainTypes(summary) : code.replaceAll("_", " ");
}

const typeOnlyCodes = new Set([
  "no_such_overload",
  "no_matching_overload",
  "invalid_condition_type",
  "invalid_logical_operand",
  "division_by_zero",
  "modulo_by_zero",
  "invalid_comprehension_range",
]);

/** `dyn<int>` is how the library says "int or null". */
export function plainTypes(text: string): string {
  return text
    .replace(/\bdyn<([^<>]+)>/g, "$1")
    .replaceAll("google.protobuf.Timestamp", "timestamp");
}

export function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case "value":
    case "id":
      return [];
    case ".":
    case ".?":
      return [node.args[0]];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    case "list":
      return node.args;
    case "map":
      return node.args.flat();
    case "!_":
    case "-_":
      return [node.args];
    default:
      return node.args;
  }
}

/** The field that a node reads from `doc`, if it is such a read. */
export function directField(node: ASTNode): string | undefined {
  if (node.op === "." && isDoc(node.args[0])) return node.args[1];
  if (node.op !== "[]" || !isDoc(node.args[0])) return undefined;
  const [, index] = node.args;
  return index.op === "value" && typeof index.args === "string" ? index.args : undefined;
}

class FieldFault extends Error {
  readonly at: number;

  constructor(reason: string, node: ASTNode) {
    super(reason);
    this.at = node.range.start;
  }
}

function collectFields(node: ASTNode, fields: Set<string>): void {
  const field = directField(node);
  if (field !== undefined) {
    if (UNREADABLE_FIELDS.has(field)) {
      throw new FieldFault(`a field named "${field}" cannot be read in expressions`, node);
    }
    fields.add(field);
    return;
  }
  if (isDoc(node)) {
    throw new FieldFault('doc is read field by field: doc.name, or doc["a name"]', node);
  }
  refuseHazards(node);
  for (const child of childrenOf(node)) collectFields(child, fields);
}

function refuseHazards(node: ASTNode): void {
  if (node.op !== "rcall") return;
  const [method, , [first]] = node.args;
  if (macroNames.has(method) && first !== undefined && isDoc(first)) {
    throw new FieldFault("doc is the document; give the variable another name", first);
  }
  // A pattern out of a row could be made to run for minutes.
  if (method === "matches" && first !== undefined && first.op !== "value") {
    throw new FieldFault("the pattern of matches() must be a literal string", first);
  }
}

function isDoc(node: ASTNode): boolean {
  return node.op === "id" && node.args === "doc";
}

function canonicalForm(node: ASTNode): string {
  switch (node.op) {
    case "value": {
      const { args } = node;
      return `${args === null ? "null" : typeof args}:${JSON.stringify(String(args))}`;
    }
    case "id":
      return `id:${node.args}`;
    case ".":
    case ".?":
      return `(${node.op} ${canonicalForm(node.args[0])} ${node.args[1]})`;
    case "call":
    case "rcall":
      return `(${node.op} ${node.args[0]} ${childrenOf(node).map(canonicalForm).join(" ")})`;
    default:
      return `(${node.op} ${childrenOf(node).map(canonicalForm).join(" ")})`;
  }
}

function mixedArithmetic(environment: Environment): Environment {
  const operators: Readonly<Record<string, (left: number, right: number) => number>> = {
    "+": (left, right) => left + right,
    "-": (left, right) => left - right,
    "*": (left, right) => left * right,
    "/": (left, right) => left / right,
  };
  for (const [sign, run] of Object.entries(operators)) {
    const handler = (left: unknown, right: unknown): number => run(Number(left), Number(right));
    environment.registerOperator(`int ${sign} double: double`, handler);
    environment.registerOperator(`double ${sign} int: double`, handler);
  }
  return environment;
}
