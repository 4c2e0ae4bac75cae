/** Rows of about 200 bytes, as the benches of the client get them from a journal: schema, bodies, entries. */
import type { ChannelEntry, Op } from "../../src/model/entry.js";
import type { TableSchema } from "../../src/model/table.js";

export const itemsSchema: TableSchema = {
  table: "items",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int64" },
    { name: "store", type: "int" },
    { name: "name", type: "text" },
    { name: "price", type: "decimal" },
    { name: "quantity", type: "int" },
    { name: "note", type: "text" },
    { name: "updated_at", type: "timestamptz" },
  ],
  key: ["id"],
};

const encoder = new TextEncoder();

/** The row's values as a body; `turn` makes each time another content. */
export function itemBody(id: number, turn: number): Uint8Array {
  const note = `${String(turn)} ${"0123456789abcdef".repeat(8)}`.slice(0, 128);
  const price = ((id * 7 + turn) % 10_000) / 100;
  const second = String(turn % 60).padStart(2, "0");
  return encoder.encode(
    `${String(id)},${String(id % 100)},"item ${String(id)}","${price.toFixed(2)}",${String(turn % 1_000)},` +
      `"${note}","2026-01-01T00:00:${second}.000001Z"`,
  );
}

export function itemKey(id: number): Uint8Array {
  return encoder.encode(String(id));
}

export function itemEntry(
  place: { readonly serial: number; readonly log: number; readonly index: number },
  op: Op,
  body: Uint8Array,
): ChannelEntry {
  return { ...place, op, table: itemsSchema.table, schema: itemsSchema.version, body };
}
