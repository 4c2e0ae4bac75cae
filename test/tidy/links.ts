/**
 * Every relative link of every page leads to a file of the project, and its anchor to a heading
 * there.
 */
import { posix } from "node:path";
import type { Finding, House } from "./house.js";

export function checkLinks(house: House): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of house.pages) {
    for (const { target, line } of linksOf(text)) {
      const problem = linkProblem(house, path, target);
      if (problem !== undefined) findings.push(`${path}:${String(line)}: ${problem}`);
    }
  }
  return findings;
}

interface Link {
  readonly target: string;
  readonly line: number;
}

function linksOf(text: string): Link[] {
  const links: Link[] = [];
  let fenced = false;
  for (const [at, raw] of text.split("\n").entries()) {
    if (/^\s*(```|~~~)/.test(raw)) fenced = !fenced;
    if (fenced) continue;
    const line = raw.replace(/`[^`]*`/g, "``");
    for (const found of line.matchAll(
      /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|^\s*\[[^\]]+\]:\s*(\S+)/g,
    )) {
      links.push({ target: found[1] ?? found[2] ?? "", line: at + 1 });
    }
  }
  return links;
}

function linkProblem(house: House, from: string, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [file = "", anchor] = target.split("#");
  const path = file === "" ? from : posix.join(posix.dirname(from), decodeURIComponent(file));
  const found = path.replace(/\/$/, "");
  if (found !== "." && !house.paths.has(found)) {
    return `the link ${target} leads to ${found}, which does not exist`;
  }
  const page = house.pages.get(found);
  if (anchor === undefined || anchor === "" || page === undefined) return undefined;
  return anchorsOf(page).has(anchor) ? undefined : `${found} has no heading for #${anchor}`;
}

/**
 * The anchors as GitHub makes them: lower case, punctuation gone, blanks as dashes, repeats
 * numbered.
 */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  let fenced = false;
  for (const line of page.split("\n")) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const heading = fenced ? undefined : /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
    let anchor = slug;
    for (let repeat = 1; anchors.has(anchor); repeat += 1) anchor = `${slug}-${String(repeat)}`;
    anchors.add(anchor);
  }
  return anchors;
}
