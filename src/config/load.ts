/**
 * From a file to a `Config`, or to everything that is wrong with it, each with file, line and column. Each
 * part is checked on its own, so that one mistake does not hide the others.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { AppError, errorText } from "../base/errors.js";
import { Secret } from "../base/secret.js";
import type { Connector } from "../connector/connector.js";
import { loadConnector } from "../connector/registry.js";
import type { Problem } from "../model/problem.js";
import { compileRules } from "../rules/compile.js";
import { ruleDefinition, RULES_MAX, type RuleDefinition } from "../rules/definition.js";
import type { Rule } from "../rules/rule.js";
import { didYouMean } from "../base/suggestion.js";
import type { Config, SourceConfig } from "./config.js";
import { fillPlaceholders, type Environment } from "./placeholders.js";
import { schemaProblems, withoutUnknownKeys } from "../connector/schema-problems.js";
import * as schema from "./schema.js";
import { authConfig, journalConfig, limitsConfig, listenConfig } from "./settings.js";
import { FILE_BYTES_MAX, parseYaml, type TextPlace } from "./yaml-text.js";

export interface LocatedProblem extends Problem, TextPlace {
  readonly file: string;
}

export interface LoadedConfig {
  /** Undefined when any problem is an error. */
  readonly config: Config | undefined;
  /** What is well formed, also where other parts of the file are not. */
  readonly rules: readonly Rule[];
  /** By source, also where its options are wrong. */
  readonly connectors: ReadonlyMap<string, Connector>;
  readonly sources: ReadonlyMap<string, SourceConfig>;
  /** In the order of the file. */
  readonly problems: readonly LocatedProblem[];
  /** Gives file, line and column to a problem that was found later, e.g. by a database. */
  locate(problem: Problem): LocatedProblem;
}

export interface LoadRequest {
  /** The file's name in problems. */
  readonly file: string;
  readonly text: string;
  readonly baseDir: string;
  readonly environment: Environment;
  /** The registry's, unless a test brings its own. */
  readonly connectors?: (name: string, baseDir: string) => Promise<Connector>;
}

/** Throws CONFIG_UNREADABLE. */
export async function loadConfig(file: string, environment: Environment): Promise<LoadedConfig> {
  const path = resolve(file);
  return loadConfigText({ file, text: readText(path), baseDir: dirname(path), environment });
}

export async function loadConfigText(request: LoadRequest): Promise<LoadedConfig> {
  const yaml = parseYaml(request.text);
  const locate = (problem: Problem): LocatedProblem => ({
    ...problem,
    file: request.file,
    ...yaml.place(problem.path ?? [], problem.at),
  });
  if (yaml.problems.length > 0) {
    const problems = yaml.problems.map((problem) => ({ ...problem, file: request.file }));
    return { ...nothingRead, problems, locate };
  }
  const { config, problems, ...parts } = await readTree(yaml.tree, request);
  const located = problems.map(locate);
  located.sort((left, right) => left.line - right.line || left.column - right.column);
  const isBad = problems.some((problem) => problem.level === "error");
  return { ...parts, config: isBad ? undefined : config, problems: located, locate };
}

function readText(path: string): string {
  try {
    if (statSync(path).size <= FILE_BYTES_MAX) return readFileSync(path, "utf8");
  } catch (cause) {
    const what =
      (cause as { code?: unknown }).code === "ENOENT" ? "there is none" : errorText(cause);
    throw new AppError("CONFIG_UNREADABLE", `reading the configuration ${path}: ${what}`, {
      cause,
    });
  }
  throw new AppError("CONFIG_UNREADABLE", `reading the configuration ${path}: it is too large`);
}

type Part = Readonly<Record<string, unknown>>;

interface ReadTree {
  readonly config: Config | undefined;
  readonly rules: readonly Rule[];
  readonly connectors: ReadonlyMap<string, Connector>;
  readonly sources: ReadonlyMap<string, SourceConfig>;
  readonly problems: readonly Problem[];
}

const nothingRead = {
  ...{ config: undefined, rules: [] },
  ...{ sources: new Map<string, SourceConfig>(), connectors: new Map<string, Connector>() },
};

async function readTree(written: unknown, request: LoadRequest): Promise<ReadTree> {
  if (typeof written !== "object" || written === null || Array.isArray(written)) {
    const message = "the configuration is empty, or no map of keys";
    const cure = "Start from config/example.yaml.";
    const problem: Problem = { code: "CONFIG_INVALID", level: "error", message, cure, path: [] };
    return { ...nothingRead, problems: [problem] };
  }
  const { tree, problems: unset } = fillPlaceholders(written, request.environment);
  const root = tree as Part;
  const problems: Problem[] = [...unset, ...rootProblems(root)];
  const settings = readSettings(root, request, problems);
  const definitions = readRules(root["rules"], problems);
  const { sources, connectors } = await readSources(root["sources"], request, problems);
  const compiled = compileRules(definitions);
  problems.push(...compiled.problems, ...sourceUse(definitions, root["sources"]));
  // What a missing variable leaves empty is told once, as the variable.
  const told = problems.filter((problem) => unset.includes(problem) || !isCausedBy(problem, unset));
  const { rules } = compiled;
  const parts = { rules, sources, connectors, problems: told };
  if (settings === undefined) return { ...parts, config: undefined };
  return { ...parts, config: { ...settings, baseDir: request.baseDir, sources, rules } };
}

function isCausedBy(problem: Problem, unset: readonly Problem[]): boolean {
  const path = JSON.stringify(problem.path ?? []);
  return unset.some((each) => JSON.stringify(each.path) === path);
}

/** Unknown and missing keys at the top; the parts are read one by one. */
function rootProblems(root: Part): readonly Problem[] {
  const shape = schema.configSchema.shape;
  const anything = z.strictObject(
    Object.fromEntries(
      Object.keys(shape).map((key) => {
        const isNeeded = key === "sources" || key === "rules";
        return [key, isNeeded ? z.unknown().refine((value) => value !== undefined) : z.unknown()];
      }),
    ),
  );
  const checked = anything.safeParse({ ...root });
  const problems = checked.success ? [] : [...schemaProblems(checked.error, anything, root, [])];
  return problems.filter((problem) => problem.path?.length !== 1 || !isPart(problem.path[0]));
}

function isPart(key: unknown): boolean {
  return typeof key === "string" && key in schema.configSchema.shape;
}

type Settings = Omit<Config, "baseDir" | "sources" | "rules">;

function readSettings(root: Part, request: LoadRequest, problems: Problem[]): Settings | undefined {
  const read = <T extends z.ZodType>(key: string, part: T): z.output<T> | undefined => {
    // `listen:` with nothing behind it means the defaults.
    const value = root[key] ?? undefined;
    return readPart(value, part, [key], problems);
  };
  const journal = read("journal", schema.journalSchema);
  const listen = read("listen", schema.listenSchema);
  const ops = read("ops", schema.opsSchema);
  const log = read("log", schema.logSchema);
  const limits = read("limits", schema.limitsSchema);
  const hasAuth = root["auth"] !== undefined;
  const written = hasAuth ? read("auth", schema.authSchema) : undefined;
  const around = {
    baseDir: request.baseDir,
    readFile: (path: string) => readFileSync(path, "utf8"),
  };
  const auth = written === undefined ? undefined : authConfig(written, around);
  problems.push(...(auth?.problems ?? []));
  if (listen !== undefined && !hasAuth && !isLoopback(listen.host))
    problems.push(openDoor(listen.host));
  if (!journal || !listen || !ops || !log || !limits) return undefined;
  return {
    journal: journalConfig(journal, request.baseDir),
    listen: listenConfig(listen, request.baseDir),
    ops: { host: ops.host, port: Number(ops.port) },
    auth: auth?.auth,
    log,
    limits: limitsConfig(limits),
  };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function openDoor(host: string): Problem {
  return {
    code: "CONFIG_AUTH_REQUIRED",
    level: "error",
    message: `listen.host is ${host}, which other machines reach, and there is no auth: secure by default`,
    cure: "Add `auth` with keys or jwt, or listen on 127.0.0.1.",
    path: ["listen", "host"],
  };
}

function readRules(value: unknown, problems: Problem[]): readonly (RuleDefinition | undefined)[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [];
  if (list.length === 0 || list.length > RULES_MAX) {
    const message =
      list.length === 0
        ? "rules is missing, empty or no list"
        : `there are over ${RULES_MAX} rules`;
    const cure = "Write a list of rules, each with `- name: …`.";
    problems.push({ code: "CONFIG_INVALID", level: "error", message, cure, path: ["rules"] });
    return [];
  }
  return list.map((each, index) => {
    return readPart(each, ruleDefinition, ["rules", index], problems);
  });
}

/** What the schema makes of the value; unknown keys are told and passed over. */
function readPart<T extends z.ZodType>(
  value: unknown,
  part: T,
  path: readonly (string | number)[],
  problems: Problem[],
): z.output<T> | undefined {
  const checked = part.safeParse(value);
  if (checked.success) return checked.data;
  problems.push(...schemaProblems(checked.error, part, value, path));
  const cleaned = part.safeParse(withoutUnknownKeys(checked.error, value));
  return cleaned.success ? cleaned.data : undefined;
}

interface ReadSources {
  readonly sources: ReadonlyMap<string, SourceConfig>;
  readonly connectors: ReadonlyMap<string, Connector>;
}

interface UnfitSource {
  readonly connector: Connector | undefined;
  readonly problems: readonly Problem[];
}

async function readSources(
  value: unknown,
  request: LoadRequest,
  problems: Problem[],
): Promise<ReadSources> {
  const sources = new Map<string, SourceConfig>();
  const connectors = new Map<string, Connector>();
  const read = { sources, connectors };
  const part = schema.configSchema.shape.sources;
  const checked = part.safeParse(value);
  if (!checked.success) problems.push(...schemaProblems(checked.error, part, value, ["sources"]));
  if (typeof value !== "object" || value === null) return read;
  for (const [name, written] of Object.entries(value)) {
    const source = schema.sourceSchema.safeParse(written);
    if (!source.success || !schema.sourceName.safeParse(name).success) continue;
    const { connector, ...options } = source.data;
    const found = await readSource(name, connector, options, request);
    if (found.connector !== undefined) connectors.set(name, found.connector);
    if ("problems" in found) problems.push(...found.problems);
    else sources.set(name, found);
  }
  return read;
}

async function readSource(
  name: string,
  connectorName: string,
  raw: unknown,
  request: LoadRequest,
): Promise<SourceConfig | UnfitSource> {
  const path = ["sources", name];
  try {
    const load = request.connectors ?? loadConnector;
    const connector = await load(connectorName, request.baseDir);
    const parsed = connector.parseOptions(raw);
    if ("options" in parsed) return { name, connector, options: new Secret(parsed.options) };
    const problems = parsed.problems.map((each) => ({
      ...each,
      path: [...path, ...(each.path ?? [])],
    }));
    return { connector, problems };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const cure = error.cure ?? "Correct the name of the connector.";
    const { code, message } = error;
    const at = [...path, "connector"];
    return { connector: undefined, problems: [{ code, level: "error", message, cure, path: at }] };
  }
}

/** Rules and sources must name each other. */
function sourceUse(
  definitions: readonly (RuleDefinition | undefined)[],
  sources: unknown,
): readonly Problem[] {
  const known = Object.keys(typeof sources === "object" && sources !== null ? sources : {});
  const problems: Problem[] = [];
  const used = new Set<string>();
  for (const [index, definition] of definitions.entries()) {
    if (definition === undefined) continue;
    const { source, name } = definition;
    used.add(source);
    if (known.includes(source)) continue;
    const message = `rule ${name}: there is no source "${source}"`;
    const cure = `Sources are ${known.join(", ") || "missing"}.${didYouMean(source, known)}`;
    const path = ["rules", index, "source"];
    problems.push({ code: "CONFIG_SOURCE_UNKNOWN", level: "error", message, cure, path });
  }
  // While a rule is malformed nobody can say that it does not read the source.
  if (definitions.includes(undefined) || definitions.length === 0) return problems;
  for (const name of known.filter((each) => !used.has(each))) {
    const message = `no rule reads from the source ${name}`;
    const cure = `Write a rule with \`source: ${name}\`, or remove it.`;
    const path = ["sources", name];
    problems.push({ code: "CONFIG_SOURCE_UNUSED", level: "error", message, cure, path });
  }
  return problems;
}
