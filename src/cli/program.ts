/**
 * From the command line to a command: names, help, and how a failure reads. Commands are loaded when they
 * are called for, so that `version` does not open a database library.
 */
import { errorCatalogue } from "../base/error-catalogue.js";
import { AppError, errorText } from "../base/errors.js";
import { exitCodes, type Command, type ExitCode } from "./command.js";
import type { Io } from "./io.js";

interface Entry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

const entries: readonly Entry[] = [
  {
    name: "run",
    summary: "Tails the databases of a configuration and serves clients",
    load: async () => (await import("./run.js")).runCommand,
  },
  {
    name: "check",
    summary: "Checks a configuration, and asks its databases whether it can work",
    load: async () => (await import("./check.js")).checkCommand,
  },
  {
    name: "explain",
    summary: "Shows which rules match a document and which channels it goes to",
    load: async () => (await import("./explain.js")).explainCommand,
  },
  {
    name: "types",
    summary: "Prints the client's tables as TypeScript",
    load: async () => (await import("./row-types.js")).typesCommand,
  },
  {
    name: "tail",
    summary: "Prints what a client of a channel gets",
    load: async () => (await import("./tail.js")).tailCommand,
  },
  {
    name: "parked",
    summary: "Lists the documents that could not be mapped",
    load: async () => (await import("./parked.js")).parkedCommand,
  },
  {
    name: "errors",
    summary: "Explains error codes",
    load: async () => (await import("./errors.js")).errorsCommand,
  },
  {
    name: "version",
    summary: "Prints the version",
    load: async () => (await import("./version.js")).versionCommand,
  },
];

/** Runs one command to its end. Never throws for what a user or the outside did wrong. */
export async function runProgram(args: readonly string[], io: Io): Promise<ExitCode> {
  const [name = "help", ...rest] = args;
  try {
    if (name === "help" || name === "--help" || name === "-h") return await showHelp(rest[0], io);
    const command = await loadCommand(name === "--version" ? "version" : name);
    if (!asksForHelp(rest)) return await command.run(rest, io);
    io.out(command.help.trimEnd());
    return exitCodes.ok;
  } catch (error) {
    return report(error, io);
  }
}

/** `--help` behind `--` is an argument like any other. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

async function showHelp(about: string | undefined, io: Io): Promise<ExitCode> {
  if (about !== undefined) {
    io.out((await loadCommand(about)).help.trimEnd());
    return exitCodes.ok;
  }
  const width = Math.max(...entries.map((entry) => entry.name.length));
  io.out("Changecast tails databases and keeps local stores on devices in step with them.");
  io.out("");
  io.out("Usage: changecast <command> [options]");
  io.out("");
  for (const { name, summary } of entries) io.out(`  ${name.padEnd(width)}  ${summary}`);
  io.out("");
  io.out(
    "See `changecast <command> --help`. Exit codes: 0 done, 1 failed, 2 refused before a start.",
  );
  return exitCodes.ok;
}

async function loadCommand(name: string): Promise<Command> {
  const entry = entries.find((each) => each.name === name);
  if (entry !== undefined) return entry.load();
  throw new AppError("CLI_USAGE", `there is no command "${name}"`, {
    cure: `Commands are: ${entries.map((each) => each.name).join(", ")}.`,
  });
}

/** An AppError reads as: what failed, its code, what to do. Anything else is our mistake: with its stack. */
function report(error: unknown, io: Io): ExitCode {
  if (io.stop.aborted && error === io.stop.reason) return exitCodes.ok;
  if (!(error instanceof AppError)) {
    io.err(error instanceof Error ? (error.stack ?? error.message) : errorText(error));
    return exitCodes.failed;
  }
  const { disposition, cure } = errorCatalogue[error.code];
  io.err(`${error.message} (${error.code})`);
  if (error.cause !== undefined) io.err(`  because: ${errorText(error.cause)}`);
  io.err(`  ${error.cure ?? cure}`);
  return disposition === "retry" ? exitCodes.failed : exitCodes.refused;
}
