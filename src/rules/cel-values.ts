/** How the JSON forms of a source's values (model/table.ts) appear in CEL; RULES.md has the table. */
import type { Column, ValueType } from "../model/table.js";
import { celOfAny } from "./any-values.js";

/** CEL's name of a column's type; `dyn<…>` allows null beside it. */
export function celTypeOf(column: Column): string {
  switch (column.type) {
    case "bool":
      return "dyn<bool>";
    case "int":
    case "int64":
      return "dyn<int>";
    case "float":
    case "decimal":
      return "dyn<double>";
    case "bytes":
      return "dyn<bytes>";
    case "json":
    case "array":
    case "any":
      return "dyn";
    default:
      return "dyn<string>";
  }
}

/** Reads the JSON form of one type. Never called with ABSENT. */
export function celReader(column: Column): (form: string) => unknown {
  const { type, of } = column;
  if (type === "array") return (form) => fromArray(JSON.parse(form), of ?? "other");
  if (type === "json") return (form) => (form === "null" ? null : parseTwice(form));
  if (type === "any") return celOfAny;
  if (type === "int" || type === "int64") return readInteger;
  return (form) => fromScalar(JSON.parse(form), type);
}

function readInteger(form: string): unknown {
  if (form === "null") return null;
  return BigInt(form.startsWith('"') ? form.slice(1, -1) : form);
}

function parseTwice(form: string): unknown {
  return JSON.parse(JSON.parse(form) as string);
}

function fromScalar(value: unknown, type: ValueType): unknown {
  if (value === null) return null;
  switch (type) {
    case "int":
    case "int64":
      return BigInt(value as string | number);
    case "float":
    case "decimal":
      return Number(value);
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "json":
      return JSON.parse(value as string);
    default:
      return value;
  }
}

/** Lower bounds other than 1 are of no use to an expression: CEL lists start at 0. */
function fromArray(value: unknown, of: ValueType): unknown {
  if (value === null) return null;
  const items = Array.isArray(value) ? (value as unknown[]) : (value as { items: unknown[] }).items;
  return items.map((item) => (Array.isArray(item) ? fromArray(item, of) : fromScalar(item, of)));
}
