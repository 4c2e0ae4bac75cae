/** The command line around the commands: help, unknown names, wrong options, exit codes. */
import { describe, expect, it } from "vitest";
import { runProgram } from "../../../src/cli/program.js";
import { programVersion } from "../../../src/cli/version.js";
import { testIo } from "../../support/test-io.js";

describe("the program", () => {
  it("lists its commands when it is called without one", async () => {
    const io = testIo();
    expect(await runProgram([], io)).toBe(0);
    const text = io.outLines.join("\n");
    for (const name of [
      "run",
      "check",
      "explain",
      "types",
      "tail",
      "parked",
      "errors",
      "version",
    ]) {
      expect(text).toMatch(new RegExp(`^ {2}${name} `, "m"));
    }
  });

  it("refuses a command that does not exist and names those that do", async () => {
    const io = testIo();
    expect(await runProgram(["tali"], io)).toBe(2);
    expect(io.errLines.join("\n")).toMatch(/there is no command "tali" \(CLI_USAGE\)[^]*tail/);
  });

  it("refuses unknown options with the way to the help", async () => {
    const io = testIo();
    expect(await runProgram(["version", "--verbose"], io)).toBe(2);
    expect(io.errLines.join("\n")).toMatch(/--verbose[^]*changecast version --help/);
  });

  it.each(["run", "check", "explain", "types", "tail", "parked", "errors", "version"])(
    "shows the help of %s in both ways",
    async (name) => {
      const [first, second] = [testIo(), testIo()];
      expect(await runProgram([name, "--help"], first)).toBe(0);
      expect(await runProgram(["help", name], second)).toBe(0);
      expect(first.outLines.join("\n")).toContain(`Usage: changecast ${name}`);
      expect(second.outLines).toEqual(first.outLines);
    },
  );

  it("prints the version of its package", async () => {
    const io = testIo();
    expect(await runProgram(["version"], io)).toBe(0);
    expect(io.outLines).toEqual([programVersion()]);
    expect(programVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
