/** Entries as an app reads them: objects by column name, values in their JSON forms (model/table.ts). */
import type { Op } from "../model/entry.js";
import type { TableSchema } from "../model/table.js";
import type { WireEntry } from "../protocol/frames.js";
import { VALUES_AT } from "./stores/fold.js";

export interface Entry {
  readonly channel: string;
  readonly serial: number;
  /** (log, index) orders the entries of all channels. */
  readonly log: number;
  readonly index: number;
  /** `i`, `u`: put; `d`, `m`: gone from the channel; `t`: every earlier row of the table gone; `g`: a gap. */
  readonly op: Op;
  readonly table: string;
  readonly schema: TableSchema;
  /** All columns for `i` and `u`, the key columns for `d` and `m`, nothing else. */
  readonly values: Readonly<Record<string, unknown>>;
}

export function entryView(
  channel: string,
  schema: TableSchema,
  base: number,
  entry: WireEntry,
): Entry {
  const [serial, delta, index, op] = entry;
  const names =
    op === "i" || op === "u"
      ? schema.columns.map(({ name }) => name)
      : op === "d" || op === "m"
        ? schema.key
        : [];
  const values: Record<string, unknown> = {};
  for (let at = 0; at < names.length; at += 1) values[names[at] ?? ""] = entry[VALUES_AT + at];
  return { channel, serial, log: base + delta, index, op, table: schema.table, schema, values };
}
