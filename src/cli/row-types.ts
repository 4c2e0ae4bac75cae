/**
 * `changecast types > shop.d.ts`: the tables that clients get, as TypeScript: of every rule of the
 * configuration, held against the tables that its source shows now. Changes nothing anywhere.
 */
import { bindSources } from "../compose/ask-sources.js";
import { loadConfig } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import {
  type Command,
  exitCodes,
  parseCommandArgs,
  refusePositionals,
  usageError,
} from "./command.js";
import { type DeclaredTable, rowDeclarations } from "./row-declarations.js";

export const typesCommand: Command = {
  name: "types",
  help: `Prints the client's tables as TypeScript, from the rules and the databases.

Usage: changecast types [-c FILE] [--for natural|sqlite] > shop.d.ts

  -c, --config FILE   the configuration; default changecast.yaml
  --for natural       rows as the stores of IndexedDB and in memory hold them (default)
  --for sqlite        rows as SQLite hands them out

In the app: import type { Tables } from "./shop.js"; table<Tables["products"]>(store, "products").
Exit code 2: something in the configuration must be mended; \`changecast check\` says the same.
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("types", args, {
      config: { type: "string", short: "c", default: "changecast.yaml" },
      for: { type: "string", default: "natural" },
    });
    refusePositionals("types", positionals);
    const form = values.for;
    if (form !== "natural" && form !== "sqlite") {
      throw usageError("types", `--for ${form} is neither natural nor sqlite`);
    }
    const loaded = await loadConfig(values.config, io.env);
    const { config } = loaded;
    const asked =
      config === undefined
        ? { problems: [], bound: [] }
        : await bindSources({ config, signal: io.stop, isForTables: true });
    const problems = [...loaded.problems, ...asked.problems.map((one) => loaded.locate(one))];
    // Beside the declarations, which go to a file.
    const colour = io.colour && io.errIsTerminal;
    if (problems.length > 0) {
      for (const line of reportProblems(problems, { colour })) io.err(line);
    }
    const isRefused = problems.some(({ level }) => level === "error");
    if (config === undefined || isRefused) return exitCodes.refused;
    const tables = new Map<string, DeclaredTable>();
    for (const { table, rule, columns, key } of asked.bound) {
      tables.set(table, { name: table, kind: rule.kind, columns, key });
    }
    io.out(rowDeclarations([...tables.values()], form).trimEnd());
    return exitCodes.ok;
  },
};
