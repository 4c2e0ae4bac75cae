/** Which columns a rule puts out over one relation, in which order, and where each comes from. */
import type { Relation } from "../model/change.js";
import type { Column, ValueType } from "../model/table.js";
import { canHold, formWriter, inferredType } from "./computed-forms.js";
import { castOf, type Cast, type CastType } from "./any-casts.js";
import type { Expression } from "./expression.js";
import type { Fault } from "./fault.js";
import type { BoundExpression, RowEnvironment } from "./row-environment.js";
import { didYouMean } from "../base/suggestion.js";

export interface ColumnsDefinition {
  /** Names of columns; of an open relation also paths with dots. */
  readonly fields: readonly string[] | undefined;
  /** By the name in `fields`; only for open relations. */
  readonly types: ReadonlyMap<string, CastType>;
  readonly exclude: readonly string[] | undefined;
  /** Source name → output name. */
  readonly rename: ReadonlyMap<string, string>;
  readonly compute: readonly ComputedColumn[];
}

export interface ComputedColumn {
  readonly name: string;
  readonly expression: Expression;
  readonly type: ValueType | undefined;
}

export type OutputColumn = CopiedColumn | CalculatedColumn;

/** The source's value, verbatim or in another type's form. */
export interface CopiedColumn {
  readonly kind: "copied";
  readonly column: Column;
  /** Index in the relation's columns. */
  readonly source: number;
  /** Of an open relation, whose values have no column type. */
  readonly cast?: Cast;
  /** Names that lead to a part of the value; left out for the whole of it. */
  readonly path?: readonly string[];
}

export interface CalculatedColumn {
  readonly kind: "calculated";
  readonly column: Column;
  readonly bound: BoundExpression;
  readonly write: (value: unknown) => string;
  readonly expression: Expression;
}

/** A fault and the part of the rule that it stands in. */
export interface PlacedFault {
  readonly path: readonly (string | number)[];
  readonly fault: Fault;
}

export function planColumns(
  definition: ColumnsDefinition,
  relation: Relation,
  environment: RowEnvironment,
): { readonly outputs: readonly OutputColumn[]; readonly faults: readonly PlacedFault[] } {
  const faults = nameFaults(definition, relation);
  if (relation.isOpen === true && definition.fields === undefined) {
    const message = `${relation.name} has no list of columns that could be put out`;
    const cure = "Write `fields` with the names of those that clients need.";
    faults.push({ path: [], fault: { code: "RULE_INVALID", message, cure } });
  }
  const outputs: OutputColumn[] = copiedColumns(definition, relation);
  for (const computed of definition.compute) {
    const output = calculatedColumn(computed, environment);
    if ("kind" in output) outputs.push(output);
    else faults.push({ path: ["compute", computed.name], fault: output });
  }
  faults.push(...doubles(outputs));
  if (outputs.length === 0 && faults.length === 0) {
    faults.push({ path: [], fault: { code: "RULE_INVALID", message: "it puts out no column" } });
  }
  return { outputs, faults };
}

function copiedColumns(definition: ColumnsDefinition, relation: Relation): CopiedColumn[] {
  if (relation.isOpen === true) return openColumns(definition, relation);
  const { fields, exclude = [], rename } = definition;
  const names = fields ?? relation.columns.map((column) => column.name);
  const outputs: CopiedColumn[] = [];
  for (const name of names) {
    const source = relation.columns.findIndex((column) => column.name === name);
    const column = relation.columns[source];
    if (column === undefined || exclude.includes(name)) continue;
    const renamed: Column = { ...column, name: rename.get(name) ?? name };
    outputs.push({ kind: "copied", column: renamed, source });
  }
  return outputs;
}

/** Columns out of documents: a dotted name is a path, and what has no declared type goes as JSON. */
function openColumns({ fields = [], types, rename }: ColumnsDefinition, relation: Relation) {
  const outputs: CopiedColumn[] = [];
  for (const name of fields) {
    const [top = "", ...path] = name.split(".");
    const source = relation.columns.findIndex((column) => column.name === top);
    if (source < 0) continue;
    const cast = castOf(types.get(name) ?? "json");
    const column: Column = { name: rename.get(name) ?? name, ...cast.column };
    outputs.push({ kind: "copied", column, source, cast, ...(path.length > 0 && { path }) });
  }
  return outputs;
}

function calculatedColumn(
  computed: ComputedColumn,
  environment: RowEnvironment,
): CalculatedColumn | Fault {
  const { name, expression } = computed;
  const bound = environment.bind(expression);
  if ("fault" in bound) {
    const { reason, at } = bound.fault;
    return { code: "RULE_EXPRESSION_INVALID", message: `the column ${name}: ${reason}`, at };
  }
  const inferred = inferredType(bound.type);
  if (
    inferred === undefined ||
    (computed.type !== undefined && !canHold(computed.type, bound.type))
  ) {
    const wanted = computed.type === undefined ? "no type of a column" : `not ${computed.type}`;
    const message = `the column ${name}: the expression gives ${bound.type}, which is ${wanted}`;
    const cure = "Convert it (string(…), int(…), double(…)), or declare another type.";
    return { code: "RULE_EXPRESSION_INVALID", message, cure, at: 0 };
  }
  const type = computed.type ?? inferred;
  const column: Column = { name, type };
  return { kind: "calculated", column, bound, write: formWriter(type), expression };
}

/** Names in fields, exclude and rename that the relation does not have. */
function nameFaults(definition: ColumnsDefinition, relation: Relation): PlacedFault[] {
  if (relation.isOpen === true) return [];
  const known = new Set(relation.columns.map((column) => column.name));
  const faults: PlacedFault[] = [];
  for (const name of definition.types.keys()) {
    const message = `the columns of ${relation.name} have types of their own`;
    const cure = "Take it out of `types`; `compute` makes columns of other types.";
    faults.push({ path: ["types", name], fault: { code: "RULE_INVALID", message, cure } });
  }
  const look = (name: string, path: readonly (string | number)[]): void => {
    if (known.has(name)) return;
    const why = relation.untold?.get(name);
    if (why !== undefined) {
      const message = `the column "${name}" of ${relation.name} cannot be read`;
      faults.push({ path, fault: { code: "RULE_FIELD_UNKNOWN", message, cure: why } });
      return;
    }
    const message = `${relation.name} has no column "${name}"`;
    const hint = didYouMean(name, known);
    const cure = `Its columns are ${listed(known)}.${hint}`;
    faults.push({ path, fault: { code: "RULE_FIELD_UNKNOWN", message, cure } });
  };
  for (const [index, name] of (definition.fields ?? []).entries()) look(name, ["fields", index]);
  for (const [index, name] of (definition.exclude ?? []).entries()) look(name, ["exclude", index]);
  for (const name of definition.rename.keys()) look(name, ["rename", name]);
  return faults;
}

/** SQLite tells no upper from lower case in column names, so neither may a rule. */
function doubles(outputs: readonly OutputColumn[]): PlacedFault[] {
  const seen = new Set<string>();
  const faults: PlacedFault[] = [];
  for (const { kind, column } of outputs) {
    const name = column.name.toLowerCase();
    if (seen.has(name)) {
      const message = `two output columns are named "${column.name}" (case aside)`;
      const cure = "Rename or leave out one of them.";
      const path = kind === "calculated" ? ["compute", column.name] : [];
      faults.push({ path, fault: { code: "RULE_INVALID", message, cure } });
    }
    seen.add(name);
  }
  return faults;
}

/** At most a dozen names: a cure is read by a person. */
export function listed(names: Iterable<string>): string {
  const all = [...names];
  const rest = all.length - 12;
  return rest > 0 ? `${all.slice(0, 12).join(", ")} and ${rest} more` : all.join(", ");
}
