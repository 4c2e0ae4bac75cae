/**
 * Units too large for memory, put aside as they came, a frame's entries to a row, until their commit. What a
 * cut or a killed process leaves behind is dropped at the next open: the place says where to go on.
 *
 * Not newest per key: that would write every row twice in key order, with an index of its own. Memory is
 * bounded by reading back in slices, each of which is folded like a unit.
 */
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import type { SqliteConnection, SqliteValue } from "./sqlite-driver.js";
import type { EntryBatch } from "./store.js";
import { got, type Work } from "./work.js";

/** Characters of a staged unit in memory at once, unless a single frame has more. */
const SLICE_LENGTH = 8 * 1024 * 1024;

const PUT =
  "INSERT INTO changecast_staged (channel, name, version, base, entries) VALUES (?, ?, ?, ?, ?)";
const NEXT = `SELECT id, name, version, base, entries FROM changecast_staged
        WHERE channel=? AND id>? ORDER BY id LIMIT 1`;

export function* stageBatches(
  connection: SqliteConnection,
  batches: readonly EntryBatch[],
): Work<void> {
  const rows: SqliteValue[][] = batches.map(({ channel, schema, base, entries }) => [
    channel,
    schema.table,
    schema.version,
    base,
    JSON.stringify(entries),
  ]);
  yield* got(connection.runMany(PUT, rows));
}

export function* unstage(connection: SqliteConnection, channel: string): Work<void> {
  yield* got(connection.run("DELETE FROM changecast_staged WHERE channel=?", [channel]));
}

/** Calls `apply` with what was staged for the channel, slice by slice, in the order in which it came. */
export function* staged(
  connection: SqliteConnection,
  channel: string,
  schemaOf: (table: string, version: number) => TableSchema,
  apply: (batches: readonly EntryBatch[]) => Work<void>,
): Work<void> {
  let slice: EntryBatch[] = [];
  let length = 0;
  let after = 0;
  for (;;) {
    const [row] = yield* got(connection.all(NEXT, [channel, after]));
    if (row === undefined) break;
    after = Number(row["id"]);
    const schema = schemaOf(String(row["name"]), Number(row["version"]));
    const text = String(row["entries"]);
    const entries = JSON.parse(text) as WireEntry[];
    slice.push({ channel, schema, base: Number(row["base"]), entries });
    length += text.length;
    if (length < SLICE_LENGTH) continue;
    yield* apply(slice);
    slice = [];
    length = 0;
  }
  if (slice.length > 0) yield* apply(slice);
}
