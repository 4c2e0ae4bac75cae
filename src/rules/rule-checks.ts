/** What is wrong with rules on paper: parts that exclude each other, names that are taken. */
import type { Problem } from "../model/problem.js";
import type { PlacedFault } from "./column-plan.js";
import type { RuleDefinition } from "./definition.js";
import { problemOf } from "./fault.js";
import { didYouMean } from "../base/suggestion.js";

/** Parts of one rule. */
export function checkDefinition(definition: RuleDefinition): readonly PlacedFault[] {
  return [
    ...channelFaults(definition),
    ...columnFaults(definition),
    ...keyFaults(definition),
    ...fromFaults(definition),
  ];
}

/** Rules beside each other. */
export function checkTogether(
  definitions: readonly (RuleDefinition | undefined)[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const names = new Map<string, number>();
  const tables = new Map<string, RuleDefinition>();
  for (const [index, definition] of definitions.entries()) {
    if (definition === undefined) continue;
    const { name, as, kind } = definition;
    const first = names.get(name);
    if (first !== undefined) {
      const message = `the name is taken by rules[${first}]`;
      problems.push(
        problemOf({ code: "RULE_NAME_TAKEN", message }, name, ["rules", index, "name"]),
      );
    } else names.set(name, index);
    if (as === undefined) continue;
    const other = tables.get(as);
    if (other === undefined) tables.set(as, definition);
    else if (other.kind !== kind) {
      const message = `the table ${as} is of kind ${kind} here and ${other.kind} in rule ${other.name}`;
      problems.push(
        problemOf({ code: "RULE_TABLE_CONFLICT", message }, name, ["rules", index, "as"]),
      );
    }
  }
  return problems;
}

function channelFaults({ channel, channels }: RuleDefinition): PlacedFault[] {
  if ((channel === undefined) !== (channels === undefined)) return [];
  const both = channel !== undefined;
  const message = both ? "it has both channel and channels" : "it has neither channel nor channels";
  const cure = both
    ? "Keep `channel` (one name by a template) or `channels` (a CEL list), not both."
    : 'Add `channel: "name:{doc.column}"`, or `channels:` with a CEL list of names.';
  return [{ path: both ? ["channels"] : [], fault: { code: "RULE_INVALID", message, cure } }];
}

function columnFaults(definition: RuleDefinition): PlacedFault[] {
  const { fields, exclude, rename = {}, compute = {} } = definition;
  const faults: PlacedFault[] = [];
  const add = (path: readonly (string | number)[], message: string, cure: string): void => {
    faults.push({ path, fault: { code: "RULE_INVALID", message, cure } });
  };
  if (fields !== undefined && exclude !== undefined) {
    add(["exclude"], "it has both fields and exclude", "Keep the one that is shorter.");
  }
  for (const [part, list] of Object.entries({ fields, exclude })) {
    for (const [index, name] of (list ?? []).entries()) {
      if (list?.indexOf(name) === index) continue;
      add([part, index], `"${name}" stands in ${part} twice`, "Remove one of them.");
    }
  }
  for (const name of Object.keys(rename)) {
    if (fields !== undefined && !fields.includes(name)) {
      const hint = didYouMean(name, fields);
      add(
        ["rename", name],
        `"${name}" is renamed but not in fields`,
        `Add it to \`fields\`.${hint}`,
      );
    }
    if (exclude?.includes(name) === true) {
      add(["rename", name], `"${name}" is renamed and excluded`, "Keep one of both.");
    }
  }
  const outputs = [...Object.values(rename), ...(fields ?? []).filter((name) => !(name in rename))];
  for (const name of Object.keys(compute)) {
    if (!outputs.includes(name)) continue;
    const cure = "Give the computed column another name, or leave the column out of `fields`.";
    add(["compute", name], `"${name}" is computed and also put out from the source`, cure);
  }
  return faults;
}

function keyFaults(definition: RuleDefinition): PlacedFault[] {
  const { key, fields, rename = {}, compute = {} } = definition;
  if (key === undefined) return [];
  const faults: PlacedFault[] = [];
  const list = typeof key === "string" ? [key] : key;
  const outputs =
    fields === undefined
      ? undefined
      : [...fields.map((name) => rename[name] ?? name), ...Object.keys(compute)];
  for (const [index, name] of list.entries()) {
    const path = typeof key === "string" ? ["key"] : ["key", index];
    if (list.indexOf(name) !== index) {
      const message = `"${name}" stands in key twice`;
      faults.push({ path, fault: { code: "RULE_INVALID", message, cure: "Remove one of them." } });
    }
    if (outputs === undefined || outputs.includes(name)) continue;
    const renamed = rename[name];
    const cure =
      renamed === undefined
        ? `Add it to \`fields\`.${didYouMean(name, outputs)}`
        : `It is put out as "${renamed}": write that name.`;
    const message = `the key column "${name}" is not put out`;
    faults.push({ path, fault: { code: "RULE_KEY_UNUSABLE", message, cure } });
  }
  return faults;
}

function fromFaults({ from }: RuleDefinition): PlacedFault[] {
  const list = typeof from === "string" ? [from] : from;
  const faults: PlacedFault[] = [];
  for (const [index, pattern] of list.entries()) {
    const path = typeof from === "string" ? ["from"] : ["from", index];
    const add = (message: string, cure: string): void => {
      faults.push({ path, fault: { code: "RULE_INVALID", message, cure } });
    };
    if (pattern.trim() !== pattern) {
      add(`"${pattern}" starts or ends with white space, as no table does`, "Remove it.");
    } else if (/(^\.)|(\.$)|\.\./.test(pattern)) {
      add(
        `"${pattern}" has an empty name beside a dot, so no table matches`,
        "Write schema.table.",
      );
    } else if (list.indexOf(pattern) !== index) {
      add(`"${pattern}" stands in from twice`, "Remove one of them.");
    }
  }
  return faults;
}
