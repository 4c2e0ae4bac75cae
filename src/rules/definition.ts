/**
 * What a rule looks like in the YAML: one literal gives types, defaults, bounds and the prose of the
 * published JSON schema. What several parts or rules must agree on is checked by compile.ts.
 */
import { z } from "zod";
import { castTypes } from "./any-casts.js";

/** Rules of one file; each is evaluated for every change of its tables. */
export const RULES_MAX = 1_000;
/** Names, tables and columns: what databases allow, with room. */
const NAME_CHARS_MAX = 100;
const EXPRESSION_CHARS_MAX = 4_000;
const COLUMNS_MAX = 1_600;

const name = z
  .string()
  .min(1)
  .max(NAME_CHARS_MAX)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "letters, digits, _ . - only");

const columnName = z
  .string()
  .min(1)
  .max(NAME_CHARS_MAX)
  // Control characters would only ever be a slip.
  .regex(/^[^\p{Cc}]+$/u, "no control characters");

const expression = z.string().trim().min(1).max(EXPRESSION_CHARS_MAX);

const relationPattern = z
  .string()
  .min(1)
  .max(2 * NAME_CHARS_MAX)
  .regex(/^[^\p{Cc}]+$/u, "no control characters");

/** The types that a computed column can have. */
export const computedTypes = [
  "bool",
  "int",
  "int64",
  "float",
  "decimal",
  "text",
  "uuid",
  "bytes",
  "json",
  "date",
  "time",
  "timestamp",
  "timestamptz",
] as const;

const computed = z.union([
  expression.meta({ description: "A CEL expression; its type is inferred." }),
  z.strictObject({
    value: expression.meta({ description: "A CEL expression." }),
    type: z.enum(computedTypes).meta({ description: "The column's type in the client's table." }),
  }),
]);

export const ruleDefinition = z
  .strictObject({
    name: name.meta({ description: "Names the rule in the journal, logs and metrics." }),
    source: name.meta({ description: "One of `sources`." }),
    from: z
      .union([relationPattern, z.array(relationPattern).min(1).max(100)])
      .meta({ description: "Table or collection, a list of them, or patterns with `*`." }),
    where: expression
      .optional()
      .meta({ description: "CEL: only documents for which it is true are put out." }),
    channel: z
      .string()
      .min(1)
      .max(EXPRESSION_CHARS_MAX)
      .optional()
      .meta({ description: 'Channel name with CEL in braces, e.g. "store:{doc.store_id}".' }),
    channels: expression
      .optional()
      .meta({ description: "CEL that gives a list of channel names, for many channels." }),
    fields: z
      .array(columnName)
      .min(1)
      .max(COLUMNS_MAX)
      .optional()
      .meta({ description: "Columns that are put out, in this order; all of them by default." }),
    exclude: z
      .array(columnName)
      .min(1)
      .max(COLUMNS_MAX)
      .optional()
      .meta({ description: "Columns that are not put out." }),
    types: z.record(columnName, z.enum(castTypes)).optional().meta({
      description:
        "Types of fields where the source has none (MongoDB): `field: type`; others are put out as JSON.",
    }),
    rename: z
      .record(columnName, columnName)
      .optional()
      .meta({ description: "New names of columns: `old: new`." }),
    compute: z
      .record(columnName, computed)
      .optional()
      .meta({ description: "More columns, each by a CEL expression." }),
    key: z
      .union([columnName, z.array(columnName).min(1).max(32)])
      .optional()
      .meta({ description: "Key of the client's table, as put out; by default the primary key." }),
    as: columnName
      .optional()
      .meta({ description: "The client's table; by default the table's own name." }),
    kind: z
      .enum(["state", "events"])
      .default("state")
      .meta({ description: "`state`: rows as they are now. `events`: every change, append only." }),
    onError: z.enum(["remove", "keep"]).default("remove").meta({
      description:
        "A row whose expression fails leaves its channels (`remove`) or stays as it was (`keep`).",
    }),
  })
  .meta({ title: "Rule", description: "Maps the documents of a source to channels." });

export const rulesDefinition = z.array(ruleDefinition).min(1).max(RULES_MAX);

export type RuleDefinition = z.infer<typeof ruleDefinition>;

/** Keys of a rule, for suggestions. */
export const ruleKeys: readonly string[] = Object.keys(ruleDefinition.shape);
