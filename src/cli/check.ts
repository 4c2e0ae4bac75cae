/**
 * `changecast check`: the file, then journal and ports, then each source, then every rule against the tables
 * that the source shows; all problems at once, each with its cure. Changes nothing anywhere.
 */
import { askSources } from "../compose/ask-sources.js";
import { lookAround, unknownSurroundings } from "../compose/look-around.js";
import { configJsonSchema } from "../config/json-schema.js";
import { loadConfig, type LoadedConfig } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import type { Problem } from "../model/problem.js";
import { exitCodes, parseCommandArgs, refusePositionals, type Command } from "./command.js";
import type { Io } from "./io.js";

export const checkCommand: Command = {
  name: "check",
  help: `Checks a configuration, and asks its databases whether it can work. Changes nothing.

Usage: changecast check [-c FILE] [--offline]

  -c, --config FILE   the configuration; default changecast.yaml
  --offline           checks the file only: no database, no journal, no port
  --schema            prints the JSON schema of the configuration, for editors

Beside the running service it warns of what that service holds itself: ports, journal, slot.
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
    const found = values.offline ? [] : await ask(loaded, io);
    const problems = [...loaded.problems, ...found.map((problem) => loaded.locate(problem))];
    for (const line of reportProblems(problems, { colour: io.colour })) io.out(line);
    if (config === undefined || problems.some(({ level }) => level === "error")) {
      return exitCodes.refused;
    }
    tellAllWell(values.config, loaded, io);
    return exitCodes.ok;
  },
};

/** Also where a part of the file is malformed: the others may hold mistakes too. */
async function ask(loaded: LoadedConfig, io: Io): Promise<readonly Problem[]> {
  const { config } = loaded;
  const around = config === undefined ? unknownSurroundings : await lookAround(config);
  const { problems, resume } = around;
  const onNote = (source: string, note: string): void => {
    io.out(`${source}: ${note}`);
  };
  const options = { config: loaded, signal: io.stop, resume, onNote };
  return [...problems, ...(await askSources(options))];
}

function tellAllWell(file: string, { rules, config }: LoadedConfig, io: Io): void {
  const sources = [...(config?.sources.keys() ?? [])].join(", ");
  io.out(`${file}: ${rules.length} rule${rules.length === 1 ? "" : "s"} over ${sources}: all well`);
}
