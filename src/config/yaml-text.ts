/** The YAML of a configuration as a tree of values, with the line and column of every part. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Document, Node, Pair } from "yaml";
import type { Problem } from "../model/problem.js";

/** A configuration is written by hand; a thousand rules take a tenth of this. */
export const FILE_BYTES_MAX = 1024 * 1024;
/** Aliases are for a few shared lines; what they grow to is bounded by the library with this. */
const ALIAS_COUNT_MAX = 100;

export interface TextPlace {
  /** 1, 2, 3 … */
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  /** Undefined when the text is no YAML. */
  readonly tree: unknown;
  readonly problems: readonly (Problem & TextPlace)[];
  /** Where the part at `path` stands, or its nearest ancestor that exists; `at`: characters into its text. */
  place(path: readonly (string | number)[], at?: number): TextPlace;
}

export function parseYaml(text: string): YamlText {
  const lines = new LineCounter();
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return tooLarge();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false });
  } catch (error) {
    return unreadable(error);
  }
  const problems = [...document.errors, ...document.warnings].map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { ...syntaxProblem(error.code, error.message), line, column: col };
  });
  const place = (path: readonly (string | number)[], at?: number): TextPlace =>
    placeOf(document, text, lines, { path, at });
  if (problems.length > 0) return { tree: undefined, problems, place };
  try {
    const tree: unknown = document.toJS({ maxAliasCount: ALIAS_COUNT_MAX });
    return { tree, problems, place };
  } catch (error) {
    return unreadable(error);
  }
}

const cures: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "Indent with spaces.",
  DUPLICATE_KEY: "Each key stands once; merge or remove one of them.",
  MULTIPLE_DOCS: "Write one document; remove the `---` between them.",
  TAG_RESOLVE_FAILED: "Remove the tag: only plain values are read.",
  BAD_ALIAS: "Define the anchor (`&name`) before it is used.",
};

function syntaxProblem(code: string, message: string): Problem {
  const cure =
    cures[code] ?? "Check indentation, quotes and colons of this line and the one above.";
  const text = `YAML: ${firstLine(message)}`;
  return { code: "CONFIG_SYNTAX", level: "error", message: text, cure, path: [] };
}

function unreadable(error: unknown): YamlText {
  const message = error instanceof Error ? firstLine(error.message) : "it cannot be read";
  const cure = /alias/i.test(message)
    ? "Write the values out instead of using aliases."
    : "Nest less deeply.";
  const problem: Problem = {
    code: "CONFIG_SYNTAX",
    level: "error",
    message: `YAML: ${message}`,
    cure,
  };
  return failed(problem);
}

function tooLarge(): YamlText {
  const message = `the file is larger than ${FILE_BYTES_MAX} bytes`;
  const cure = "Split it over several processes, each with its rules.";
  return failed({ code: "CONFIG_SYNTAX", level: "error", message, cure });
}

function failed(problem: Problem): YamlText {
  const start = { line: 1, column: 1 };
  return { tree: undefined, problems: [{ ...problem, ...start }], place: () => start };
}

interface Spot {
  readonly path: readonly (string | number)[];
  readonly at: number | undefined;
}

function placeOf(
  document: Document.Parsed,
  text: string,
  lines: LineCounter,
  { path, at }: Spot,
): TextPlace {
  let node: unknown = document.contents;
  let start = (document.contents as Node | null)?.range?.[0] ?? 0;
  let reached = 0;
  for (const step of path) {
    const next = stepInto(node, step);
    if (next === undefined) break;
    node = next.value;
    start = next.start;
    reached += 1;
  }
  if (at !== undefined && reached === path.length && isScalar(node)) {
    start = insideScalar(text, node.range?.[0] ?? start, node.type, at);
  }
  const { line, col } = lines.linePos(start);
  return { line, column: col };
}

/** In a map a part is where its key stands, in a list where it begins itself. */
function stepInto(
  node: unknown,
  step: string | number,
): { readonly value: unknown; readonly start: number } | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)] as Node | undefined;
    return value === undefined ? undefined : { value, start: value.range?.[0] ?? 0 };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(
    (each: Pair) => isScalar(each.key) && String(each.key.value) === String(step),
  );
  const key = pair?.key as Node | undefined;
  return pair === undefined ? undefined : { value: pair.value, start: key?.range?.[0] ?? 0 };
}

/** Exact for text on one line without escapes, and for `|` blocks; else the value's start. */
function insideScalar(text: string, start: number, type: string | undefined, at: number): number {
  if (type === "BLOCK_LITERAL") return insideBlock(text, start, at);
  if (type === "BLOCK_FOLDED") return start;
  const begin = type === "PLAIN" ? start : start + 1;
  const before = text.slice(begin, begin + at);
  return /[\n\\]/.test(before) || before.length < at ? start : begin + at;
}

function insideBlock(text: string, start: number, at: number): number {
  let lineStart = text.indexOf("\n", start) + 1;
  const indent = /^ */.exec(text.slice(lineStart))?.[0].length ?? 0;
  let rest = at;
  for (;;) {
    const end = text.indexOf("\n", lineStart);
    const length = (end < 0 ? text.length : end) - lineStart - indent;
    if (rest <= length || end < 0) return lineStart + indent + rest;
    rest -= length + 1;
    lineStart = end + 1;
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
