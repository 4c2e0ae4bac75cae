/** `changecast errors [CODE]`: what a code means and what cures it. With --markdown: the page src/ERRORS.md. */
import { errorCatalogue, type ErrorCode, type ErrorEntry } from "../base/error-catalogue.js";
import { exitCodes, parseCommandArgs, usageError, type Command } from "./command.js";
import type { Io } from "./io.js";

export const errorsCommand: Command = {
  name: "errors",
  help: `Explains the error codes of Changecast.

Usage: changecast errors [CODE …]

  CODE         one or more codes, e.g. CONFIG_INVALID; all of them when none is given
  --markdown   prints the page src/ERRORS.md
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("errors", args, {
      markdown: { type: "boolean" },
    });
    if (values.markdown === true) {
      io.out(errorsPage().trimEnd());
      return exitCodes.ok;
    }
    const codes = positionals.length === 0 ? Object.keys(errorCatalogue) : positionals;
    for (const code of codes) explain(code, io);
    return exitCodes.ok;
  },
};

/** What src/ERRORS.md holds. */
export function errorsPage(): string {
  const lines = [
    "# Errors",
    "",
    "Every error of Changecast has a code. It stands in logs, in what a command prints and,",
    "where a client sees it, in `error` frames and close reasons. `changecast errors CODE`",
    "prints a line of this page.",
    "",
    "| disposition | meaning |",
    "| --- | --- |",
    "| retry | a passing fault: whoever met it tries again by itself, with a growing delay |",
    "| resync | history was lost: what it covered is copied or attached again |",
    "| reject | the caller asked for something wrong; others go on |",
    "| fatal | the process stops, or does not start |",
    "",
    "| code | disposition | cause | cure | close code |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const [code, { disposition, cause, cure, close }] of catalogueEntries()) {
    lines.push(`| \`${code}\` | ${disposition} | ${cause} | ${cure} | ${close ?? ""} |`);
  }
  return `${lines.join("\n")}\n`;
}

function explain(code: string, io: Io): void {
  const found = catalogueEntries().find(([each]) => each === code.toUpperCase());
  if (found === undefined) throw usageError("errors", `there is no code "${code}"`);
  const [name, { disposition, cause, cure, close }] = found;
  io.out(`${name} (${disposition}${close === undefined ? "" : `, close code ${String(close)}`})`);
  io.out(`  ${cause}`);
  io.out(`  ${cure}`);
}

function catalogueEntries(): readonly (readonly [ErrorCode, ErrorEntry])[] {
  return Object.entries(errorCatalogue) as [ErrorCode, ErrorEntry][];
}
