/**
 * Which output columns are the key of the client's table. For `state` two rows must never have one key:
 * it holds the primary key, or a unique index that the source keeps, column for column.
 */
import type { Relation } from "../model/change.js";
import type { ChannelKind } from "../model/table.js";
import type { OutputColumn } from "./column-plan.js";
import { listed } from "./column-plan.js";
import type { Fault } from "./fault.js";
import { didYouMean } from "../base/suggestion.js";

export type KeyPlan = { readonly key: readonly string[] } | { readonly fault: Fault };

export interface KeyWish {
  readonly key: readonly string[] | undefined;
  readonly kind: ChannelKind;
}

export function planKey(
  wish: KeyWish,
  relation: Relation,
  outputs: readonly OutputColumn[],
): KeyPlan {
  if (wish.key === undefined) return defaultKey(wish.kind, relation, outputs);
  for (const name of wish.key) {
    if (outputs.some(({ column }) => column.name === name)) continue;
    return { fault: missingColumn(name, relation, outputs) };
  }
  if (wish.kind === "events" || holdsUnique(wish.key, relation, outputs)) return { key: wish.key };
  const cure =
    relation.uniqueKeys.length === 0
      ? `Add a primary key to ${relation.name}, or use kind: events.`
      : `It must hold all of: ${relation.uniqueKeys.map((key) => key.join(" + ")).join(", or ")}.`;
  const message = `the key ${wish.key.join(", ")} does not tell rows of ${relation.name} apart`;
  return { fault: { code: "RULE_KEY_UNUSABLE", message, cure } };
}

function defaultKey(
  kind: ChannelKind,
  relation: Relation,
  outputs: readonly OutputColumn[],
): KeyPlan {
  const { primaryKey, name } = relation;
  const key = primaryKey.map((column) => outputNameOf(column, relation, outputs));
  if (kind === "events") return { key: key.filter((column) => column !== undefined) };
  if (primaryKey.length === 0) {
    const unique = relation.uniqueKeys[0];
    const cure =
      unique === undefined
        ? `Add a primary key to ${name}, or use kind: events.`
        : `Write key: [${unique.join(", ")}], which is unique.`;
    return { fault: { code: "RULE_KEY_UNUSABLE", message: `${name} has no primary key`, cure } };
  }
  const lost = primaryKey.filter((_, index) => key[index] === undefined);
  if (lost.length === 0) return { key: key.filter((column) => column !== undefined) };
  const message = `the primary key column ${lost.join(", ")} of ${name} is not put out`;
  const cure = `Add ${lost.join(", ")} to \`fields\` (or take it out of \`exclude\`), or set \`key\`.`;
  return { fault: { code: "RULE_KEY_UNUSABLE", message, cure } };
}

function outputNameOf(
  source: string,
  relation: Relation,
  outputs: readonly OutputColumn[],
): string | undefined {
  return outputs.find((output) => sourceNameOf(output, relation) === source)?.column.name;
}

function sourceNameOf(output: OutputColumn, relation: Relation): string | undefined {
  if (output.kind !== "copied" || output.path !== undefined) return undefined;
  return relation.columns[output.source]?.name;
}

function holdsUnique(
  key: readonly string[],
  relation: Relation,
  outputs: readonly OutputColumn[],
): boolean {
  const sources = new Set(
    outputs
      .filter(({ column }) => key.includes(column.name))
      .map((output) => sourceNameOf(output, relation)),
  );
  const unique = [relation.primaryKey, ...relation.uniqueKeys].filter((each) => each.length > 0);
  return unique.some((columns) => columns.every((column) => sources.has(column)));
}

function missingColumn(name: string, relation: Relation, outputs: readonly OutputColumn[]): Fault {
  const renamed = outputNameOf(name, relation, outputs);
  const names = outputs.map(({ column }) => column.name);
  const message = `the key column "${name}" is not put out`;
  const cure =
    renamed === undefined
      ? `The output columns are ${listed(names)}.${didYouMean(name, names)}`
      : `It is put out as "${renamed}": write that name.`;
  return { code: "RULE_KEY_UNUSABLE", message, cure };
}
