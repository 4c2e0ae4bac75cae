/** Problems for people at a terminal: where, what, and what to do; grouped by file and line, calmly. */
import type { LocatedProblem } from "./load.js";

export interface ReportStyle {
  /** Escape codes for a terminal that shows them. */
  readonly colour: boolean;
}

/** A block per problem and a line that counts them; empty for none. */
export function reportProblems(problems: readonly LocatedProblem[], style: ReportStyle): string[] {
  if (problems.length === 0) return [];
  const lines = problems.flatMap((problem) => [...problemLines(problem, style), ""]);
  return [...lines, summary(problems)];
}

function problemLines(problem: LocatedProblem, { colour }: ReportStyle): string[] {
  const { file, line, column, level, code, message, cure, path } = problem;
  const paint = (escape: string, text: string): string =>
    colour ? `\u001b[${escape}m${text}\u001b[0m` : text;
  const where = path === undefined ? file : `${file}:${line}:${column}`;
  const part = path === undefined || path.length === 0 ? "" : ` at ${pathText(path)}`;
  return [
    `${paint("1", where)} ${paint(level === "error" ? "31" : "33", level)}${part}`,
    `  ${message} ${paint("2", `(${code})`)}`,
    ...cure.split("\n").map((each, index) => (index === 0 ? `  → ${each}` : `    ${each}`)),
  ];
}

/** `rules[0].channel` */
export function pathText(path: readonly (string | number)[]): string {
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      if (!/^[A-Za-z_][\w-]*$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join("");
}

function summary(problems: readonly LocatedProblem[]): string {
  const errors = problems.filter((problem) => problem.level === "error").length;
  const warnings = problems.length - errors;
  const parts = [counted(errors, "error"), counted(warnings, "warning")];
  return parts.filter((part) => part !== "").join(", ");
}

function counted(count: number, word: string): string {
  if (count === 0) return "";
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
