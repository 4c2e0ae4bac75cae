/**
 * `changecast explain`: what the rules make of one document, without a database. Columns and their types
 * are taken from the document's JSON values; for a source without types of columns the values are its own.
 */
import { AppError } from "../base/errors.js";
import { loadConfig } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import { ABSENT } from "../model/change.js";
import type { Relation } from "../model/change.js";
import type { ValueType } from "../model/table.js";
import { splitFragment } from "../model/fragments.js";
import type { BoundRule, Rule } from "../rules/rule.js";
import {
  exitCodes,
  parseCommandArgs,
  refusePositionals,
  usageError,
  type Command,
} from "./command.js";
import type { Io } from "./io.js";

export const explainCommand: Command = {
  name: "explain",
  help: `Shows which rules match a document and which channels it goes to. Needs no database.

Usage: changecast explain [-c FILE] --doc JSON [--relation NAME]

  -c, --config FILE   the configuration; default changecast.yaml
  --doc JSON          the row or document, e.g. '{"id": 1, "store_id": 7, "name": "tea"}'
  --relation NAME     only rules that read this table, e.g. public.products

Types come from the JSON: 1 is an int, 1.5 a float, "x" a text, a map or list json. For MongoDB
write an ObjectId as {"$oid": "…"}, a date as {"$date": "…"}: connectors/mongodb/VALUES.md.
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("explain", args, {
      config: { type: "string", short: "c", default: "changecast.yaml" },
      doc: { type: "string" },
      relation: { type: "string" },
    });
    refusePositionals("explain", positionals);
    if (values.doc === undefined) throw usageError("explain", "--doc is missing");
    const document = parseDocument(values.doc);
    const loaded = await loadConfig(values.config, io.env);
    // An unset password or a missing key does not change what rules do.
    const problems = loaded.problems.filter(({ path }) => (path?.[0] ?? "rules") === "rules");
    for (const line of reportProblems(problems, { colour: io.colour })) io.err(line);
    if (problems.some(({ level }) => level === "error")) return exitCodes.refused;
    const isOpen = ({ source }: Rule) => loaded.connectors.get(source)?.isOpen === true;
    explainRules(loaded.rules, (rule) => (isOpen(rule) ? openOf(document) : document), {
      relation: values.relation,
      io,
    });
    return exitCodes.ok;
  },
};

interface GivenDocument {
  readonly isOpen: boolean;
  readonly columns: Relation["columns"];
  readonly values: readonly string[];
  /** The values' own JSON. */
  readonly texts: readonly string[];
}

function parseDocument(text: string): GivenDocument {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw usageError("explain", `--doc is not JSON: ${(error as Error).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw usageError("explain", "--doc is not a JSON object");
  }
  const entries = Object.entries(parsed).map(([name, value]) => ({ name, ...formOf(value) }));
  if (entries.length === 0) throw usageError("explain", "--doc has no field");
  return {
    isOpen: false,
    columns: entries.map(({ name, type }) => ({ name, type })),
    values: entries.map(({ form }) => form),
    texts: Object.values(parsed).map((value) => JSON.stringify(value)),
  };
}

/** The same document of a source whose values carry their types. */
function openOf({ columns, texts }: GivenDocument): GivenDocument {
  const open = columns.map(({ name }) => ({ name, type: "any" as const }));
  return { isOpen: true, columns: open, values: texts, texts };
}

/** A null could be of any type: as json it is compared with anything. */
function formOf(value: unknown): { readonly type: ValueType; readonly form: string } {
  if (value === null) return { type: "json", form: "null" };
  if (typeof value === "boolean") return { type: "bool", form: String(value) };
  if (typeof value === "string") return { type: "text", form: JSON.stringify(value) };
  if (typeof value === "number") {
    return { type: Number.isSafeInteger(value) ? "int" : "float", form: JSON.stringify(value) };
  }
  return { type: "json", form: JSON.stringify(JSON.stringify(value)) };
}

function explainRules(
  rules: readonly Rule[],
  documentFor: (rule: Rule) => GivenDocument,
  { relation, io }: { readonly relation: string | undefined; readonly io: Io },
): void {
  const asked = rules.filter((rule) => relation === undefined || rule.reads(relation));
  if (asked.length === 0) io.out(`no rule reads ${relation ?? "anything"}`);
  for (const [index, rule] of asked.entries()) {
    if (index > 0) io.out("");
    const name = relation ?? rule.from[0] ?? "";
    const document = withFields(documentFor(rule), rule);
    io.out(`rule ${rule.name} (${rule.kind}) from ${rule.from.join(", ")}`);
    const bound = rule.bind(relationOf(name, document));
    if ("problems" in bound) {
      for (const { message, cure } of bound.problems)
        io.out(`  cannot map it: ${message}\n    ${cure}`);
    } else explainOutput(bound, document, io);
  }
}

/** Fields that the document does not have are known to an open relation all the same. */
function withFields(document: GivenDocument, rule: Rule): GivenDocument {
  if (!document.isOpen) return document;
  const known = new Set(document.columns.map(({ name }) => name));
  const absent = rule.fields.filter((name) => !known.has(name));
  const columns = absent.map((name) => ({ name, type: "any" as const }));
  const values = absent.map(() => ABSENT);
  return {
    ...document,
    columns: [...document.columns, ...columns],
    values: [...document.values, ...values],
  };
}

/** Which columns are unique is not known here: any key will do. */
function relationOf(name: string, { columns, isOpen }: GivenDocument): Relation {
  const names = columns.map((column) => column.name);
  const key = names.find((each) => each === "id" || each === "_id") ?? names[0] ?? "";
  return {
    name,
    columns,
    identity: [key],
    primaryKey: [key],
    uniqueKeys: names.map((each) => [each]),
    ...(isOpen && { isOpen }),
    fingerprint: "explained",
  };
}

function explainOutput(bound: BoundRule, document: GivenDocument, io: Io): void {
  try {
    const output = bound.evaluate(document.values);
    if (!output.passes) {
      io.out("  does not match: where is false");
      return;
    }
    const channels = output.channels.length === 0 ? "none" : output.channels.join(", ");
    io.out("  matches");
    io.out(`  channels  ${channels}`);
    io.out(`  table     ${bound.table}`);
    if (bound.key.length > 0) io.out(`  key       ${bound.key.join(", ")} = ${output.key}`);
    io.out(`  row       ${rowText(bound, output.body)}`);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const fate = bound.rule.onError === "remove" ? "leaves its channels" : "stays as it was";
    io.out(`  would be parked, and ${fate}: ${error.message} (${error.code})`);
  }
}

function rowText(bound: BoundRule, body: string): string {
  const values = splitFragment(body);
  const pairs = bound.columns.map(
    (column, index) => `${JSON.stringify(column.name)}: ${values[index] ?? "null"}`,
  );
  return `{${pairs.join(", ")}}`;
}
