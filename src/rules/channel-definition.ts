/** `channel` and `channels` as written: what they read, which names they can give. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { isChannelName } from "../model/channel.js";
import { parseExpression, type Expression } from "./expression.js";
import type { Fault } from "./fault.js";
import { parseTemplate } from "./template.js";

export type ChannelPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: Expression; readonly at: number };

export type ChannelDefinition =
  | { readonly kind: "template"; readonly parts: readonly ChannelPart[] }
  | { readonly kind: "list"; readonly expression: Expression };

export function channelTemplate(
  text: string,
): { readonly definition: ChannelDefinition } | { readonly faults: readonly Fault[] } {
  const parsed = parseTemplate(text);
  if ("reason" in parsed) return { faults: [templateFault(parsed.reason, parsed.at)] };
  const faults: Fault[] = [];
  const parts: ChannelPart[] = [];
  for (const part of parsed.parts) {
    if (part.kind === "text") {
      parts.push(part);
      continue;
    }
    const expression = parseExpression(part.text);
    if ("fault" in expression) {
      const { reason, at } = expression.fault;
      const message = `the expression {${part.text}} of the template: ${reason}`;
      faults.push({ code: "RULE_EXPRESSION_INVALID", message, at: part.at + at });
    } else parts.push({ kind: "expression", expression, at: part.at });
  }
  const sample = parts.map((part) => (part.kind === "text" ? part.text : "x")).join("");
  if (!isChannelName(sample)) {
    faults.push(templateFault("text that no channel name may hold, or more than 200 bytes", 0));
  }
  return faults.length > 0 ? { faults } : { definition: { kind: "template", parts } };
}

function templateFault(reason: string, at: number): Fault {
  return { code: "RULE_TEMPLATE_INVALID", message: `the channel template has ${reason}`, at };
}

/** Patterns that cover every channel; ["*"] where it cannot be told. */
export function patternsOf(definition: ChannelDefinition): readonly string[] {
  if (definition.kind === "template") {
    const text = definition.parts.map((part) => (part.kind === "text" ? part.text : "*")).join("");
    return [text.replace(/\*+/g, "*")];
  }
  const { ast } = definition.expression;
  const items = ast.op === "list" ? ast.args : mappedItem(ast);
  if (items === undefined) return ["*"];
  const patterns = items.map((item) => patternOf(item).replace(/\*+/g, "*"));
  return patterns.includes("*") ? ["*"] : [...new Set(patterns)];
}

/** What `list.map(x, item)` makes of each. */
function mappedItem(node: ASTNode): readonly ASTNode[] | undefined {
  if (node.op !== "rcall" || node.args[0] !== "map") return undefined;
  return node.args[2].slice(-1);
}

function patternOf(node: ASTNode): string {
  if (node.op === "value") return typeof node.args === "string" ? node.args : "*";
  return node.op === "+" ? patternOf(node.args[0]) + patternOf(node.args[1]) : "*";
}
