/**
 * File names and exported names: no catch-all names, no second word for what the glossary names.
 */
import { posix } from "node:path";
import ts from "typescript";
import { lineOf } from "./house.js";
import type { Finding, House, ParsedFile } from "./house.js";

const catchAllParts = new Set(["util", "utils", "helper", "helpers", "common", "misc"]);
const catchAllNames = new Set(["types", "index"]);

/**
 * Words for which the glossary has another: any exported name and file of src that contains one.
 */
const foreignWords: Readonly<Record<string, string>> = {
  checkpoint: "position or place",
  cursor: "position or place",
  offset: "serial, log number or position",
};

/**
 * Words that are right elsewhere (a JWT, an Error's text, the DOM), but not for what the glossary
 * names.
 */
const looseWords = new Set(["event", "message", "record", "token"]);
const glossaryWords = new Set([
  ...["source", "change", "transaction", "position", "rule", "channel", "entry", "log", "serial"],
  ...["epoch", "journal", "block", "commit", "document"],
]);

/** Noise in a type's name; an implementation carries what differs instead. */
const noise = /^(Abstract[A-Z]|I[A-Z][a-z])|(Impl|Manager)$/;

export function checkNames(house: House): Finding[] {
  return [...house.code.values()].flatMap((file) => [
    ...fileNameFindings(file.path),
    ...(file.path.startsWith("src/") || file.path.startsWith("connectors/")
      ? exportedNameFindings(file)
      : []),
  ]);
}

function fileNameFindings(path: string): Finding[] {
  const name = posix.basename(path);
  const [stem = ""] = name.split(".");
  const parts = stem.split("-");
  const folders = posix.dirname(path).split("/");
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(name)) {
    return [`${path}:1: the name is not in kebab case; name it after its main export`];
  }
  const vague = catchAllNames.has(stem) ? stem : parts.find((part) => catchAllParts.has(part));
  const vagueFolder = folders.find((folder) => catchAllParts.has(folder) || folder === "types");
  if ((vague ?? vagueFolder) !== undefined) {
    return [
      `${path}:1: "${vague ?? vagueFolder ?? ""}" says nothing; name it after its main export`,
    ];
  }
  return path.startsWith("src/") ? wordFindings(`${path}:1`, stem, parts) : [];
}

function exportedNameFindings(file: ParsedFile): Finding[] {
  return file.source.statements.filter(isExported).flatMap((statement) =>
    declaredNames(statement).flatMap((name) => {
      const text = name.getText(file.source);
      const place = `${file.path}:${String(lineOf(file, name))}`;
      if (isTypeLike(statement) && noise.test(text)) {
        return [
          `${place}: ${text} carries noise (I…, Abstract…, …Impl, …Manager); say what differs`,
        ];
      }
      return file.path.startsWith("src/") ? wordFindings(place, text, camelWords(text)) : [];
    }),
  );
}

function wordFindings(place: string, name: string, words: readonly string[]): Finding[] {
  for (const word of words) {
    const right = foreignWords[word.replace(/s$/, "")];
    if (right !== undefined) {
      return [`${place}: ${name} says ${word}, which the glossary bans; it is a ${right}`];
    }
  }
  const last = words.at(-1)?.replace(/s$/, "") ?? "";
  const before = words.at(-2);
  if (looseWords.has(last) && (before === undefined || glossaryWords.has(before))) {
    return [`${place}: ${name} says ${last} for something the glossary names; use its word`];
  }
  return [];
}

function isExported(statement: ts.Statement): boolean {
  const flags = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return flags?.some((flag) => flag.kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function isTypeLike(statement: ts.Statement): boolean {
  return (
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement)
  );
}

function declaredNames(statement: ts.Statement): ts.Node[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map((declaration) => declaration.name);
  }
  if (
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isFunctionDeclaration(statement)
  ) {
    return statement.name === undefined ? [] : [statement.name];
  }
  return [];
}

function camelWords(name: string): string[] {
  return (name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? []).map((word) => word.toLowerCase());
}
