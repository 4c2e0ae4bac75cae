/**
 * Every error code is used, exists where it is used, and stands in src/ERRORS.md as in the
 * catalogue.
 */
import ts from "typescript";
import { lineOf, visit } from "./house.js";
import type { Finding, House, ParsedFile } from "./house.js";

export interface CatalogueEntry {
  readonly disposition: string;
  readonly cause: string;
  readonly cure: string;
  readonly close?: number;
}

export type Catalogue = Readonly<Record<string, CatalogueEntry>>;

const catalogueFile = "src/base/error-catalogue.ts";
const page = "src/ERRORS.md";

export function checkErrorCodes(house: House, catalogue: Catalogue): Finding[] {
  const used = new Set<string>();
  const findings: Finding[] = [];
  for (const file of house.code.values()) {
    if (!/^(src|connectors)\//.test(file.path) || file.path === catalogueFile) continue;
    for (const text of literals(file)) used.add(text);
    findings.push(...unknownCodes(file, catalogue));
  }
  for (const [code, entry] of Object.entries(catalogue)) {
    if (!/^[A-Z]+(_[A-Z0-9]+)+$/.test(code)) {
      findings.push(`${catalogueFile}:1: ${code} is not of the form AREA_REASON; rename it`);
    }
    if (!used.has(code)) findings.push(`${catalogueFile}:1: ${code} is never used; remove it`);
    findings.push(...pageFindings(house.pages.get(page) ?? "", code, entry));
  }
  return [...findings, ...strangersOnPage(house.pages.get(page) ?? "", catalogue)];
}

function literals(file: ParsedFile): string[] {
  const found: string[] = [];
  visit(file.source, (node) => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
  });
  return found;
}

function unknownCodes(file: ParsedFile, catalogue: Catalogue): Finding[] {
  const findings: Finding[] = [];
  visit(file.source, (node) => {
    if (!ts.isNewExpression(node) || node.expression.getText(file.source) !== "AppError") return;
    const code = node.arguments?.[0];
    if (code === undefined || !ts.isStringLiteralLike(code) || code.text in catalogue) return;
    findings.push(
      `${file.path}:${String(lineOf(file, node))}: ${code.text} is not in ${catalogueFile}; add it`,
    );
  });
  return findings;
}

function pageFindings(text: string, code: string, entry: CatalogueEntry): Finding[] {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| \`${code}\` |`));
  const row = `| \`${code}\` | ${entry.disposition} | ${entry.cause} | ${entry.cure} |`;
  if (at === -1) return [`${page}:1: no row for ${code}; add: ${row}`];
  const line = lines[at] ?? "";
  const missing = [entry.disposition, entry.cause, entry.cure].filter(
    (part) => !line.includes(part),
  );
  if (entry.close !== undefined && !line.includes(String(entry.close))) {
    missing.push(String(entry.close));
  }
  return missing.map(
    (part) => `${page}:${String(at + 1)}: the row of ${code} differs from the catalogue: ${part}`,
  );
}

function strangersOnPage(text: string, catalogue: Catalogue): Finding[] {
  return text.split("\n").flatMap((line, at) => {
    const code = /^\| `([A-Z0-9_]+)` \|/.exec(line)?.[1];
    if (code === undefined || code in catalogue) return [];
    return [`${page}:${String(at + 1)}: ${code} is not in ${catalogueFile}; remove the row`];
  });
}
