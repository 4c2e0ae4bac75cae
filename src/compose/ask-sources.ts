/**
 * Asks every source whether it can be read, and holds every rule against the tables that it shows: all
 * problems at once, each with its cure and the place in the file it belongs to. Changes nothing anywhere.
 */
import { isAbort } from "../base/abort.js";
import { systemClock, systemRandom } from "../base/clock.js";
import { dispositionOf, errorCatalogue } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { silentLog } from "../base/log.js";
import type { Config, SourceConfig } from "../config/config.js";
import type { CheckReport } from "../connector/connector.js";
import type { Relation } from "../model/change.js";
import type { SourcePosition } from "../model/position.js";
import type { Problem } from "../model/problem.js";
import type { BoundRule, Rule } from "../rules/rule.js";
import { wantedFields } from "../rules/wanted-fields.js";
import { findTableConflicts } from "../rules/shared-tables.js";

export interface AskOptions {
  readonly config: Pick<Config, "sources" | "rules">;
  readonly signal: AbortSignal;
  readonly log?: Log;
  /** Told what rules can expect of a source. */
  readonly onNote?: (source: string, note: string) => void;
  /** What the journal holds of a source. One that was read before may be away for a while: then it warns. */
  readonly resume?: (source: string) => SourcePosition | undefined;
  /** Only the tables are wanted: where they are seen, what passes by itself (the service reads the slot) warns. */
  readonly isForTables?: boolean;
}

export interface SourceAnswers {
  readonly problems: readonly Problem[];
  /** Rules held against the tables that they read; not those that do not fit. */
  readonly bound: readonly BoundRule[];
}

export async function askSources(options: AskOptions): Promise<readonly Problem[]> {
  return (await bindSources(options)).problems;
}

/** One after the other, so that problems stand in the order of the file. Throws the signal's reason. */
export async function bindSources(options: AskOptions): Promise<SourceAnswers> {
  const { config } = options;
  const problems: Problem[] = [];
  const bound: BoundRule[] = [];
  for (const source of config.sources.values()) {
    const rules = config.rules.filter((rule) => rule.source === source.name);
    const report = await askSource(source, rules, options);
    for (const note of report.notes ?? []) options.onNote?.(source.name, note);
    const path = ["sources", source.name];
    problems.push(...report.problems.map((each) => ({ ...each, path: each.path ?? path })));
    // A source that could not be asked says nothing about its tables.
    if (report.relations.length === 0 && report.problems.length > 0) continue;
    for (const rule of rules) {
      problems.push(...bindRule(rule, report.relations, bound));
    }
  }
  return { problems: [...problems, ...findTableConflicts(bound)], bound };
}

async function askSource(
  source: SourceConfig,
  rules: readonly Rule[],
  options: AskOptions,
): Promise<CheckReport> {
  const { signal, log = silentLog } = options;
  const resume = options.resume?.(source.name);
  const relations = [...new Set(rules.flatMap((rule) => rule.from))];
  try {
    const report = await source.connector.check({
      source: source.name,
      options: source.options.reveal(),
      relations,
      fields: (relation) => wantedFields(rules, relation),
      resume,
      clock: systemClock,
      random: systemRandom,
      log: log.child({ source: source.name }),
      signal,
    });
    signal.throwIfAborted();
    const isSeen = options.isForTables === true && report.relations.length > 0;
    if (resume === undefined && !isSeen) return report;
    return { ...report, problems: report.problems.map(tolerated) };
  } catch (error) {
    if (isAbort(error, signal)) throw error;
    signal.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    const { code, message } = error;
    const cure = error.cure ?? errorCatalogue[code].cure;
    const problem: Problem = { code, level: "error", message, cure };
    return { problems: [resume === undefined ? problem : tolerated(problem)], relations: [] };
  }
}

/** Clients read on while a source is away; the pipeline tries it again. */
function tolerated(problem: Problem): Problem {
  return dispositionOf(problem.code) === "retry" ? { ...problem, level: "warning" } : problem;
}

/** Adds what binds to `bound`; tells what does not. */
function bindRule(
  rule: Rule,
  relations: readonly Relation[],
  bound: BoundRule[],
): readonly Problem[] {
  const matching = relations.filter((relation) => rule.reads(relation.name));
  if (matching.length === 0) return [unmatched(rule, relations)];
  const problems: Problem[] = [];
  for (const relation of matching) {
    const made = rule.bind(relation);
    if ("problems" in made) problems.push(...made.problems);
    else bound.push(made);
  }
  return problems;
}

/** A pattern may wait for tables to come; a plain name that is missing is a mistake. */
function unmatched(rule: Rule, relations: readonly Relation[]): Problem {
  const from = rule.from.join(", ");
  const isPattern = from.includes("*");
  const known = relations.map((relation) => relation.name).join(", ");
  const cure = errorCatalogue.RULE_RELATION_UNMATCHED.cure;
  return {
    code: "RULE_RELATION_UNMATCHED",
    level: isPattern ? "warning" : "error",
    message: `rule ${rule.name}: source ${rule.source} has nothing that matches ${from}`,
    cure: known === "" ? cure : `${cure} Other rules read ${known}.`,
    path: [...rule.path, "from"],
  };
}
