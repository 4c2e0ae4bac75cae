/**
 * From the YAML's rules to `Rule`s: what can be known without a database is checked here, all of it at
 * once; `bind` checks the rest against a relation. Expressions are parsed once, here.
 */
import { createHash } from "node:crypto";
import type { Relation } from "../model/change.js";
import { channelMatches } from "../model/channel.js";
import type { Problem } from "../model/problem.js";
import { TableRule } from "./bound-rule.js";
import { channelTemplate, patternsOf, type ChannelDefinition } from "./channel-definition.js";
import { bindChannels } from "./channel-router.js";
import { planColumns, type ComputedColumn, type PlacedFault } from "./column-plan.js";
import type { RuleDefinition } from "./definition.js";
import { parseExpression, type Expression } from "./expression.js";
import { problemOf, type Fault } from "./fault.js";
import { didYouMean } from "../base/suggestion.js";
import { planKey } from "./key-plan.js";
import { RowEnvironment } from "./row-environment.js";
import { checkDefinition, checkTogether } from "./rule-checks.js";
import type { BoundRule, Rule } from "./rule.js";

/** Rules in the order of the YAML; those with problems are left out. */
export interface CompiledRules {
  readonly rules: readonly Rule[];
  readonly problems: readonly Problem[];
}

/** `definitions` stand at `["rules", index]` in the YAML; undefined where one is malformed. */
export function compileRules(definitions: readonly (RuleDefinition | undefined)[]): CompiledRules {
  const rules: Rule[] = [];
  const problems: Problem[] = [...checkTogether(definitions)];
  for (const [index, definition] of definitions.entries()) {
    if (definition === undefined) continue;
    const compiled = compileRule(definition, ["rules", index]);
    if ("problems" in compiled) problems.push(...compiled.problems);
    else rules.push(compiled.rule);
  }
  problems.push(...checkKinds(rules, definitions));
  return { rules, problems };
}

export function compileRule(
  definition: RuleDefinition,
  path: readonly (string | number)[],
): { readonly rule: Rule } | { readonly problems: readonly Problem[] } {
  const faults: PlacedFault[] = [...checkDefinition(definition)];
  const parts = parseParts(definition, faults);
  if (faults.length > 0 || parts.channels === undefined) {
    return { problems: placed(faults, definition.name, path) };
  }
  return { rule: new CompiledRule(definition, { ...parts, channels: parts.channels }, path) };
}

interface RuleParts {
  readonly where: Expression | undefined;
  readonly channels: ChannelDefinition;
  readonly compute: readonly ComputedColumn[];
}

function parseParts(
  definition: RuleDefinition,
  faults: PlacedFault[],
): Omit<RuleParts, "channels"> & { readonly channels: ChannelDefinition | undefined } {
  const parse = (text: string, ...path: readonly (string | number)[]): Expression | undefined => {
    const expression = parseExpression(text);
    if (!("fault" in expression)) return expression;
    const { reason, at } = expression.fault;
    const message = `${String(path[path.length - 1])}: ${reason}`;
    faults.push({ path, fault: { code: "RULE_EXPRESSION_INVALID", message, at } });
    return undefined;
  };
  const where = definition.where === undefined ? undefined : parse(definition.where, "where");
  const compute: ComputedColumn[] = [];
  for (const [name, each] of Object.entries(definition.compute ?? {})) {
    const expression = parse(typeof each === "string" ? each : each.value, "compute", name);
    const type = typeof each === "string" ? undefined : each.type;
    if (expression !== undefined) compute.push({ name, expression, type });
  }
  const channels = parseChannels(definition, faults, parse);
  if (channels !== undefined && faults.length === 0) {
    faults.push(...typeFaults(definition, inputsOf({ where, compute, channels })));
  }
  return { where, compute, channels };
}

/** A type for what the rule never reads is a slip of the name. */
function typeFaults(definition: RuleDefinition, inputs: readonly string[]): PlacedFault[] {
  const known = new Set([...(definition.fields ?? []), ...inputs]);
  return Object.keys(definition.types ?? {})
    .filter((name) => definition.fields !== undefined && !known.has(name))
    .map((name) => {
      const message = `"${name}" has a type, but the rule does not read it`;
      const cure = `Add it to \`fields\`.${didYouMean(name, known)}`;
      return { path: ["types", name], fault: { code: "RULE_FIELD_UNKNOWN", message, cure } };
    });
}

function parseChannels(
  definition: RuleDefinition,
  faults: PlacedFault[],
  parse: (text: string, path: string) => Expression | undefined,
): ChannelDefinition | undefined {
  if (definition.channels !== undefined) {
    const expression = parse(definition.channels, "channels");
    return expression === undefined ? undefined : { kind: "list", expression };
  }
  if (definition.channel === undefined) return undefined;
  const template = channelTemplate(definition.channel);
  if ("definition" in template) return template.definition;
  faults.push(...template.faults.map((fault) => ({ path: ["channel"], fault })));
  return undefined;
}

class CompiledRule implements Rule {
  readonly name: string;
  readonly source: string;
  readonly kind: Rule["kind"];
  readonly path: Rule["path"];
  readonly from: readonly string[];
  readonly onError: Rule["onError"];
  readonly fields: readonly string[];
  readonly channelPatterns: readonly string[];
  readonly fingerprint: string;
  readonly #definition: RuleDefinition;
  readonly #parts: RuleParts;

  constructor(definition: RuleDefinition, parts: RuleParts, path: readonly (string | number)[]) {
    this.name = definition.name;
    this.source = definition.source;
    this.kind = definition.kind;
    this.from = asList(definition.from) ?? [];
    this.onError = definition.onError;
    this.fields = fieldsOf(definition, parts);
    this.channelPatterns = patternsOf(parts.channels);
    this.fingerprint = fingerprintOf(definition, parts);
    this.#definition = definition;
    this.#parts = parts;
    this.path = path;
  }

  reads(relation: string): boolean {
    return this.from.some((pattern) => channelMatches(pattern, relation));
  }

  bind(relation: Relation): BoundRule | { readonly problems: readonly Problem[] } {
    const definition = this.#definition;
    const types = new Map(Object.entries(definition.types ?? {}));
    const environment = new RowEnvironment(relation, types);
    const { outputs, faults: columnFaults } = planColumns(
      {
        fields: definition.fields,
        types,
        exclude: definition.exclude,
        rename: new Map(Object.entries(definition.rename ?? {})),
        compute: this.#parts.compute,
      },
      relation,
      environment,
    );
    const faults: PlacedFault[] = [...columnFaults];
    const where = this.#bindWhere(environment, faults);
    const { channels } = this.#parts;
    const route = bindChannels(this.name, channels, relation, environment);
    if (typeof route !== "function") {
      const path = [channels.kind === "list" ? "channels" : "channel"];
      faults.push(...route.faults.map((fault) => ({ path, fault })));
    }
    const wish = { key: asList(definition.key), kind: this.kind };
    const key = columnFaults.length > 0 ? { key: [] } : planKey(wish, relation, outputs);
    if ("fault" in key) {
      faults.push({ path: definition.key === undefined ? [] : ["key"], fault: key.fault });
    }
    if (faults.length > 0 || typeof route !== "function" || "fault" in key) {
      return { problems: placed(faults, this.name, this.path) };
    }
    const table = definition.as ?? tableNameOf(relation.name);
    const inputs = inputsOf(this.#parts);
    const parts = { table, outputs, key: key.key, where, route, environment, inputs };
    return new TableRule(this, relation, parts);
  }

  #bindWhere(environment: RowEnvironment, faults: PlacedFault[]) {
    const { where } = this.#parts;
    if (where === undefined) return undefined;
    const bound = environment.bind(where);
    const fault: Fault | undefined =
      "fault" in bound
        ? {
            code: "RULE_EXPRESSION_INVALID",
            message: `where: ${bound.fault.reason}`,
            at: bound.fault.at,
          }
        : booleanFault(bound.type);
    if (fault !== undefined) faults.push({ path: ["where"], fault });
    return "fault" in bound ? undefined : bound;
  }
}

function booleanFault(type: string): Fault | undefined {
  if (["bool", "dyn<bool>", "dyn"].includes(type)) return undefined;
  const message = `where must be true or false, and gives ${type}`;
  return { code: "RULE_EXPRESSION_INVALID", message, at: 0 };
}

/** Parts of equal meaning give equal text, however they are written. */
function fingerprintOf(definition: RuleDefinition, parts: RuleParts): string {
  const { channels } = parts;
  const text = JSON.stringify([
    [definition.name, definition.source, [...(asList(definition.from) ?? [])].sort()],
    parts.where?.canonical,
    channels.kind === "list"
      ? channels.expression.canonical
      : channels.parts.map((part) =>
          part.kind === "text" ? [part.text] : part.expression.canonical,
        ),
    [definition.fields, [...(definition.exclude ?? [])].sort()],
    [Object.entries(definition.types ?? {}).sort(), Object.entries(definition.rename ?? {}).sort()],
    parts.compute.map(({ name, expression, type }) => [name, expression.canonical, type]),
    [asList(definition.key), definition.as, definition.kind, definition.onError],
  ]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** Of a path the field at its top. */
function fieldsOf(definition: RuleDefinition, parts: RuleParts): readonly string[] {
  const tops = (definition.fields ?? []).map((name) => name.split(".")[0] ?? "");
  return [...new Set([...tops, ...inputsOf(parts)])];
}

function inputsOf(parts: RuleParts): readonly string[] {
  const { channels } = parts;
  const expressions = [
    parts.where,
    ...parts.compute.map((computed) => computed.expression),
    ...(channels.kind === "list"
      ? [channels.expression]
      : channels.parts.map((part) => (part.kind === "text" ? undefined : part.expression))),
  ];
  return [...new Set(expressions.flatMap((expression) => expression?.fields ?? []))];
}

/** A channel has one kind: the same names from a `state` and an `events` rule cannot be served. */
function checkKinds(
  rules: readonly Rule[],
  definitions: readonly (RuleDefinition | undefined)[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, Rule>();
  for (const rule of rules) {
    for (const pattern of rule.channelPatterns) {
      const other = seen.get(pattern);
      if (other === undefined) seen.set(pattern, rule);
      else if (other.kind !== rule.kind && pattern !== "*") {
        const index = definitions.findIndex((each) => each?.name === rule.name);
        const message = `it feeds ${pattern} as ${rule.kind}, and rule ${other.name} as ${other.kind}`;
        const cure = "Give the events a channel name of their own.";
        problems.push(
          problemOf({ code: "RULE_INVALID", message, cure }, rule.name, ["rules", index]),
        );
      }
    }
  }
  return problems;
}

function placed(
  faults: readonly PlacedFault[],
  rule: string,
  path: readonly (string | number)[],
): readonly Problem[] {
  return faults.map(({ path: inside, fault }) => problemOf(fault, rule, [...path, ...inside]));
}

function asList(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === "string" ? [value] : value;
}

/** `public.products` is `products` to clients. */
function tableNameOf(relation: string): string {
  return relation.slice(relation.lastIndexOf(".") + 1);
}
