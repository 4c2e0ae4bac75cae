/**
 * From a row to its channels. A part that is a plain column is rendered from the column's JSON form
 * without CEL: most templates are nothing else. Names are checked here; errors never quote a value.
 */
import { AppError } from "../base/errors.js";
import { ABSENT } from "../model/change.js";
import type { Relation, Values } from "../model/change.js";
import { isChannelNameOfRow } from "../model/channel.js";
import { CHANNELS_PER_DOCUMENT_MAX } from "../model/limits.js";
import type { ValueType } from "../model/table.js";
import type { ChannelDefinition, ChannelPart } from "./channel-definition.js";
import { celNameOf, FormFault, plainNumber } from "./computed-forms.js";
import { safeReason } from "./expression.js";
import type { Fault } from "./fault.js";
import type { BoundExpression, Row, RowEnvironment } from "./row-environment.js";

/** `row` is made only if an expression needs it. */
export type ChannelRouter = (values: Values, row: () => Row) => readonly string[];

/** Types whose text cannot break a name: only digits, letters, `-`; at most 36 characters. */
const plainTypes = new Set<ValueType>(["bool", "int", "int64", "uuid"]);
/** Types that have no text which could be part of a name. */
const unnameableTypes = new Set<ValueType>(["bytes", "array"]);
/** Literal text up to here leaves room for three plain parts. */
const SAFE_TEXT_CHARS = 80;
const SAFE_PARTS = 3;

export function bindChannels(
  rule: string,
  definition: ChannelDefinition,
  relation: Relation,
  environment: RowEnvironment,
): ChannelRouter | { readonly faults: readonly Fault[] } {
  if (definition.kind === "list") return bindList(rule, definition, environment);
  const faults: Fault[] = [];
  const renders: PartRenderer[] = [];
  for (const part of definition.parts) {
    const render = bindPart(rule, part, relation, environment);
    if (typeof render === "function") renders.push(render);
    else faults.push(render);
  }
  if (faults.length > 0) return { faults };
  const safe = isSafeByTypes(definition.parts, relation);
  return (values, row) => {
    let name = "";
    for (const render of renders) name += render(values, row);
    if (!safe && !isChannelNameOfRow(name)) throw badName(rule, "its template");
    return [name];
  };
}

type PartRenderer = (values: Values, row: () => Row) => string;

function bindPart(
  rule: string,
  part: ChannelPart,
  relation: Relation,
  environment: RowEnvironment,
): PartRenderer | Fault {
  if (part.kind === "text") return () => part.text;
  const { expression, at } = part;
  const bound = environment.bind(expression);
  if ("fault" in bound) {
    const message = `the channel's part {${expression.text}}: ${bound.fault.reason}`;
    return { code: "RULE_EXPRESSION_INVALID", message, at: at + bound.fault.at };
  }
  const index = relation.columns.findIndex((column) => column.name === expression.direct);
  const column = relation.columns[index];
  if (column !== undefined && unnameableTypes.has(column.type)) {
    const message = `the channel's part {${expression.text}} is of type ${column.type}`;
    return {
      code: "RULE_TEMPLATE_INVALID",
      message,
      cure: "Name a column with a plain value.",
      at,
    };
  }
  const byExpression = expressionRenderer(rule, expression.text, bound);
  if (column?.type === "any") return anyRenderer(index, byExpression);
  if (column !== undefined && column.type !== "json") {
    return columnRenderer(rule, expression.text, index, column.type);
  }
  return byExpression;
}

/** Plain integers and texts, which most parts are, need no CEL. */
function anyRenderer(index: number, otherwise: PartRenderer): PartRenderer {
  return (values, row) => {
    const form = values[index] ?? "";
    if (/^-?\d+$/.test(form)) return form;
    return /^"[^"\\]+"$/.test(form) ? form.slice(1, -1) : otherwise(values, row);
  };
}

function columnRenderer(rule: string, text: string, index: number, type: ValueType): PartRenderer {
  const isNumber = type === "float";
  return (values) => {
    const form = values[index];
    if (form === undefined || form === ABSENT) throw badPart(rule, text, "absent");
    if (form.charCodeAt(0) !== 0x22) {
      if (form === "null") throw badPart(rule, text, "null");
      return isNumber ? plainNumber(Number(form)) : form;
    }
    if (form.length === 2) throw badPart(rule, text, "empty");
    return form.includes("\\") ? (JSON.parse(form) as string) : form.slice(1, -1);
  };
}

function expressionRenderer(rule: string, text: string, bound: BoundExpression): PartRenderer {
  return (_values, row) => {
    const value = runExpression(rule, `{${text}}`, bound, row());
    switch (typeof value) {
      case "string":
        if (value === "") throw badPart(rule, text, "empty");
        return value;
      case "bigint":
      case "boolean":
        return value.toString();
      case "number":
        return finiteNumber(rule, text, value);
      default:
        throw badPart(rule, text, value === null ? "null" : `a ${celNameOf(value)}`);
    }
  };
}

function finiteNumber(rule: string, text: string, value: number): string {
  if (!Number.isFinite(value)) throw badPart(rule, text, "not a finite number");
  return plainNumber(value);
}

/** Runs an expression; whatever fails becomes RULE_EVALUATION_FAILED without the row's values. */
export function runExpression(
  rule: string,
  what: string,
  bound: BoundExpression,
  row: Row,
): unknown {
  try {
    return bound.run(row);
  } catch (error) {
    const reason = error instanceof FormFault ? error.message : safeReason(error);
    throw new AppError("RULE_EVALUATION_FAILED", `rule ${rule}: ${what}: ${reason}`, {
      context: { rule },
    });
  }
}

function bindList(
  rule: string,
  definition: Extract<ChannelDefinition, { kind: "list" }>,
  environment: RowEnvironment,
): ChannelRouter | { readonly faults: readonly Fault[] } {
  const { expression } = definition;
  const bound = environment.bind(expression);
  if ("fault" in bound) {
    const message = `channels: ${bound.fault.reason}`;
    return { faults: [{ code: "RULE_EXPRESSION_INVALID", message, at: bound.fault.at }] };
  }
  if (!/^(dyn$|list\b)/.test(bound.type)) {
    const message = `channels must give a list of names, and gives ${bound.type}`;
    return { faults: [{ code: "RULE_EXPRESSION_INVALID", message, at: 0 }] };
  }
  return (_values, row) => listedNames(rule, runExpression(rule, "channels", bound, row()));
}

function listedNames(rule: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    const message = `rule ${rule}: channels gave ${celNameOf(value)} instead of a list`;
    throw new AppError("RULE_CHANNEL_INVALID", message, { context: { rule } });
  }
  const names = new Set<string>();
  for (const item of value as unknown[]) {
    if (typeof item !== "string" || !isChannelNameOfRow(item)) {
      throw badName(rule, `an item of channels (${celNameOf(item)})`);
    }
    names.add(item);
    if (names.size > CHANNELS_PER_DOCUMENT_MAX) {
      const message = `rule ${rule}: more than ${CHANNELS_PER_DOCUMENT_MAX} channels for a document`;
      throw new AppError("RULE_TOO_MANY_CHANNELS", message, { context: { rule } });
    }
  }
  return [...names];
}

function isSafeByTypes(parts: readonly ChannelPart[], relation: Relation): boolean {
  let chars = 0;
  let expressions = 0;
  for (const part of parts) {
    if (part.kind === "text") chars += part.text.length;
    else {
      expressions += 1;
      const column = relation.columns.find(({ name }) => name === part.expression.direct);
      if (column === undefined || !plainTypes.has(column.type)) return false;
    }
  }
  // The literal text is ASCII or at most three bytes a character.
  return chars * 3 <= SAFE_TEXT_CHARS && expressions <= SAFE_PARTS;
}

function badPart(rule: string, text: string, found: string): AppError {
  const message = `rule ${rule}: the channel's part {${text}} is ${found}`;
  return new AppError("RULE_CHANNEL_INVALID", message, { context: { rule } });
}

function badName(rule: string, what: string): AppError {
  const message = `rule ${rule}: ${what} gave what is no channel name (1 to 200 bytes, no spaces)`;
  return new AppError("RULE_CHANNEL_INVALID", message, { context: { rule } });
}
