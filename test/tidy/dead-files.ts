/** A file that nothing reaches from an entry point is either dead or forgotten; both are bugs. */
import { resolveImport } from "./house.js";
import type { Finding, House } from "./house.js";

/** Where running or importing begins. */
const entries = ["src/main.ts", "src/client/client.ts"];

/** Files that are reached without an import, each with the reason. */
const reachedOtherwise: readonly { readonly under: RegExp; readonly reason: string }[] = [
  {
    under: /^src\/client\/(stores|drivers)\//,
    reason: "a user of the client imports a store and its driver by their subpaths",
  },
  {
    under: /^src\/client\/(history|subscription|table|tabs|react)\.ts$/,
    reason: "entry points of their own, so that only apps that use them download them",
  },
  {
    under: /^src\/journal\/lmdb\/derived-worker\.ts$/,
    reason: "a thread begins there; src/compose/open-journal.ts names it by its URL",
  },
  { under: /^src\/journal\/memory/, reason: "the journal that tests run on" },
  { under: /^connectors\/scripted\//, reason: "the worked example, run by the contract's suite" },
];

const clientPackage = "@changecast/client/";

export function checkDeadFiles(house: House): Finding[] {
  const reached = new Set<string>();
  const open = [...entries, ...clientSubpaths(house)].filter((path) => house.code.has(path));
  open.push(...[...house.code.keys()].filter(isReachedOtherwise));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const use of house.code.get(path)?.imports ?? []) {
      const target = resolveImport(path, use.specifier);
      if (target !== undefined) open.push(target);
    }
  }
  return [...house.code.keys()]
    .filter((path) => /^(src|connectors)\//.test(path) && !reached.has(path))
    .map(
      (path) =>
        `${path}:1: nothing reaches this file from ${entries.join(" or ")}; use or remove it`,
    );
}

function isReachedOtherwise(path: string): boolean {
  return reachedOtherwise.some(({ under }) => under.test(path));
}

function clientSubpaths(house: House): string[] {
  return [...house.code.values()]
    .filter((file) => file.path.startsWith("demo/"))
    .flatMap((file) => file.imports)
    .filter((use) => use.specifier.startsWith(clientPackage))
    .map((use) => `src/client/${use.specifier.slice(clientPackage.length)}.ts`);
}
