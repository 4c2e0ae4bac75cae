/**
 * Time and chance come through Clock and Random (src/base/clock.ts), so that tests can drive them.
 */
import ts from "typescript";
import { lineOf, visit } from "./house.js";
import type { Finding, House, ParsedFile } from "./house.js";

const bannedMembers: Readonly<Record<string, string>> = {
  "Date.now": "Clock.now",
  "performance.now": "Clock.monotonic",
  "Math.random": "Random.next",
  "globalThis.setTimeout": "Clock.after",
  "globalThis.setInterval": "Clock.after",
};
const bannedGlobals = new Set(["setTimeout", "setInterval"]);
const bannedModules = new Set(["node:timers", "node:timers/promises", "timers", "timers/promises"]);

export function checkBannedCalls(house: House): Finding[] {
  return [...house.code.values()]
    .filter((file) => /^(src|connectors)\//.test(file.path) && !file.path.startsWith("src/base/"))
    .flatMap((file) => [...callFindings(file), ...moduleFindings(file)]);
}

function callFindings(file: ParsedFile): Finding[] {
  const findings: Finding[] = [];
  visit(file.source, (node) => {
    const cure = cureFor(file, node);
    if (cure === undefined) return;
    const text = node.getText(file.source);
    findings.push(
      `${file.path}:${String(lineOf(file, node))}: ${text} is banned here; take ${cure}`,
    );
  });
  return findings;
}

function cureFor(file: ParsedFile, node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return bannedMembers[node.getText(file.source)];
  if (ts.isNewExpression(node)) {
    const now = node.expression.getText(file.source) === "Date" && !node.arguments?.length;
    return now ? "Clock.now" : undefined;
  }
  if (ts.isIdentifier(node) && bannedGlobals.has(node.text) && !isMemberName(node)) {
    return "Clock.after";
  }
  return undefined;
}

/** `clock.setTimeout` and `{ setTimeout: … }` are names of somebody's member, not the global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent)) &&
      parent.name === node)
  );
}

function moduleFindings(file: ParsedFile): Finding[] {
  return file.imports
    .filter((use) => bannedModules.has(use.specifier))
    .map(
      (use) =>
        `${file.path}:${String(use.line)}: ${use.specifier} is banned here; take Clock.after`,
    );
}
