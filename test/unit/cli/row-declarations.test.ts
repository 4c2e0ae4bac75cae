/** Tables as TypeScript: every type and name, and the compiler takes what comes out. */
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { type DeclaredTable, rowDeclarations } from "../../../src/cli/row-declarations.js";

const tables: readonly DeclaredTable[] = [
  {
    name: "order_lines",
    kind: "state",
    columns: [
      { name: "id", type: "int64" },
      { name: "paid", type: "bool" },
      { name: "unit price", type: "decimal" },
      { name: "photo", type: "bytes" },
      { name: "tags", type: "array", of: "text" },
    ],
    key: ["id"],
  },
  { name: "order lines", kind: "state", columns: [{ name: "id", type: "uuid" }], key: ["id"] },
  { name: "1st", kind: "events", columns: [{ name: "op", type: "int" }], key: [] },
];

describe("declarations", () => {
  it("name each table and column, what may be null, and what an events table adds", () => {
    expect(rowDeclarations(tables, "natural"))
      .toBe(`// Written by \`changecast types\`: what a change of rules or tables makes of them.

export interface OrderLines {
  readonly id: number | bigint;
  readonly paid: boolean | null;
  readonly "unit price": string | null;
  readonly photo: Uint8Array | null;
  readonly tags: readonly unknown[] | object | null;
}

export interface OrderLines2 {
  readonly id: string;
}

export interface Table1st {
  readonly channel: string;
  readonly serial: number;
  readonly changecast_op: string;
  readonly op: number | null;
}

export interface Tables {
  order_lines: OrderLines;
  "order lines": OrderLines2;
  "1st": Table1st;
}
`);
  });

  it.each(["natural", "sqlite"] as const)("of %s rows are TypeScript", (form) => {
    const { diagnostics } = ts.transpileModule(rowDeclarations(tables, form), {
      reportDiagnostics: true,
    });
    expect(diagnostics).toEqual([]);
  });

  it("are of what SQLite hands out where that is asked for", () => {
    const text = rowDeclarations(tables, "sqlite");
    expect(text).toContain("readonly paid: number | null;");
    expect(text).toContain("readonly tags: string | null;");
  });
});
