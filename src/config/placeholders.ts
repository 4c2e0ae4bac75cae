/**
 * `${NAME}` inside strings stands for an environment variable; `$${` for a plain `${`. Keys are never
 * touched, and the file's text neither: a value cannot add lines to the configuration.
 */
import type { Problem } from "../model/problem.js";
import { didYouMean } from "../base/suggestion.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variable names are listed as suggestions only among the ones that look like ours to show: names, never values. */
export function fillPlaceholders(
  tree: unknown,
  environment: Environment,
): { readonly tree: unknown; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): unknown => {
    if (typeof value === "string") return fillText(value, path, environment, problems);
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]),
    );
  };
  return { tree: walk(tree, []), problems };
}

function fillText(
  text: string,
  path: readonly (string | number)[],
  environment: Environment,
  problems: Problem[],
): string {
  return text.replace(/\$?\$\{([^}]*)\}?/g, (found: string, name: string, at: number) => {
    if (found.startsWith("$$")) return found.slice(1);
    const problem = (message: string, cure: string): string => {
      problems.push({ code: "CONFIG_ENV_MISSING", level: "error", message, cure, path, at });
      return "";
    };
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || !found.endsWith("}")) {
      return problem(
        `"\${${name}" is no name of a variable`,
        "Write ${NAME}, or $${ for a plain ${.",
      );
    }
    const value = environment[name];
    if (value !== undefined && value !== "") return value;
    const state = value === undefined ? "not set" : "empty";
    const hint = didYouMean(name, Object.keys(environment));
    return problem(
      `the environment variable ${name} is ${state}`,
      `Set ${name} for this process.${hint}`,
    );
  });
}
