/**
 * The project as the house rules see it: parsed TypeScript, pages and paths. It can be read from
 * the disk or made up in memory, so that every rule can be shown to fail.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";

export interface ImportUse {
  readonly specifier: string;
  readonly line: number;
  /** Through `import()`, when the code runs. */
  readonly lazy: boolean;
}

export interface ParsedFile {
  readonly path: string;
  readonly text: string;
  readonly source: ts.SourceFile;
  readonly imports: readonly ImportUse[];
}

export interface House {
  /** Every TypeScript file under src, connectors, demo and test, by path from the root. */
  readonly code: ReadonlyMap<string, ParsedFile>;
  /** Every Markdown page, by path. */
  readonly pages: ReadonlyMap<string, string>;
  /** Every file and folder, whatever it is. */
  readonly paths: ReadonlySet<string>;
}

/** One broken rule: "file:line: what is wrong; what to do". */
export type Finding = string;

const codeFolders = ["src/", "connectors/", "demo/", "test/"];
const foreignFolders = new Set(["node_modules", "dist", ".git", "coverage", "tmp"]);

export function readHouse(root: string): House {
  const files = new Map<string, string>();
  const paths = new Set<string>();
  walk(root, "", (path, isFile) => {
    paths.add(path);
    if (isFile && /\.(ts|md)$/.test(path)) files.set(path, readFileSync(join(root, path), "utf8"));
  });
  return buildHouse(files, paths);
}

/** A house of a few files, for a rule's canary. */
export function houseOf(files: Readonly<Record<string, string>>): House {
  const paths = new Set(Object.keys(files));
  for (const path of Object.keys(files)) {
    for (let up = posix.dirname(path); up !== "."; up = posix.dirname(up)) paths.add(up);
  }
  return buildHouse(new Map(Object.entries(files)), paths);
}

export function lineOf(file: ParsedFile, node: ts.Node): number {
  return file.source.getLineAndCharacterOfPosition(node.getStart(file.source)).line + 1;
}

/** The file that a relative import names, or undefined for a package. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
}

/** `pg` of "pg/lib/x", `@a/b` of "@a/b/c"; undefined for a relative import and for node's own. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return undefined;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

export function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => {
    visit(child, each);
  });
}

function walk(root: string, folder: string, each: (path: string, isFile: boolean) => void): void {
  for (const item of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, item.name);
    if (item.isSymbolicLink() || foreignFolders.has(item.name)) continue;
    each(path, item.isFile());
    if (item.isDirectory()) walk(root, path, each);
  }
}

function buildHouse(files: ReadonlyMap<string, string>, paths: ReadonlySet<string>): House {
  const code = new Map<string, ParsedFile>();
  const pages = new Map<string, string>();
  for (const [path, text] of files) {
    if (path.endsWith(".md")) pages.set(path, text);
    else if (codeFolders.some((folder) => path.startsWith(folder)))
      code.set(path, parse(path, text));
  }
  return { code, pages, paths };
}

function parse(path: string, text: string): ParsedFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: ImportUse[] = [];
  visit(source, (node) => {
    const found = importedText(node);
    if (found === undefined) return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    imports.push({ specifier: found, line: line + 1, lazy: ts.isCallExpression(node) });
  });
  return { path, text, source, imports };
}

function importedText(node: ts.Node): string | undefined {
  let specifier: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
    specifier = node.moduleSpecifier;
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    specifier = node.argument.literal;
  } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    specifier = node.arguments[0];
  }
  return specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : undefined;
}
