/** The client's tables as TypeScript: an interface per table, and one that holds them all by name. */
import type { ChannelKind, Column, ValueType } from "../model/table.js";

export interface DeclaredTable {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

/** `natural`: stores of IndexedDB and in memory; `sqlite`: rows as SQLite hands them out. */
export type RowForm = "natural" | "sqlite";

const NATURAL: Readonly<Partial<Record<ValueType, string>>> = {
  bool: "boolean",
  int: "number",
  int64: "number | bigint",
  float: "number",
  bytes: "Uint8Array",
};

const SQLITE: Readonly<Partial<Record<ValueType, string>>> = {
  bool: "number",
  int: "number",
  int64: "number | bigint",
  float: "number | string",
  bytes: "Uint8Array",
};

/** Tables in the order given; every column but those of the key may be null. */
export function rowDeclarations(tables: readonly DeclaredTable[], form: RowForm): string {
  const names = new Map<string, string>();
  for (const { name } of tables) names.set(name, typeName(name, [...names.values()]));
  const blocks = tables.map((table) => declaration(table, names.get(table.name) ?? "Row", form));
  const all = tables.map(({ name }) => `  ${propertyName(name)}: ${names.get(name) ?? "Row"};`);
  const text = [
    "// Written by `changecast types`: what a change of rules or tables makes of them.",
    ...blocks,
    `export interface Tables {\n${all.join("\n")}\n}`,
  ].join("\n\n");
  return `${text}\n`;
}

function declaration(table: DeclaredTable, name: string, form: RowForm): string {
  const taken = new Set(table.columns.map((column) => column.name.toLowerCase()));
  const own = (column: string): string => (taken.has(column) ? `changecast_${column}` : column);
  const added =
    table.kind === "events"
      ? [`${own("channel")}: string;`, `${own("serial")}: number;`, `${own("op")}: string;`]
      : [];
  const columns = table.columns.map((column) => {
    const isKey = table.kind === "state" && table.key.includes(column.name);
    const type = isKey ? valueType(column, form) : `${valueType(column, form)} | null`;
    return `${propertyName(column.name)}: ${type};`;
  });
  const lines = [...added, ...columns].map((line) => `  readonly ${line}`);
  return `export interface ${name} {\n${lines.join("\n")}\n}`;
}

function valueType(column: Column, form: RowForm): string {
  if (column.type !== "array") return scalarType(column.type, form);
  if (form === "sqlite") return "string";
  // Nested for more dimensions, and an object where a lower bound is not 1: the app knows which it has.
  return "readonly unknown[] | object";
}

function scalarType(type: ValueType, form: RowForm): string {
  return (form === "sqlite" ? SQLITE : NATURAL)[type] ?? "string";
}

/** `order_lines` becomes OrderLines; a name that is taken gets a number. */
function typeName(table: string, taken: readonly string[]): string {
  const words = table.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
  const joined = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  const name = /^\p{L}/u.test(joined) ? joined : `Table${joined}`;
  let free = name === "Tables" ? "TablesRow" : name;
  for (let count = 2; taken.includes(free); count += 1) free = `${name}${count}`;
  return free;
}

function propertyName(name: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? name : JSON.stringify(name);
}
