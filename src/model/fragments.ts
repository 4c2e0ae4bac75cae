/**
 * JSON fragments: values as JSON, joined by commas, without brackets. They are split without parsing, so
 * that a value comes back with the very characters it went in with.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The values of a fragment; an empty fragment has none. The text must be valid JSON between brackets. */
export function splitFragment(fragment: string): string[] {
  if (fragment === "") return [];
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < fragment.length; at += 1) {
    const code = fragment.charCodeAt(at);
    if (code === QUOTE) at = closingQuote(fragment, at);
    else if (code === OPEN_BRACKET || code === OPEN_BRACE) depth += 1;
    else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) depth -= 1;
    else if (code === COMMA && depth === 0) {
      parts.push(fragment.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(fragment.slice(start));
  return parts;
}

/**
 * Where the values of a fragment in UTF-8 begin, up to the first `count`, as splitFragment splits them; the place
 * after them, if there are no more, is one behind the end. Whether there were so many.
 */
export function findFragments(fragment: Uint8Array, count: number, begins: Uint32Array): boolean {
  let depth = 0;
  let found = 0;
  begins[found++] = 0;
  for (let at = 0; at < fragment.length && found <= count; at += 1) {
    const code = fragment[at];
    if (code === QUOTE) at = closingQuoteIn(fragment, at);
    else if (code === OPEN_BRACKET || code === OPEN_BRACE) depth += 1;
    else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) depth -= 1;
    else if (code === COMMA && depth === 0) begins[found++] = at + 1;
  }
  if (found <= count) begins[found++] = fragment.length + 1;
  return found > count;
}

function closingQuoteIn(fragment: Uint8Array, open: number): number {
  let at = open + 1;
  while (at < fragment.length && fragment[at] !== QUOTE) at += fragment[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Index of the quote that closes the string opened at `open`. */
export function closingQuote(text: string, open: number): number {
  let at = text.indexOf('"', open + 1);
  while (at > 0 && isEscaped(text, at, open)) at = text.indexOf('"', at + 1);
  return at < 0 ? text.length : at;
}

function isEscaped(text: string, at: number, open: number): boolean {
  let backslashes = 0;
  while (at - 1 - backslashes > open && text.charCodeAt(at - 1 - backslashes) === BACKSLASH) {
    backslashes += 1;
  }
  return backslashes % 2 === 1;
}
