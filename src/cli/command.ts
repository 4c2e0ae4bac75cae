/**
 * What a command of the program is, and how its arguments are read. Commands say how they ended; only
 * main.ts sets the exit code from that.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { AppError } from "../base/errors.js";
import type { Io } from "./io.js";

export const exitCodes = {
  ok: 0,
  /** Something failed while it ran. */
  failed: 1,
  /** Nothing was started: the configuration, the arguments or a database forbid it. */
  refused: 2,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface Command {
  readonly name: string;
  /** Shown by `changecast <name> --help`. */
  readonly help: string;
  run(args: readonly string[], io: Io): Promise<ExitCode>;
}

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What node:util makes of arguments; named, since its own parts cannot be. */
export type CommandArgs<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; strict: true; allowPositionals: true; args: string[] }>
>;

/** Options and positionals as node:util reads them. Errors: CLI_USAGE. */
export function parseCommandArgs<T extends Options>(
  command: string,
  args: readonly string[],
  options: T,
): CommandArgs<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code !== "string" || !code.startsWith("ERR_PARSE_ARGS")) throw cause;
    throw usageError(command, (cause as Error).message);
  }
}

export function usageError(command: string, found: string): AppError {
  return new AppError("CLI_USAGE", `reading the arguments of ${command}: ${found}`, {
    cure: `See: changecast ${command} --help`,
  });
}

/** Refuses positionals where a command takes none. */
export function refusePositionals(command: string, positionals: readonly string[]): void {
  const [first] = positionals;
  if (first !== undefined) throw usageError(command, `"${first}" is not expected`);
}
