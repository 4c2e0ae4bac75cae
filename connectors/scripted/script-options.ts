/** The options of a scripted source in the YAML: one literal gives their check and their JSON schema. */
import { z } from "zod";
import type { Problem } from "../../src/model/problem.js";
import type { Row, TableDefinition } from "./scripted-table.js";
import type { Step } from "./scripted-source.js";

const VALUE_TYPES = [
  ...(["bool", "int", "int64", "float", "decimal", "text", "uuid", "bytes", "json"] as const),
  ...(["date", "time", "timetz", "timestamp", "timestamptz", "interval", "other"] as const),
] as const;

const names = z.array(z.string().min(1)).min(1);
const cell = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const row = z.record(z.string(), cell);
const column = z.strictObject({ name: z.string().min(1), type: z.enum(VALUE_TYPES) });

const table = z.strictObject({
  name: z.string().min(1).meta({ description: "As rules name it, e.g. public.products." }),
  columns: z.array(column).min(1),
  key: names.meta({ description: "Columns of the primary key." }),
  lazy: names
    .optional()
    .meta({ description: "Columns that updates leave out unless they set them." }),
  partitionBy: z.string().optional().meta({ description: "Column that names a row's partition." }),
});

const write = z.union([
  z.strictObject({ insert: z.string(), row }),
  z.strictObject({ update: z.string(), key: z.array(cell), set: row }),
  z.strictObject({ delete: z.string(), key: z.array(cell) }),
  z.strictObject({ truncate: z.string(), leaf: z.string().exactOptional() }),
  z.strictObject({ renew: z.string(), rows: z.array(row) }),
]);

const step = z.union([
  z.strictObject({ commit: z.array(write) }).meta({ description: "One transaction." }),
  z.strictObject({ fault: z.string() }).meta({ description: "The connection breaks." }),
  z.strictObject({ forget: z.literal(true) }).meta({ description: "The history is lost." }),
]);

const options = z.object({
  tables: z.array(table).default([]),
  rows: z.record(z.string(), z.array(row)).default({}).meta({
    description: "Rows that are there from the start, by table.",
  }),
  script: z.array(step).default([]).meta({ description: "What happens, one step after another." }),
});

export interface ScriptedOptions {
  readonly tables: readonly TableDefinition[];
  readonly rows: Readonly<Record<string, readonly Row[]>>;
  readonly script: readonly Step[];
}

export const optionsSchema = z.toJSONSchema(options, { io: "input" });

export function parseScript(
  raw: unknown,
): { readonly options: ScriptedOptions } | { readonly problems: readonly Problem[] } {
  const parsed = options.safeParse(raw);
  if (parsed.success) return { options: parsed.data as ScriptedOptions };
  return {
    problems: parsed.error.issues.map((issue) => ({
      code: "CONFIG_INVALID",
      level: "error",
      message: issue.message,
      cure: "Compare with the example in connectors/README.md.",
      path: issue.path.map((part) => (typeof part === "number" ? part : String(part))),
    })),
  };
}
