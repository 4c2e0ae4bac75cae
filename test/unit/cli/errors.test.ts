/** The error codes as users see them: the command and the page say what the catalogue says. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorsPage } from "../../../src/cli/errors.js";
import { runProgram } from "../../../src/cli/program.js";
import { testIo } from "../../support/test-io.js";

describe("the error codes", () => {
  it("stand in src/ERRORS.md just as in the catalogue", () => {
    const page = readFileSync(new URL("../../../src/ERRORS.md", import.meta.url), "utf8");
    expect(
      page,
      "write the page again: npm run build && node dist/src/main.js errors --markdown > src/ERRORS.md",
    ).toBe(errorsPage());
  });

  it("are explained one by one", async () => {
    const io = testIo();
    expect(await runProgram(["errors", "config_invalid"], io)).toBe(0);
    expect(io.outLines).toEqual([
      "CONFIG_INVALID (fatal)",
      "  The configuration file holds something that is not allowed.",
      "  Mend each listed line; `changecast check` shows them again.",
    ]);
  });

  it("are refused when they do not exist", async () => {
    const io = testIo();
    expect(await runProgram(["errors", "NO_SUCH"], io)).toBe(2);
    expect(io.errLines[0]).toContain('there is no code "NO_SUCH"');
  });
});
