/**
 * CEL over the rows of one relation: columns have types, so that mistakes are found before a row comes,
 * and a row's values are parsed only when an expression reads them, each at most once.
 */
import type { ASTNode, Environment } from "@marcbachmann/cel-js";
import { ABSENT } from "../model/change.js";
import type { Relation, Values } from "../model/change.js";
import type { Column } from "../model/table.js";
import { castOf, type CastType } from "./any-casts.js";
import { celReader, celTypeOf } from "./cel-values.js";
import {
  celBase,
  childrenOf,
  directField,
  faultOf,
  type Expression,
  type ExpressionFault,
} from "./expression.js";
import { didYouMean } from "../base/suggestion.js";

export interface BoundExpression {
  /** CEL's name of the result's type, e.g. `bool`, `dyn<int>`, `dyn`. */
  readonly type: string;
  /** Throws what CEL throws. */
  run(row: Row): unknown;
}

/** A row as `doc`. One object serves all expressions of the rule. */
export type Row = object;

const VALUES = Symbol("values");
const PARSED = Symbol("parsed");

interface RowFields {
  readonly [VALUES]: Values;
  readonly [PARSED]: unknown[];
}

export class RowEnvironment {
  readonly #relation: Relation;
  readonly #environment: Environment;
  readonly #rowClass: new (values: Values) => Row;

  /** `types`: how the rule declares the fields of an open relation. */
  constructor(relation: Relation, types: ReadonlyMap<string, CastType>) {
    const columns = relation.columns.map((column) => declaredColumn(column, types));
    this.#relation = { ...relation, columns };
    this.#rowClass = rowClass(columns);
    const fields: Record<string, string> = Object.fromEntries(
      columns.map((column) => [column.name, celTypeOf(column)]),
    );
    this.#environment = celBase
      .clone()
      .registerType("Document", { ctor: this.#rowClass, fields })
      .registerVariable("doc", "Document");
  }

  row(values: Values): Row {
    return new this.#rowClass(values);
  }

  /** The expression over this relation's rows, or what is wrong with it here. */
  bind(expression: Expression): BoundExpression | { readonly fault: ExpressionFault } {
    const columns = new Map(this.#relation.columns.map((column) => [column.name, column]));
    const fault =
      fieldFault(expression.ast, this.#relation) ?? comparisonFault(expression.ast, columns);
    if (fault !== undefined) return { fault };
    try {
      const parsed = this.#environment.parse(expression.text);
      const checked = parsed.check();
      if (!checked.valid) return { fault: faultOf(checked.error) };
      const run = parsed as (context: { doc: Row }) => unknown;
      return { type: checked.type ?? "dyn", run: (row) => run({ doc: row }) };
    } catch (error) {
      return { fault: faultOf(error) };
    }
  }
}

/** A column as expressions see it. */
interface SeenColumn extends Column {
  readonly read: (form: string) => unknown;
}

function declaredColumn(column: Column, types: ReadonlyMap<string, CastType>): SeenColumn {
  const declared = column.type === "any" ? types.get(column.name) : undefined;
  if (declared === undefined || declared === "json") return { ...column, read: celReader(column) };
  const cast = castOf(declared);
  const seen: Column = { ...column, ...cast.column };
  const read = celReader(seen);
  return { ...seen, read: (form) => read(cast.write(form)) };
}

function rowClass(columns: readonly SeenColumn[]): new (values: Values) => Row {
  class DocumentRow implements RowFields {
    readonly [VALUES]: Values;
    readonly [PARSED]: unknown[] = [];

    constructor(values: Values) {
      this[VALUES] = values;
    }
  }
  for (const [index, column] of columns.entries()) {
    if (column.name === "constructor" || column.name === "__proto__") continue;
    const { read } = column;
    Object.defineProperty(DocumentRow.prototype, column.name, {
      get(this: RowFields): unknown {
        const known = this[PARSED][index];
        if (known !== undefined) return known;
        const form = this[VALUES][index];
        // Undefined makes `has` false, and every other use an error: the document has no such field.
        if (form === undefined || form === ABSENT) return undefined;
        return (this[PARSED][index] = read(form));
      },
    });
  }
  return DocumentRow;
}

function fieldFault(node: ASTNode, relation: Relation): ExpressionFault | undefined {
  const field = directField(node);
  if (field === undefined) return firstFault(node, (child) => fieldFault(child, relation));
  const names = relation.columns.map(({ name }) => name);
  if (names.includes(field)) return undefined;
  const at = node.range.start;
  const why = relation.untold?.get(field);
  if (why !== undefined) return { reason: `the column "${field}" cannot be read. ${why}`, at };
  return { reason: `there is no column "${field}".${didYouMean(field, names)}`, at };
}

/** CEL says false to `doc.id == "1"` where id is an int: always a slip, and a silent one. */
function comparisonFault(
  node: ASTNode,
  columns: ReadonlyMap<string, Column>,
): ExpressionFault | undefined {
  if (node.op === "==" || node.op === "!=") {
    const [left, right] = node.args;
    const fault = mismatch(left, right, columns) ?? mismatch(right, left, columns);
    if (fault !== undefined) return fault;
  }
  if (node.op === "in" && node.args[1].op === "list") {
    for (const item of node.args[1].args) {
      const fault = mismatch(node.args[0], item, columns);
      if (fault !== undefined) return fault;
    }
  }
  return firstFault(node, (child) => comparisonFault(child, columns));
}

function mismatch(
  field: ASTNode,
  literal: ASTNode,
  columns: ReadonlyMap<string, Column>,
): ExpressionFault | undefined {
  const name = directField(field);
  const column = name === undefined ? undefined : columns.get(name);
  if (name === undefined || column === undefined || literal.op !== "value") return undefined;
  const kind = literalKind(literal.args);
  const own = celTypeOf(column).replace(/^dyn<(.+)>$/, "$1");
  if (kind === undefined || own === "dyn") return undefined;
  if (kind === own || (kind === "number" && (own === "int" || own === "double"))) return undefined;
  const reason = `doc.${name} is of type ${own}, so it never equals this ${kind}`;
  return { reason, at: literal.range.start };
}

function literalKind(value: unknown): string | undefined {
  if (typeof value === "string") return "string";
  if (typeof value === "bigint" || typeof value === "number") return "number";
  return typeof value === "boolean" ? "bool" : undefined;
}

function firstFault(
  node: ASTNode,
  look: (child: ASTNode) => ExpressionFault | undefined,
): ExpressionFault | undefined {
  for (const child of childrenOf(node)) {
    const fault = look(child);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
