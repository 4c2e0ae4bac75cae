/** What a store is given in its contract: batches, steps and units, written by hand. */
import type { NaturalValue } from "../../src/client/stores/natural-values.js";
import type { ChannelStep, EntryBatch, StoreUnit } from "../../src/client/stores/store.js";
import type { TableSchema } from "../../src/model/table.js";
import type { WireEntry } from "../../src/protocol/frames.js";

type Row = Readonly<Record<string, NaturalValue>>;

export function batch(channel: string, schema: TableSchema, ...entries: WireEntry[]): EntryBatch {
  return { channel, schema, base: 0, entries };
}

export function step(
  channel: string,
  serial: number,
  more: Partial<ChannelStep> = {},
): ChannelStep {
  return { channel, place: { epoch: 1, serial, log: serial, run: "r1" }, ready: true, ...more };
}

export function unit(
  at: number,
  channels: readonly ChannelStep[],
  ...batches: EntryBatch[]
): StoreUnit {
  return { at, schemas: [], channels, batches };
}

/** A row of `products` in one text. */
export function rowText(row: Row, between: string): string {
  return [row["id"], row["name"]]
    .map((value) => JSON.stringify(value))
    .join(between)
    .replaceAll('"', "");
}
