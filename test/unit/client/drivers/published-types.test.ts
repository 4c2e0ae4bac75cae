/**
 * Goal: what the drivers of React Native ask of a database is what the libraries publish. Method: the compiler,
 * over their declarations as published (test/published; the packages are 33 and 115 MB, nearly all of it for
 * phones), and over the drivers themselves. Calls that must not compile show that nothing of it is `any`.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const COMPILE_MS = 60_000;

const root = resolve(import.meta.dirname, "../../../..");

interface Published {
  readonly package: string;
  readonly version: string;
  /** By path in the package, line by line. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

/** What the compiler says of this text, whose imports from `published/` are the package's files. */
function complaints(published: Published, text: string): string[] {
  const files = new Map([[`${root}/test/asked.ts`, text]]);
  for (const [path, lines] of Object.entries(published.files)) {
    files.set(`${root}/test/published/${path}`, lines.join("\n"));
  }
  const options: ts.CompilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: true },
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    // A folder that is missing on the disk would not be looked into.
    directoryExists: () => true,
    fileExists: (path) => files.has(path) || disk.fileExists(path),
    readFile: (path) => files.get(path) ?? disk.readFile(path),
    getSourceFile: (path, target) => {
      const made = files.get(path);
      if (made === undefined) return disk.getSourceFile(path, target);
      return ts.createSourceFile(path, made, target);
    },
  };
  const program = ts.createProgram([`${root}/test/asked.ts`], options, host);
  const asked = program.getSourceFile(`${root}/test/asked.ts`);
  return ts
    .getPreEmitDiagnostics(program, asked)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

function publishedOf(name: string): Published {
  return JSON.parse(readFileSync(`${root}/test/published/${name}.json`, "utf8")) as Published;
}

describe.each([
  [
    "expo-sqlite",
    `import type { SQLiteDatabase } from "./published/build/SQLiteDatabase.js";
     import { expoSqlite } from "../src/client/drivers/expo-sqlite.js";
     declare const database: SQLiteDatabase;
     expoSqlite(database);`,
    `const wrong: number = database.prepareAsync("select 1");`,
    `database.prepareAsync("select 1").then((statement) => { const wrong: number = statement.executeAsync([1]); });`,
  ],
  [
    "op-sqlite",
    `import type { DB } from "./published/lib/typescript/src/types.js";
     import { opSqlite } from "../src/client/drivers/op-sqlite.js";
     declare const database: DB;
     opSqlite(database);`,
    `const wrong: number = database.prepareStatement("select 1");`,
    `const wrong: number = database.execute("select 1");`,
  ],
])("the driver of %s", (name, driven, ...wrong) => {
  it(
    "takes the library's own database",
    () => {
      const published = publishedOf(name);
      expect(complaints(published, driven)).toEqual([]);
      for (const line of wrong) {
        expect(complaints(published, `${driven}\n${line}`)).toEqual([
          expect.stringContaining("is not assignable to type 'number'"),
        ]);
      }
    },
    COMPILE_MS,
  );

  it("names the version that was looked at", () => {
    const { version } = publishedOf(name);
    const driver = readFileSync(`${root}/src/client/drivers/${name}.ts`, "utf8");
    expect(driver).toContain(`the types of ${version}`);
  });
});
