/** The units of the store's crash test, each made of its number alone, so that two processes agree on them. */
import type { EntryBatch, StoreUnit } from "../../src/client/stores/store.js";
import type { TableSchema } from "../../src/model/table.js";
import type { WireEntry } from "../../src/protocol/frames.js";
import { SeededRandom } from "../support/seeded-random.js";

export interface CrashUnit {
  /** Put aside before the unit. */
  readonly staged: readonly EntryBatch[];
  readonly unit: StoreUnit;
}

const KEYS = 300;
const ENTRIES = 60;
/** Every so many units the table gets another shape: columns come and go. */
const SHAPE_UNITS = 25;

export const happened: TableSchema = {
  table: "happened",
  version: 1,
  kind: "events",
  columns: [{ name: "what", type: "text" }],
  key: [],
};

export function stockSchema(number: number): TableSchema {
  const version = 1 + Math.floor(number / SHAPE_UNITS);
  const columns: TableSchema["columns"] = [
    { name: "id", type: "int" },
    { name: "value", type: "text" },
    ...(version % 3 === 0 ? [] : [{ name: `extra${version % 3}`, type: "int" as const }]),
  ];
  return { table: "stock", version, kind: "state", columns, key: ["id"] };
}

/** Unit 1, 2, 3 …; its number is the serial of both channels. */
export function crashUnit(number: number): CrashUnit {
  const random = new SeededRandom(number);
  const schema = stockSchema(number);
  const entries = { a: [] as WireEntry[], b: [] as WireEntry[] };
  for (let index = 0; index < ENTRIES; index += 1) {
    const channel = random.next() < 0.5 ? "a" : "b";
    const key = random.below(KEYS);
    const dice = random.next();
    if (dice < 0.005) entries[channel].push([number, number, index, "t"]);
    else if (dice < 0.3) entries[channel].push([number, number, index, "d", key]);
    else {
      const more = schema.columns.length === 3 ? [index] : [];
      entries[channel].push([number, number, index, "u", key, `unit ${number}`, ...more]);
    }
  }
  const a: EntryBatch = { channel: "a", schema, base: 0, entries: entries.a };
  const b: EntryBatch = { channel: "b", schema, base: 0, entries: entries.b };
  const event: WireEntry = [number, number, ENTRIES, "i", `unit ${number}`];
  const log: EntryBatch = { channel: "b", schema: happened, base: 0, entries: [event] };
  const isStaged = random.next() < 0.2;
  const isSnapshot = random.next() < 0.05;
  const place = { epoch: 1, serial: number, log: number, run: "r" };
  return {
    staged: isStaged ? [a] : [],
    unit: {
      at: number,
      schemas: [],
      batches: isStaged ? [b, log] : [a, b, log],
      channels: [
        {
          channel: "a",
          place,
          ready: true,
          ...(isStaged ? { staged: true } : {}),
          ...(isSnapshot ? { replace: "all" as const } : {}),
        },
        { channel: "b", place, ready: true },
      ],
    },
  };
}
