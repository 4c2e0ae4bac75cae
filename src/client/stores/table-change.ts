/** What a newer schema version asks of a table that holds rows already. Pure: each store performs it its way. */
import type { Column, TableSchema } from "../../model/table.js";

export type TableStep =
  /** Nothing that a store would notice. */
  | { readonly kind: "same" }
  /** Columns joined at the end. */
  | { readonly kind: "add"; readonly columns: readonly Column[] }
  /** Columns left or changed their type: rows stay, in a new table. */
  | { readonly kind: "rebuild" }
  /** Rows are told apart in another way: all of them come again under their new keys, so the old ones go. */
  | { readonly kind: "rekey" };

export function tableStep(from: TableSchema, to: TableSchema): TableStep {
  if (from.kind !== to.kind || !sameList(from.key, to.key)) return { kind: "rekey" };
  const before = new Map(from.columns.map((column) => [column.name, column]));
  const added: Column[] = [];
  let kept = 0;
  for (const column of to.columns) {
    const old = before.get(column.name);
    if (old === undefined) added.push(column);
    else if (old.type === column.type) kept += 1;
    else return { kind: "rebuild" };
  }
  if (kept < from.columns.length) return { kind: "rebuild" };
  return added.length === 0 ? { kind: "same" } : { kind: "add", columns: added };
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
