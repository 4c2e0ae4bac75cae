/** Results of CEL expressions back in the JSON forms of model/table.ts, by declared or inferred type. */
import type { ValueType } from "../model/table.js";

/** A value that the column's type cannot hold; `message` names types, never the value. */
export class FormFault extends Error {}

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

const patterns: Partial<Readonly<Record<ValueType, RegExp>>> = {
  decimal: /^(-?\d+(\.\d+)?|NaN|-?Infinity)$/,
  uuid: /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  date: /^(-?\d{4,6}-\d\d-\d\d|-?infinity)$/,
  time: /^\d\d:\d\d(:\d\d(\.\d{1,6})?)?$/,
  timestamp: /^(-?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?|-?infinity)$/,
  timestamptz: /^(-?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)|-?infinity)$/,
};

/** The column type of an expression whose CEL type is known; undefined where it must be declared. */
export function inferredType(celType: string): ValueType | undefined {
  const type = celType.replace(/^dyn<(.+)>$/, "$1");
  if (type === "bool" || type === "bytes") return type;
  if (type === "int" || type === "uint") return "int64";
  if (type === "double") return "float";
  if (type === "string") return "text";
  if (type === "google.protobuf.Timestamp") return "timestamptz";
  if (type === "dyn" || /^(list|map)\b/.test(type)) return "json";
  return undefined;
}

/** Whether an expression of the CEL type can ever give a value of the column type. */
export function canHold(type: ValueType, celType: string): boolean {
  const inferred = inferredType(celType);
  if (inferred === undefined) return false;
  if (celType === "dyn" || inferred === type || type === "json") return true;
  if (inferred === "int64") return ["int", "float", "decimal"].includes(type);
  if (inferred === "float") return ["int", "int64", "decimal"].includes(type);
  return inferred === "text" && patterns[type] !== undefined;
}

/** Writes values of one column type. Throws FormFault. */
export function formWriter(type: ValueType): (value: unknown) => string {
  const write = writers[type];
  if (write !== undefined) return (value) => (value === null ? "null" : write(value));
  const pattern = patterns[type];
  return (value) => (value === null ? "null" : textForm(value, type, pattern));
}

const writers: Partial<Readonly<Record<ValueType, (value: unknown) => string>>> = {
  bool: (value) => {
    if (typeof value !== "boolean") throw misfit(value, "bool");
    return value ? "true" : "false";
  },
  int: (value) => {
    const integer = asInteger(value, "int");
    if (!isSafe(integer)) throw new FormFault("gives an integer beyond ±(2^53 − 1) for type int");
    return integer.toString();
  },
  int64: (value) => {
    const integer = asInteger(value, "int64");
    if (integer > INT64_MAX || integer < INT64_MIN) {
      throw new FormFault("gives an integer beyond 64 bits");
    }
    return isSafe(integer) ? integer.toString() : `"${integer.toString()}"`;
  },
  float: (value) => {
    if (typeof value === "bigint") return floatForm(Number(value));
    if (typeof value !== "number") throw misfit(value, "float");
    return floatForm(value);
  },
  decimal: (value) => {
    if (typeof value === "bigint") return `"${value.toString()}"`;
    if (typeof value === "number") return `"${plainNumber(value)}"`;
    return textForm(value, "decimal", patterns.decimal);
  },
  bytes: (value) => {
    if (!(value instanceof Uint8Array)) throw misfit(value, "bytes");
    return `"${Buffer.from(value).toString("base64")}"`;
  },
  timestamptz: (value) => {
    if (value instanceof Date) return JSON.stringify(value.toISOString());
    return textForm(value, "timestamptz", patterns.timestamptz);
  },
  json: (value) => JSON.stringify(JSON.stringify(plainJson(value))),
};

function textForm(value: unknown, type: ValueType, pattern: RegExp | undefined): string {
  if (typeof value !== "string") throw misfit(value, type);
  if (pattern !== undefined && !pattern.test(value)) {
    throw new FormFault(`gives a string that is no ${type}`);
  }
  return JSON.stringify(value);
}

function asInteger(value: unknown, type: ValueType): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  throw misfit(value, type);
}

function isSafe(integer: bigint): boolean {
  return integer <= Number.MAX_SAFE_INTEGER && integer >= Number.MIN_SAFE_INTEGER;
}

function floatForm(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '"-0"' : String(value);
  return JSON.stringify(String(value));
}

/** A number without an exponent: 1e21 is "1000000000000000000000". */
export function plainNumber(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  const text = String(value);
  if (!text.includes("e-")) return text;
  return value.toFixed(100).replace(/0+$/, "");
}

function plainJson(value: unknown): unknown {
  if (typeof value === "bigint") return isSafe(value) ? Number(value) : value.toString();
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainJson);
  if (isPlainMap(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainJson(item)]));
  }
  throw misfit(value, "json");
}

function isPlainMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function misfit(value: unknown, type: ValueType): FormFault {
  return new FormFault(`gives a ${celNameOf(value)} for type ${type}`);
}

/** CEL's name of a value's type. */
export function celNameOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "double";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (Array.isArray(value)) return "list";
  if (value instanceof Uint8Array) return "bytes";
  return value instanceof Date ? "timestamp" : "map";
}
