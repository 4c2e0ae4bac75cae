/**
 * `changecast check`: the file, then each source, then every rule against the tables that the source
 * shows; all problems at once, each with its cure. Changes nothing anywhere.
 */
import { systemClock, systemRandom } from "../base/clock.js";
import { isAbort } from "../base/abort.js";
import { errorCatalogue } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";
import { silentLog } from "../base/log.js";
import type { Config, SourceConfig } from "../config/config.js";
import { configJsonSchema } from "../config/json-schema.js";
import { loadConfig, type LoadedConfig } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import type { CheckReport } from "../connector/connector.js";
import type { Relation } from "../model/change.js";
import type { Problem } from "../model/problem.js";
import type { BoundRule, Rule } from "../rules/rule.js";
import { findTableConflicts } from "../rules/shared-tables.js";
import { exitCodes, parseCommandArgs, refusePositionals, type Command } from "./command.js";
import type { Io } from "./io.js";

export const checkCommand: Command = {
  name: "check",
  help: `Checks a configuration, and asks its databases whether it can work. Changes nothing.

Usage: changecast check [-c FILE] [--offline]

  -c, --config FILE   the configuration; default changecast.yaml
  --offline           checks the file only, asks no database
  --schema            prints the JSON schema of the configuration, for editors

Exit code 0: all well (warnings are shown); 2: something must be mended.
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("check", args, {
      config: { type: "string", short: "c", default: "changecast.yaml" },
      offline: { type: "boolean", default: false },
      schema: { type: "boolean", default: false },
    });
    refusePositionals("check", positionals);
    if (values.schema) {
      io.out((await configJsonSchema()).trimEnd());
      return exitCodes.ok;
    }
    const loaded = await loadConfig(values.config, io.env);
    const { config } = loaded;
    const asked = config === undefined || values.offline ? [] : await askSources(config, io.stop);
    const problems = [...loaded.problems, ...asked.map((problem) => loaded.locate(problem))];
    for (const line of reportProblems(problems, { colour: io.colour })) io.out(line);
    if (config === undefined || problems.some(({ level }) => level === "error")) {
      return exitCodes.refused;
    }
    tellAllWell(values.config, loaded, io);
    return exitCodes.ok;
  },
};

function tellAllWell(file: string, { rules, config }: LoadedConfig, io: Io): void {
  const sources = [...(config?.sources.keys() ?? [])].join(", ");
  io.out(`${file}: ${rules.length} rule${rules.length === 1 ? "" : "s"} over ${sources}: all well`);
}

/** Sources one after the other: their problems read best in the order of the file. */
async function askSources(config: Config, stop: AbortSignal): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const bound: BoundRule[] = [];
  for (const source of config.sources.values()) {
    const rules = config.rules.filter((rule) => rule.source === source.name);
    const report = await askSource(source, rules, stop);
    const path = ["sources", source.name];
    problems.push(
      ...report.problems.map((problem) => ({ ...problem, path: problem.path ?? path })),
    );
    const wasAsked = !report.problems.some(({ level }) => level === "error");
    if (!wasAsked && report.relations.length === 0) continue;
    for (const rule of rules) {
      const index = config.rules.indexOf(rule);
      problems.push(...bindRule(rule, index, report.relations, bound));
    }
  }
  return [...problems, ...findTableConflicts(bound)];
}

async function askSource(
  source: SourceConfig,
  rules: readonly Rule[],
  stop: AbortSignal,
): Promise<CheckReport> {
  const relations = [...new Set(rules.flatMap((rule) => rule.from))];
  try {
    return await source.connector.check({
      source: source.name,
      options: source.options.reveal(),
      relations,
      resume: undefined,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      signal: stop,
    });
  } catch (error) {
    if (isAbort(error, stop) || !(error instanceof AppError)) throw error;
    const { code, message } = error;
    const cure = error.cure ?? errorCatalogue[code].cure;
    return { problems: [{ code, level: "error", message, cure }], relations: [] };
  }
}

/** Adds what binds to `bound`; tells what does not. */
function bindRule(
  rule: Rule,
  index: number,
  relations: readonly Relation[],
  bound: BoundRule[],
): readonly Problem[] {
  const matching = relations.filter((relation) => rule.reads(relation.name));
  if (matching.length === 0) return [unmatched(rule, index, relations)];
  const problems: Problem[] = [];
  for (const relation of matching) {
    const made = rule.bind(relation);
    if ("problems" in made) problems.push(...made.problems);
    else bound.push(made);
  }
  return problems;
}

/** A pattern may wait for tables to come; a plain name that is missing is a mistake. */
function unmatched(rule: Rule, index: number, relations: readonly Relation[]): Problem {
  const isPattern = rule.from.some((name) => name.includes("*"));
  const known = relations.map((relation) => relation.name).join(", ");
  const cure = errorCatalogue.RULE_RELATION_UNMATCHED.cure;
  return {
    code: "RULE_RELATION_UNMATCHED",
    level: isPattern ? "warning" : "error",
    message: `rule ${rule.name}: source ${rule.source} has nothing that matches ${rule.from.join(", ")}`,
    cure: known === "" ? cure : `${cure} Other rules read ${known}.`,
    path: ["rules", index, "from"],
  };
}
