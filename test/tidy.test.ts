/**
 * Goal: the house rules (src/ARCHITECTURE.md) are kept by every file, not by good will. Method:
 * parse the whole project with the TypeScript compiler and let each checker list what breaks its
 * rule. Beside it, each checker gets a small made-up house that breaks the rule: a checker that
 * cannot fail proves nothing.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { errorCatalogue } from "../src/base/error-catalogue.js";
import { checkBannedCalls } from "./tidy/banned-calls.js";
import { checkDeadFiles } from "./tidy/dead-files.js";
import { checkErrorCodes } from "./tidy/error-codes.js";
import { houseOf, readHouse } from "./tidy/house.js";
import type { House } from "./tidy/house.js";
import { checkImports } from "./tidy/import-law.js";
import { checkLinks } from "./tidy/links.js";
import { checkNames } from "./tidy/names.js";
import { checkLongFiles, checkSizes } from "./tidy/sizes.js";

/** Every file is parsed: seconds, and more beside other work. */
const READ_MS_MAX = 120_000;

let house: House;

beforeAll(() => {
  house = readHouse(new URL("..", import.meta.url).pathname);
}, READ_MS_MAX);

describe("the project", () => {
  test("is found at all", () => {
    expect(house.code.size).toBeGreaterThan(10);
    expect(house.code.has("test/tidy.test.ts")).toBe(true);
  });

  test("starts as a program: npm and the container run src/main.ts by its first line", () => {
    expect(house.code.get("src/main.ts")?.text).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  test("imports only what the import law and the fences allow", () => {
    expect(checkImports(house)).toEqual([]);
  });

  test("keeps files, functions, parameter lists and lines short", () => {
    expect(checkSizes(house)).toEqual([]);
    expect(checkLongFiles(house)).toEqual([]);
  });

  test("uses the words of the glossary and no catch-all names", () => {
    expect(checkNames(house)).toEqual([]);
  });

  test("has no file that nothing reaches", () => {
    expect(checkDeadFiles(house)).toEqual([]);
  });

  test("uses and documents every error code", () => {
    expect(checkErrorCodes(house, errorCatalogue)).toEqual([]);
  });

  test("has no page with a link that leads nowhere", () => {
    expect(checkLinks(house)).toEqual([]);
  });

  test("takes time and chance from Clock and Random", () => {
    expect(checkBannedCalls(house)).toEqual([]);
  });
});

describe("the import law's canary", () => {
  const target = { "src/base/x.ts": "", "src/model/x.ts": "", "src/journal/journal.ts": "" };

  test.each([
    ["src/base/a.ts", `import { x } from "../model/x.js";`, "may import only nothing of ours"],
    ["src/model/a.ts", `import type { x } from "../journal/journal.js";`, "may import only base"],
    ["src/model/a.ts", `export { x } from "../journal/journal.js";`, "may import only base"],
    ["src/model/a.ts", `type X = import("../journal/journal.js").X;`, "may import only base"],
    ["src/model/a.ts", `await import("../journal/journal.js");`, "may import only base"],
    ["src/journal/a.ts", `import { x } from "../../test/x.js";`, "does not exist"],
    ["src/novel/a.ts", `import { x } from "../base/x.js";`, "no line in the import law"],
    ["connectors/a/a.ts", `import "../../src/journal/journal.js";`, "base, model, connector"],
    ["demo/a.ts", `import { x } from "../src/base/x.js";`, "demo may import only nothing"],
    ["src/base/a.ts", `import { readFile } from "node:fs";`, "must run in a browser too"],
    ["src/broker/hub.ts", `import pg from "pg";`, "only connectors/postgres may import"],
    ["src/broker/hub.ts", `import { WebSocketServer } from "ws";`, "src/broker/transports/"],
    ["src/journal/a.ts", `import { x } from "left-pad/deep";`, "left-pad, which has no fence"],
    ["src/cli/a.ts", `import { x } from "@changecast/client";`, "use the relative path"],
  ])("finds %s with %s", (path, text, message) => {
    const findings = checkImports(houseOf({ ...target, [path]: `// first line\n${text}` }));
    expect(findings).toEqual([expect.stringContaining(message)]);
    expect(findings[0]).toMatch(new RegExp(`^${path}:2: `));
  });

  test("finds a connector that imports another, and a broker past the journal's contract", () => {
    const findings = checkImports(
      houseOf({
        "connectors/a/a.ts": `import "../b/b.js";`,
        "connectors/b/b.ts": "",
        "src/broker/a.ts": `import "../journal/journal.js"; import "../journal/memory.js";`,
        "src/journal/journal.ts": "",
        "src/journal/memory.ts": "",
      }),
    );
    expect(findings).toHaveLength(2);
    expect(findings[0]).toContain("connectors/a may import only");
    expect(findings[1]).toContain("through src/journal/journal.ts alone");
  });

  test("lets pass what is allowed", () => {
    const allowed = houseOf({
      "src/base/x.ts": "",
      "src/model/a.ts": `import { x } from "../base/x.js";`,
      "src/connector/registry.ts": `await import("../../connectors/postgres/connector.js");`,
      "connectors/postgres/connector.ts": `import pg from "pg"; import "../../src/model/a.js";`,
      "demo/main.ts": `import pg from "pg"; import { subscribe } from "@changecast/client";`,
      "test/a.test.ts": `import "../src/base/x.js"; import { Pool } from "pg";`,
    });
    expect(checkImports(allowed)).toEqual([]);
  });
});

describe("the size rule's canary", () => {
  const lines = (count: number): string => "const x = 1;\n".repeat(count);

  test.each([
    ["src/base/a.ts", lines(351), "351 lines, at most 350"],
    ["src/base/a.ts", lines(501), "501 lines, the wall is 500"],
    ["test/a.test.ts", lines(801), "801 lines, a test has at most 800"],
    ["src/base/a.ts", `const x = "${"a b ".repeat(40)}";\n`, "columns, at most 160"],
    ["src/base/a.ts", `${"x + ".repeat(25)}1;\n`, "columns, at most 100"],
    ["src/base/a.ts", "function f(a, b, c, d, e) {}\n", "f takes 5 parameters, at most 4"],
    ["src/base/a.ts", `const f = () => {\n${lines(59)}};\n`, "has 61 lines, at most 60"],
    ["src/base/a.ts", `class A {\n m() {\n${lines(59)}}\n}\n`, "m has 61 lines, at most 60"],
  ])("finds %s (case %#)", (path, text, message) => {
    expect(checkSizes(houseOf({ [path]: text }))).toEqual([expect.stringContaining(message)]);
  });

  test("lets pass what is just short enough", () => {
    const comment = `/* ${"a ".repeat(60)}*/`;
    const text = `${comment}\n${lines(289)}function f(a, b, c, d) {\n${lines(58)}}\n`;
    expect(checkSizes(houseOf({ "src/base/a.ts": text }))).toEqual([]);
  });
});

describe("the naming rule's canary", () => {
  test.each([
    ["src/base/utils.ts", "", `"utils" says nothing`],
    ["src/base/string-helpers.ts", "", `"helpers" says nothing`],
    ["src/model/types.ts", "", `"types" says nothing`],
    ["src/common/clock.ts", "", `"common" says nothing`],
    ["connectors/postgres/index.ts", "", `"index" says nothing`],
    ["src/base/myFile.ts", "", "not in kebab case"],
    ["src/journal/checkpoint.ts", "", "which the glossary bans"],
    ["src/journal/a.ts", "export interface ReadCursor {}", "says cursor, which the glossary bans"],
    ["src/journal/a.ts", "export const startOffsets = 1;", "says offsets, which the glossary bans"],
    ["src/model/a.ts", "export interface ChangeEvent {}", "says event for something the glossary"],
    ["src/model/a.ts", "export type Message = string;", "says message for something the glossary"],
    ["src/journal/a.ts", "export class JournalImpl {}", "carries noise"],
    ["connectors/a/a.ts", "export interface ISource {}", "carries noise"],
  ])("finds %s: %s", (path, text, message) => {
    expect(checkNames(houseOf({ [path]: text }))).toEqual([expect.stringContaining(message)]);
  });

  test("lets pass the same words where they are right", () => {
    const text = `
      export class AuthToken {}
      export type ErrorMessage = Record<string, string>;
      export function errorMessage() {}
      export interface Identity {}
      const cursor = 1;
    `;
    expect(checkNames(houseOf({ "src/broker/auth.ts": text, "test/a.test.ts": "" }))).toEqual([]);
  });
});

test("the dead-file rule's canary: finds what nothing reaches, and follows lazy imports", () => {
  const findings = checkDeadFiles(
    houseOf({
      "src/main.ts": `import "./cli/run.js";`,
      "src/cli/run.ts": `await import("../../connectors/a/a.js");`,
      "connectors/a/a.ts": "",
      "connectors/b/b.ts": `import "./c.js";`,
      "connectors/b/c.ts": "",
      "test/a.test.ts": `import "../connectors/b/b.js";`,
    }),
  );
  expect(findings.map((finding) => finding.split(":")[0])).toEqual([
    "connectors/b/b.ts",
    "connectors/b/c.ts",
  ]);
});

describe("the error catalogue's canary", () => {
  const entry = { disposition: "retry", cause: "It broke.", cure: "Mend it.", close: 3001 };
  const row = "| `DISK_FULL` | retry | It broke. | Mend it. | 3001 |";
  const use = `throw new AppError("DISK_FULL", "writing");`;
  const findingsOf = (text: string, page: string, catalogue = { DISK_FULL: entry }): string[] =>
    checkErrorCodes(houseOf({ "src/a/a.ts": text, "src/ERRORS.md": page }), catalogue);

  test("finds a code without use, without row, with another row, and one that is unknown", () => {
    expect(findingsOf("", row)).toEqual([expect.stringContaining("DISK_FULL is never used")]);
    expect(findingsOf(use, "")).toEqual([expect.stringContaining("no row for DISK_FULL; add: |")]);
    expect(findingsOf(use, row.replace("Mend", "Burn"))).toEqual([
      expect.stringContaining("src/ERRORS.md:1: the row of DISK_FULL differs"),
    ]);
    expect(findingsOf(use, row.replace("3001", ""))).toEqual([expect.stringContaining("3001")]);
    expect(findingsOf(`${use} new AppError("DISK_EMPTY", "");`, row)).toEqual([
      expect.stringContaining("src/a/a.ts:1: DISK_EMPTY is not in"),
    ]);
    expect(findingsOf(use, `${row}\n| \`OLD_CODE\` | retry |`)).toEqual([
      expect.stringContaining("src/ERRORS.md:2: OLD_CODE is not in"),
    ]);
  });

  test("lets pass a code that is used and documented", () => {
    expect(findingsOf(use, row)).toEqual([]);
  });
});

test("the link rule's canary: finds a lost file and a lost heading, but nothing in code", () => {
  const findings = checkLinks(
    houseOf({
      "README.md": [
        "[lost](src/lost.md) [there](src/PAGE.md) [web](https://example.org) [folder](src/)",
        "[heading](src/PAGE.md#two-words) [no heading](src/PAGE.md#three) `[code](nowhere.md)`",
        "```\n[code](nowhere.md)\n```",
        "[ref]: nowhere.md",
      ].join("\n"),
      "src/PAGE.md": "# Two words\n[up](../README.md)",
    }),
  );
  expect(findings).toEqual([
    expect.stringMatching(/^README.md:1: .*src\/lost.md, which does not exist/),
    expect.stringMatching(/^README.md:2: src\/PAGE.md has no heading for #three/),
    expect.stringMatching(/^README.md:6: .*nowhere.md/),
  ]);
});

describe("the rule on time and chance: its canary", () => {
  test.each([
    "Date.now()",
    "new Date()",
    "performance.now()",
    "Math.random()",
    "setTimeout(f, 1)",
    "const later = setInterval;",
    "globalThis.setTimeout(f, 1)",
    `import { setTimeout as sleep } from "node:timers/promises";`,
  ])("finds %s", (text) => {
    const findings = checkBannedCalls(houseOf({ "src/client/a.ts": `\n${text}` }));
    expect(findings.length).toBeGreaterThan(0);
    expect(findings[0]).toMatch(/^src\/client\/a\.ts:2: /);
  });

  test("lets pass base, tests, members of that name and fixed dates", () => {
    const text = "clock.setTimeout(f); const c = { setTimeout: f }; new Date(0); Date.parse('');";
    const allowed = {
      "src/base/clock.ts": "Date.now()",
      "test/a.ts": "Date.now()",
      "src/ops/a.ts": text,
    };
    expect(checkBannedCalls(houseOf(allowed))).toEqual([]);
  });
});
