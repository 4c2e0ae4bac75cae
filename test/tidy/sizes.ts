/** How long a file, a function and a line may be, and how many parameters a function may take. */
import ts from "typescript";
import { lineOf, visit } from "./house.js";
import type { Finding, House, ParsedFile } from "./house.js";

const FILE_LINES_MAX = 350;
const FILE_LINES_WALL = 500;
const TEST_LINES_MAX = 800;
const FUNCTION_LINES_MAX = 60;
const PARAMETERS_MAX = 4;
const LINE_WIDTH_MAX = 100;
/** A sentence for people, or a statement of SQL, reads better in one piece. */
const TEXT_WIDTH_MAX = 160;

/**
 * Files between 350 and 500 lines, each with the reason why one idea needs the room. Keep it short.
 */
const longFiles: Readonly<Record<string, string>> = {};

export function checkSizes(house: House): Finding[] {
  return [...house.code.values()].flatMap((file) => [
    ...fileFindings(file),
    ...lineFindings(file),
    ...functionFindings(file),
  ]);
}

/** The list of exceptions must not outlive its files. */
export function checkLongFiles(house: House): Finding[] {
  return Object.keys(longFiles)
    .filter((path) => countLines(house.code.get(path)?.text ?? "") <= FILE_LINES_MAX)
    .map((path) => `test/tidy/sizes.ts:1: ${path} is not long any more; take it off longFiles`);
}

function fileFindings(file: ParsedFile): Finding[] {
  const lines = countLines(file.text);
  if (file.path.startsWith("test/")) {
    if (lines <= TEST_LINES_MAX) return [];
    return [
      `${file.path}:1: ${String(lines)} lines, a test has at most 800; split it by behaviour`,
    ];
  }
  if (lines > FILE_LINES_WALL) {
    return [`${file.path}:1: ${String(lines)} lines, the wall is 500; split it by idea`];
  }
  if (lines <= FILE_LINES_MAX || longFiles[file.path] !== undefined) return [];
  const cure = "split it by idea, or give the reason in longFiles (test/tidy/sizes.ts)";
  return [`${file.path}:1: ${String(lines)} lines, at most 350; ${cure}`];
}

/** Prettier breaks what it can; this finds the strings and templates that it can't. */
function lineFindings(file: ParsedFile): Finding[] {
  return file.text.split("\n").flatMap((line, at) => {
    // A comment may hold a table, and a web address can't be broken.
    const exempt = /^\s*(\/\/|\/?\*)/.test(line) || line.includes("://");
    const max = /["'`].*["'`]|^\s*`|`[,;)]*$/.test(line) ? TEXT_WIDTH_MAX : LINE_WIDTH_MAX;
    if (line.length <= max || exempt) return [];
    const width = String(line.length);
    return [`${file.path}:${String(at + 1)}: ${width} columns, at most ${String(max)}; break it`];
  });
}

/** A suite's callbacks are lists of tests, not functions that somebody has to follow. */
function functionFindings(file: ParsedFile): Finding[] {
  if (/\.(test|contract)\.ts$/.test(file.path)) return [];
  const findings: Finding[] = [];
  visit(file.source, (node) => {
    if (!ts.isFunctionLike(node)) return;
    const line = lineOf(file, node);
    const name = node.name?.getText(file.source) ?? "a function";
    if (node.parameters.length > PARAMETERS_MAX) {
      const count = String(node.parameters.length);
      const problem = `${name} takes ${count} parameters, at most 4; use an options object`;
      findings.push(`${file.path}:${String(line)}: ${problem}`);
    }
    const last = file.source.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
    const lines = last - line + 1;
    if (lines > FUNCTION_LINES_MAX) {
      const problem = `${name} has ${String(lines)} lines, at most 60; take steps out of it`;
      findings.push(`${file.path}:${String(line)}: ${problem}`);
    }
  });
  return findings;
}

function countLines(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}
