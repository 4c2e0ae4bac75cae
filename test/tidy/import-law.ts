/**
 * Who may import whom (the table of src/ARCHITECTURE.md), and which package stays behind which
 * fence. Tests may import anything; nothing may import a test.
 */
import { packageOf, resolveImport } from "./house.js";
import type { Finding, House, ImportUse, ParsedFile } from "./house.js";

/** An area is a folder of src, `main` or `compose`, `connectors/<name>`, `demo` or `test`. */
const law: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ["base"],
  protocol: ["base", "model"],
  connector: ["base", "model"],
  rules: ["base", "model"],
  journal: ["base", "model"],
  config: ["base", "model", "rules", "connector"],
  pipeline: ["base", "model", "connector", "rules", "journal"],
  broker: ["base", "model", "protocol", "journal"],
  client: ["base", "model", "protocol"],
  ops: ["base"],
  cli: [
    ...["compose", "config", "ops", "client", "model"],
    ...["base", "connector", "rules", "journal"],
  ],
  compose: [
    ...["base", "model", "protocol", "connector", "rules", "journal"],
    ...["config", "pipeline", "broker", "client", "ops"],
  ],
  main: ["cli", "compose", "config", "ops", "base"],
  demo: [],
};

const connectorMayImport = ["base", "model", "connector"];

/** The broker reads through the contract; no journal of its own kind reaches it. */
const journalContract = "src/journal/journal.ts";

/** Connectors are loaded here, when the configuration names them, and nowhere else. */
const connectorRegistry = "src/connector/registry.ts";

/**
 * Where each package may be imported. Under src and connectors a package without a line is refused.
 */
const fences: Readonly<Record<string, readonly RegExp[]>> = {
  pg: [/^connectors\/postgres/],
  react: [/^src\/client\/react\.ts$/],
  mongodb: [/^connectors\/mongodb\//],
  // On Node before 22 the command that is a client has no WebSocket of its own.
  ws: [/^src\/broker\/transports\//, /^src\/cli\/tail\.ts/],
  lmdb: [/^src\/journal\/lmdb/],
  ioredis: [/^src\/journal\/redis/],
  yaml: [/^src\/config\//, /^src\/rules\//],
  zod: [/^src\/config\//, /^src\/connector\//, /^src\/rules\//, /^connectors\//],
  "@marcbachmann/cel-js": [/^src\/rules\//],
  pino: [/^src\/ops\//],
  "pino-pretty": [/^src\/ops\//],
  "prom-client": [/^src\/ops\//],
  jose: [/^src\/broker\/auth/],
};

/** These run in a browser, or anywhere. */
const withoutNode = ["base", "model", "protocol", "client"];

/** What the demo takes as a user would. */
const clientPackage = "@changecast/client";

export function checkImports(house: House): Finding[] {
  const findings: Finding[] = [];
  for (const file of house.code.values()) {
    const area = areaOf(file.path);
    if (area === "test") continue;
    for (const use of file.imports) {
      const problem = importProblem(house, file, use);
      if (problem !== undefined) findings.push(`${file.path}:${String(use.line)}: ${problem}`);
    }
  }
  return findings;
}

export function areaOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  if (top === "connectors") return `connectors/${second}`;
  if (top !== "src") return top;
  return second.replace(/\.ts$/, "");
}

function importProblem(house: House, file: ParsedFile, use: ImportUse): string | undefined {
  const target = resolveImport(file.path, use.specifier);
  if (target !== undefined) {
    if (!house.code.has(target)) return `imports ${target}, which does not exist`;
    return relativeProblem(file.path, target, use);
  }
  const area = areaOf(file.path);
  const name = packageOf(use.specifier);
  if (name === undefined) {
    if (!withoutNode.includes(area)) return undefined;
    return `imports ${use.specifier}, but ${area} must run in a browser too; pass in what it needs`;
  }
  return packageProblem(file.path, name);
}

function relativeProblem(from: string, target: string, use: ImportUse): string | undefined {
  const area = areaOf(from);
  const other = areaOf(target);
  if (area === other) return undefined;
  if (from === connectorRegistry && other.startsWith("connectors/") && use.lazy) return undefined;
  const allowed = area.startsWith("connectors/") ? connectorMayImport : law[area];
  if (allowed === undefined) {
    return `the area ${area} has no line in the import law (test/tidy/import-law.ts); give it one`;
  }
  if (!allowed.includes(other)) {
    const list = allowed.length === 0 ? "nothing of ours" : allowed.join(", ");
    return `imports ${target}, but ${area} may import only ${list}; move the code or pass it in`;
  }
  if (area === "broker" && other === "journal" && target !== journalContract) {
    return `imports ${target}, but the broker sees the journal through ${journalContract} alone`;
  }
  return undefined;
}

function packageProblem(from: string, name: string): string | undefined {
  if (areaOf(from) === "demo") return undefined;
  if (name === clientPackage) return `imports ${name}; inside src use the relative path`;
  const fence = fences[name];
  if (fence === undefined) {
    return `imports ${name}, which has no fence in test/tidy/import-law.ts; give it one, with care`;
  }
  if (fence.some((place) => place.test(from))) return undefined;
  const places = fence.map((place) => place.source.replaceAll("\\", "").slice(1)).join(", ");
  return `imports ${name}, which only ${places} may import; ask that code for what you need`;
}
