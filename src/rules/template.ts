/** Channel templates: text of a channel name with CEL expressions in braces. Only cut apart here. */

export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  /** `at`: where the expression starts in the template. */
  | { readonly kind: "expression"; readonly text: string; readonly at: number };

export type ParsedTemplate =
  { readonly parts: readonly TemplatePart[] } | { readonly reason: string; readonly at: number };

export function parseTemplate(template: string): ParsedTemplate {
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    const text = template.slice(at, open < 0 ? template.length : open);
    const stray = text.indexOf("}");
    if (stray >= 0) return { reason: "a closing brace without an opening one", at: at + stray };
    if (text !== "") parts.push({ kind: "text", text });
    if (open < 0) break;
    const close = closingBrace(template, open);
    if (close === undefined) return { reason: "a brace that is never closed", at: open };
    const expression = template.slice(open + 1, close);
    if (expression.trim() === "") return { reason: "empty braces", at: open };
    parts.push({ kind: "expression", text: expression, at: open + 1 });
    at = close + 1;
  }
  return { parts };
}

/** CEL has maps in braces and strings with braces inside: both are stepped over. */
function closingBrace(text: string, open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"' || char === "'") {
      const end = stringEnd(text, at, char);
      if (end === undefined) return undefined;
      at = end;
    } else if (char === "{") depth += 1;
    else if (char === "}") {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return undefined;
}

function stringEnd(text: string, open: number, quote: string): number | undefined {
  for (let at = open + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === quote) return at;
  }
  return undefined;
}
