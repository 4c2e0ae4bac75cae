/**
 * From forms of type `any` to the column types that a rule declares (`types`), and back. A cast takes only what
 * it can hold exactly; anything else is a FormFault, so a document of another make is parked, never bent (I10).
 */
import { quotedForm, taggedForm, unquotedForm } from "../model/any-form.js";
import type { Column, ValueType } from "../model/table.js";
import { FormFault, plainNumber } from "./computed-forms.js";

/** The types that a field of a source without column types can be declared to have. */
export const castTypes = [
  "bool",
  "int",
  "int64",
  "float",
  "decimal",
  "text",
  "objectId",
  "uuid",
  "bytes",
  "timestamptz",
  "json",
] as const;

export type CastType = (typeof castTypes)[number];

export interface Cast {
  readonly declared: CastType;
  /** What the client's column is. */
  readonly column: Pick<Column, "type" | "native">;
  /** The column's form of an `any` form; never called with ABSENT. Throws FormFault. */
  write(form: string): string;
  /** The `any` form that a column's form usually comes from. */
  restore(written: string): string;
  /** It always comes from that one. */
  readonly isReversible: boolean;
}

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

const INTEGER = /^-?\d+$/;
const NUMBER = /^-?\d/;

const asIs = (form: string): string => form;

const casts: Readonly<Record<CastType, Cast>> = {
  bool: cast("bool", "bool", (form) => {
    if (form !== "true" && form !== "false") throw misfit(form, "bool");
    return form;
  }),
  int: cast("int", "int", (form) => {
    if (INTEGER.test(form)) return form;
    const integer = integerOf(form, "int");
    if (!isSafe(integer)) throw misfit(form, "int", "beyond ±(2^53 − 1)");
    return integer.toString();
  }),
  int64: cast("int64", "int64", (form) => {
    if (INTEGER.test(form)) return form;
    const integer = integerOf(form, "int64");
    if (integer > INT64_MAX || integer < INT64_MIN) throw misfit(form, "int64", "beyond 64 bits");
    return isSafe(integer) ? integer.toString() : `"${integer.toString()}"`;
  }),
  float: cast("float", "float", floatOf),
  decimal: cast("decimal", "decimal", decimalOf, (written) => `{"$numberDecimal":${written}}`),
  text: cast("text", "text", (form) => {
    if (form.startsWith('"')) return form;
    throw misfit(form, "text");
  }),
  objectId: cast("objectId", "text", (form) => textOf(form, "$oid", "objectId"), tagger("$oid")),
  uuid: cast("uuid", "uuid", (form) => textOf(form, "$uuid", "uuid"), tagger("$uuid")),
  bytes: cast("bytes", "bytes", bytesOf, (written) => {
    return `{"$binary":{"base64":${written},"subType":"00"}}`;
  }),
  timestamptz: cast("timestamptz", "timestamptz", timeOf, tagger("$date")),
  json: {
    declared: "json",
    column: { type: "json", native: "bson" },
    write: quotedForm,
    restore: (written) => (written === "null" ? written : unquotedForm(written)),
    isReversible: true,
  },
};

export function castOf(declared: CastType): Cast {
  return casts[declared];
}

function cast(
  declared: CastType,
  type: ValueType,
  write: (form: string) => string,
  restore: (written: string) => string = asIs,
): Cast {
  return {
    declared,
    column: { type, native: declared },
    write: (form) => (form === "null" ? form : write(form)),
    restore: (written) => (written === "null" ? written : restore(written)),
    isReversible: false,
  };
}

function tagger(tag: string): (written: string) => string {
  return (written) => `{"${tag}":${written}}`;
}

function textOf(form: string, tag: string, declared: CastType): string {
  const tagged = taggedForm(form);
  if (tagged?.tag !== tag || !tagged.content.startsWith('"')) throw misfit(form, declared);
  return tagged.content;
}

function integerOf(form: string, declared: CastType): bigint {
  if (form.endsWith("e0")) return BigInt(form.slice(0, -2));
  const tagged = taggedForm(form);
  if (tagged?.tag === "$numberLong") return BigInt(JSON.parse(tagged.content) as string);
  const number = NUMBER.test(form) ? Number(form) : decimalNumber(form);
  // A double's −0 would come back as 0.
  if (number === undefined) throw misfit(form, declared);
  if (!Number.isInteger(number) || Object.is(number, -0)) {
    throw misfit(form, declared, "not a whole number");
  }
  return BigInt(number);
}

/** A decimal as a double, where that is a safe integer; NaN otherwise. */
function decimalNumber(form: string): number | undefined {
  const tagged = taggedForm(form);
  if (tagged?.tag !== "$numberDecimal") return undefined;
  const number = Number(JSON.parse(tagged.content) as string);
  return Number.isSafeInteger(number) && isWhole(tagged.content) ? number : NaN;
}

/** No digit but zeros behind the point: a double may have rounded them away. */
function isWhole(content: string): boolean {
  return /^"-?\d+(\.0*)?"$/.test(content);
}

function floatOf(form: string): string {
  if (NUMBER.test(form)) {
    const value = Number(form);
    return Object.is(value, -0) ? '"-0"' : String(value);
  }
  const tagged = taggedForm(form);
  if (tagged?.tag === "$numberDouble") {
    if (tagged.content.startsWith('"0x')) throw misfit(form, "float", "a NaN with a payload");
    return tagged.content;
  }
  if (tagged?.tag !== "$numberLong") throw misfit(form, "float");
  const digits = JSON.parse(tagged.content) as string;
  if (BigInt(Number(digits)) !== BigInt(digits)) throw misfit(form, "float", "beyond 53 bits");
  return String(Number(digits));
}

function decimalOf(form: string): string {
  if (INTEGER.test(form)) return `"${form}"`;
  if (NUMBER.test(form)) return `"${plainNumber(Number(form))}"`;
  const tagged = taggedForm(form);
  if (tagged?.content.startsWith('"0x') === true) throw misfit(form, "decimal", "a payload");
  switch (tagged?.tag) {
    case "$numberDecimal":
    case "$numberLong":
    case "$numberDouble":
      return tagged.content;
    default:
      throw misfit(form, "decimal");
  }
}

function bytesOf(form: string): string {
  const tagged = taggedForm(form);
  const found = /^\{"base64":("[^"]*"),"subType":"00"\}$/.exec(tagged?.content ?? "")?.[1];
  if (tagged?.tag !== "$binary" || found === undefined) throw misfit(form, "bytes");
  return found;
}

/** Years past 9999 and before 0 are printed as ISO 8601 does: with a sign and six digits. */
function timeOf(form: string): string {
  const tagged = taggedForm(form);
  if (tagged?.tag !== "$date") throw misfit(form, "timestamptz");
  if (tagged.content.startsWith('"')) return tagged.content;
  const ms = Number(/"(-?\d+)"/.exec(tagged.content)?.[1]);
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw misfit(form, "timestamptz", "beyond 275,760 years");
  return JSON.stringify(date.toISOString());
}

function isSafe(integer: bigint): boolean {
  return integer <= Number.MAX_SAFE_INTEGER && integer >= Number.MIN_SAFE_INTEGER;
}

/** Names types, never the value. */
function misfit(form: string, declared: CastType, why?: string): FormFault {
  const reason = why === undefined ? "" : ` (${why})`;
  return new FormFault(`holds ${kindOf(form)}${reason}, and is declared as ${declared}`);
}

function kindOf(form: string): string {
  if (form.startsWith('"')) return "a text";
  if (form.startsWith("[")) return "an array";
  if (NUMBER.test(form)) return "a number";
  if (!form.startsWith("{")) return "a bool";
  const tag = taggedForm(form)?.tag;
  return tag === undefined ? "a document" : (tagNames[tag] ?? `a ${tag.slice(1)}`);
}

const tagNames: Readonly<Record<string, string>> = {
  $oid: "an ObjectId",
  $uuid: "a UUID",
  $binary: "bytes",
  $numberDecimal: "a decimal",
  $numberLong: "a number",
  $numberDouble: "a number",
  $utf8: "a text that is no UTF-8",
};
