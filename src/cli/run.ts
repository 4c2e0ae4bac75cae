/**
 * `changecast run`: reads the configuration, finds out everything that is wrong with it and its
 * surroundings, and only then serves, until it is stopped.
 */
import { errorCatalogue } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { askSources } from "../compose/ask-sources.js";
import { prepareService } from "../compose/prepare-service.js";
import type { LogConfig } from "../config/config.js";
import { loadConfig, type LocatedProblem } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import { createLog } from "../ops/logger.js";
import { exitCodes, parseCommandArgs, refusePositionals, type Command } from "./command.js";
import type { Io } from "./io.js";
import { programVersion } from "./version.js";

export const runCommand: Command = {
  name: "run",
  help: `Tails the databases of a configuration and serves clients, until it is stopped.

Usage: changecast run [-c FILE]

  -c, --config FILE   the configuration; default changecast.yaml

Starts nothing while anything is wrong: every problem is listed with its cure, exit code 2.
SIGINT or SIGTERM stops it in order; a second one ends it at once, which loses nothing.
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("run", args, {
      config: { type: "string", short: "c", default: "changecast.yaml" },
    });
    refusePositionals("run", positionals);
    const loaded = await loadConfig(values.config, io.env);
    const { config } = loaded;
    if (config === undefined) {
      const found = await askSources({ config: loaded, signal: io.stop });
      tellProblems([...loaded.problems, ...found.map((each) => loaded.locate(each))], io);
      return exitCodes.refused;
    }
    const log = createRunLog(config.log, io);
    const version = programVersion();
    const { sources, rules } = config;
    log.info("service.starting", {
      ...{ version, config: values.config },
      ...{ sources: [...sources.keys()].join(", "), rules: rules.length },
    });
    const { service, problems } = await prepareService(
      { config, version, log, pid: process.pid },
      io.stop,
    );
    tellProblems([...loaded.problems, ...problems.map((each) => loaded.locate(each))], io);
    if (service === undefined) return exitCodes.refused;
    try {
      await service.run(io.stop);
      return exitCodes.ok;
    } catch (error) {
      tellFailure(log, error);
      return exitCodes.failed;
    }
  },
};

function createRunLog({ level, format }: LogConfig, io: Io): Log {
  const readable = format === "pretty" || (format === "auto" && io.outIsTerminal);
  const write = (line: string): void => {
    io.out(line.trimEnd());
  };
  return createLog({ level, readable, colour: io.colour, write });
}

function tellProblems(problems: readonly LocatedProblem[], io: Io): void {
  const colour = io.colour && io.errIsTerminal;
  for (const line of reportProblems(problems, { colour })) io.err(line);
}

function tellFailure(log: Log, error: unknown): void {
  if (error instanceof AppError) {
    const { code, message, context } = error;
    const cure = error.cure ?? errorCatalogue[code].cure;
    log.error("service.failed", { code, error: message, cure, ...context, cause: error.cause });
  } else log.error("service.failed", { error });
}
