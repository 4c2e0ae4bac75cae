/** What a schema refuses, in plain sentences with a suggestion: of the configuration, and of a connector's options. */
import type { z } from "zod";
import type { Problem } from "../model/problem.js";
import { didYouMean } from "../base/suggestion.js";

type Path = readonly (string | number)[];

/** `base`: where the checked value stands in the file, as far as the caller knows. */
export function schemaProblems(
  error: z.ZodError,
  schema: z.ZodType,
  value: unknown,
  base: Path,
): readonly Problem[] {
  return error.issues.flatMap((issue) => {
    const inside = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
    return issueProblems(issue, schema, value, { base, inside });
  });
}

/**
 * The value without the keys that the schema does not know, where nothing else is wrong with it: so that
 * they hide no other mistake. Undefined otherwise.
 */
export function withoutUnknownKeys(error: z.ZodError, value: unknown): unknown {
  if (error.issues.some(({ code }) => code !== "unrecognized_keys")) return undefined;
  const cleaned = structuredClone(value);
  for (const issue of error.issues) {
    if (issue.code !== "unrecognized_keys") continue;
    const part = valueAt(cleaned, issue.path.map(String)) as Record<string, unknown>;
    for (const key of issue.keys) delete part[key];
  }
  return cleaned;
}

interface Place {
  readonly base: Path;
  readonly inside: Path;
}

function issueProblems(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  value: unknown,
  { base, inside }: Place,
): readonly Problem[] {
  const path = [...base, ...inside];
  const name = nameOf(path);
  const problem = (message: string, cure: string, at: Path = path): Problem => ({
    code: "CONFIG_INVALID",
    level: "error",
    message,
    cure,
    path: at,
  });
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = keysAt(schema, inside);
      return issue.keys.map((key) =>
        problem(
          path.length === 0 ? `there is no key "${key}"` : `${name} has no key "${key}"`,
          `Known keys are ${known.join(", ")}.${didYouMean(key, known)}`,
          [...path, key],
        ),
      );
    }
    case "invalid_type": {
      const found = valueAt(value, inside);
      if (found === undefined) return [problem(`${name} is missing`, `Add it: ${issue.expected}.`)];
      return [problem(`${name} is ${kindOf(found)}`, `It must be of type ${issue.expected}.`)];
    }
    case "invalid_value": {
      const known = issue.values.map(String);
      const found = String(valueAt(value, inside));
      const cure = `It must be one of ${known.join(", ")}.${didYouMean(found, known)}`;
      return [problem(`${name} is "${shortened(found)}"`, cure)];
    }
    case "too_small":
    case "too_big": {
      const [word, bound] =
        issue.code === "too_small" ? ["least", issue.minimum] : ["most", issue.maximum];
      return [
        problem(
          `${name} is too ${word === "least" ? "small" : "large"}`,
          bounds(issue.origin, word, bound),
        ),
      ];
    }
    case "invalid_union":
      return unionProblems(issue, schema, value, { base, inside });
    case "invalid_key":
      return [problem(`${name}: the name is not allowed`, keyCure(issue))];
    default:
      return [problem(`${name} ${sentence(issue.message)}`, "Correct the value.")];
  }
}

/** Of a union's branches the one that went furthest is the one that was meant. */
function unionProblems(
  issue: z.core.$ZodIssueInvalidUnion,
  schema: z.ZodType,
  value: unknown,
  { base, inside }: Place,
): readonly Problem[] {
  const meant = issue.errors.find((branch) =>
    branch.every((each) => each.code !== "invalid_type" || each.path.length > 0),
  );
  const found = valueAt(value, inside);
  if (meant !== undefined && found !== undefined) {
    return meant.flatMap((each) => {
      const deeper = each.path.map((step) => (typeof step === "symbol" ? String(step) : step));
      return issueProblems(each, schema, value, { base, inside: [...inside, ...deeper] });
    });
  }
  const name = nameOf([...base, ...inside]);
  const expected = issue.errors
    .flatMap((branch) => branch.map((each) => (each.code === "invalid_type" ? each.expected : "")))
    .filter((each) => each !== "");
  const message = found === undefined ? `${name} is missing` : `${name} is ${kindOf(found)}`;
  const cure = `It must be of type ${[...new Set(expected)].join(" or ")}.`;
  return [{ code: "CONFIG_INVALID", level: "error", message, cure, path: [...base, ...inside] }];
}

function keyCure(issue: z.core.$ZodIssueInvalidKey): string {
  return `Use ${issue.issues.map((each) => each.message).join("; ") || "another name"}.`;
}

function bounds(origin: string, word: string, bound: number | bigint): string {
  const unit = origin === "string" ? " characters" : origin === "array" ? " items" : "";
  return `It must be at ${word} ${String(bound)}${unit}.`;
}

function sentence(message: string): string {
  return message.startsWith("Invalid") ? "is not valid: " + message.toLowerCase() : message;
}

/** `rules[0].channel`, as it is read aloud. */
function nameOf(path: Path): string {
  if (path.length === 0) return "the value";
  return path
    .map((step, at) => (typeof step === "number" ? `[${step}]` : at === 0 ? step : `.${step}`))
    .join("");
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const step of path) found = (found as Record<string | number, unknown> | undefined)?.[step];
  return found;
}

function kindOf(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The keys of the object that the schema has at `path`. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema;
  for (const step of path) at = childSchema(inner(at), step);
  const { shape } = inner(at);
  return Object.keys(shape ?? {});
}

interface SchemaDefinition {
  readonly innerType?: unknown;
  readonly options?: readonly unknown[];
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly element?: unknown;
  readonly valueType?: unknown;
}

function childSchema(definition: SchemaDefinition, step: string | number): unknown {
  return definition.shape?.[step] ?? definition.element ?? definition.valueType;
}

/** Through optional, default and the first object of a union. */
function inner(schema: unknown): SchemaDefinition {
  const definition = (schema as { def?: SchemaDefinition } | undefined)?.def ?? {};
  if (definition.innerType !== undefined) return inner(definition.innerType);
  const options = definition.options?.map(inner);
  return options?.find((each) => each.shape !== undefined) ?? definition;
}
