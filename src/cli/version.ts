/** `changecast version`, and the version for health answers: what package.json beside the program says. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvariantError } from "../base/errors.js";
import { exitCodes, parseCommandArgs, refusePositionals, type Command } from "./command.js";

export const versionCommand: Command = {
  name: "version",
  help: `Prints the version of Changecast.

Usage: changecast version
`,
  run: async (args, io) => {
    refusePositionals("version", parseCommandArgs("version", args, {}).positionals);
    io.out(programVersion());
    return exitCodes.ok;
  },
};

/** The nearest package.json above this file, as source or as built. */
export function programVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = readVersion(join(folder, "package.json"));
    if (found !== undefined) return found;
    const above = dirname(folder);
    if (above === folder) throw new InvariantError("no package.json above the program");
    folder = above;
  }
}

function readVersion(path: string): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    return name === "changecast" && typeof version === "string" ? version : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
