/**
 * From the text that Postgres prints of a value to its JSON form (see ValueType), without loss (I10). Texts
 * are those of the session settings in connection.ts: ISO dates, hex bytes, UTC, shortest floats.
 */
import type { ValueType } from "../../src/model/table.js";
import { arrayForm } from "./array-form.js";
import { boolBytes, int64Bytes, quotedBytes, sameBytes, timestamptzBytes } from "./byte-forms.js";
import type { ByteForm } from "./byte-forms.js";
import {
  dateForm,
  intervalForm,
  timestampForm,
  timestamptzForm,
  timetzForm,
} from "./time-forms.js";

/** The JSON form of one value's text, never of NULL. */
export type Form = (text: string) => string;

/** What the catalogue says of a type: domains as their base type, `item` for arrays. */
export interface TypeFacts {
  readonly name: string;
  /** pg_type.typtype after domains: b, e, c, r, m. */
  readonly kind: string;
  /** pg_type.typcategory. */
  readonly category: string;
  /** Of an array: its items, and what separates them. */
  readonly item: TypeFacts | undefined;
  readonly delimiter: string;
}

export interface ValueForm {
  readonly type: ValueType;
  readonly of?: ValueType;
  readonly form: Form;
  /** The same for bytes, where a type has it. */
  readonly bytes?: ByteForm;
}

const text: Form = (value) => JSON.stringify(value);

const forms: Readonly<Record<string, ValueForm>> = {
  bool: {
    type: "bool",
    form: (value) => (value === "t" || value === "true" ? "true" : "false"),
    bytes: boolBytes,
  },
  int2: { type: "int", form: (value) => value, bytes: sameBytes },
  int4: { type: "int", form: (value) => value, bytes: sameBytes },
  oid: { type: "int", form: (value) => value, bytes: sameBytes },
  int8: { type: "int64", form: int64Form, bytes: int64Bytes },
  float4: { type: "float", form: floatForm },
  float8: { type: "float", form: floatForm },
  numeric: { type: "decimal", form: text, bytes: quotedBytes },
  uuid: { type: "uuid", form: text, bytes: quotedBytes },
  bytea: { type: "bytes", form: bytesForm },
  json: { type: "json", form: text, bytes: quotedBytes },
  jsonb: { type: "json", form: text, bytes: quotedBytes },
  date: { type: "date", form: dateForm },
  time: { type: "time", form: text, bytes: quotedBytes },
  timetz: { type: "timetz", form: timetzForm },
  timestamp: { type: "timestamp", form: timestampForm },
  timestamptz: { type: "timestamptz", form: timestamptzForm, bytes: timestamptzBytes },
  interval: { type: "interval", form: intervalForm },
};

export function formOf(facts: TypeFacts): ValueForm {
  if (facts.item !== undefined) {
    const { type, form } = formOf(facts.item);
    // An array of a domain over an array nests within a text: its items stay what Postgres prints.
    const item =
      facts.item.item === undefined ? { type, form } : { type: "other" as const, form: text };
    return { type: "array", of: item.type, form: arrayForm(item.form, facts.delimiter) };
  }
  const known =
    facts.kind === "b" && Object.hasOwn(forms, facts.name) ? forms[facts.name] : undefined;
  if (known !== undefined) return known;
  const isText = facts.kind === "e" || (facts.kind === "b" && facts.category === "S");
  return { type: isText ? "text" : "other", form: text, bytes: quotedBytes };
}

/** JSON numbers are doubles for nearly every reader: beyond 2^53 − 1 the digits go as a string. */
function int64Form(value: string): string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? value : `"${value}"`;
}

function floatForm(value: string): string {
  // "-0", "NaN", "Infinity" and "-Infinity" are no JSON numbers that survive a reader.
  return value === "-0" || /[a-df-z]/i.test(value) ? `"${value}"` : value;
}

function bytesForm(value: string): string {
  return `"${Buffer.from(value.slice(2), "hex").toString("base64")}"`;
}
