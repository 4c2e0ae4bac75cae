/**
 * Units too large for memory, put aside newest per key until their commit. What a cut or a killed process
 * leaves behind is dropped at the next open: the place says where to go on.
 */
import type { TableSchema } from "../../model/table.js";
import type { WireEntry } from "../../protocol/frames.js";
import { keyPositions, rowKey, VALUES_AT } from "./fold.js";
import type { SqliteConnection, SqliteRow, SqliteValue } from "./sqlite-driver.js";
import type { EntryBatch } from "./store.js";
import { got, type Work } from "./work.js";

/** Rows of a staged unit in memory at once. */
const PAGE_ROWS = 2_000;

const PUT = `INSERT OR REPLACE INTO changecast_staged
        (channel, name, key, version, serial, log, idx, op, body)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const PAGE = `SELECT name, key, version, serial, log, idx, op, body FROM changecast_staged
        WHERE channel=? AND (name, key) > (?, ?)
        ORDER BY name, key LIMIT ${PAGE_ROWS}`;

export function* stageBatch(connection: SqliteConnection, batch: EntryBatch): Work<void> {
  const { schema, channel, base } = batch;
  const isState = schema.kind === "state";
  const putAt = keyPositions(schema, schema.key, true) ?? [];
  const dropAt = keyPositions(schema, schema.key, false) ?? [];
  let rows: SqliteValue[][] = [];
  for (const entry of batch.entries) {
    const [serial, delta, index, op] = entry;
    let key = String(serial).padStart(16, "0");
    if (isState && op === "t") {
      if (rows.length > 0) yield* got(connection.runMany(PUT, rows));
      rows = [];
      yield* got(
        connection.run("DELETE FROM changecast_staged WHERE channel=? AND name=?", [
          channel,
          schema.table,
        ]),
      );
      // Sorts before every key: a page begins with it.
      key = "";
    } else if (isState) {
      key = JSON.stringify(rowKey(entry, op === "i" || op === "u" ? putAt : dropAt));
    }
    const body = JSON.stringify(entry.slice(VALUES_AT));
    const log = base + delta;
    rows.push([channel, schema.table, key, schema.version, serial, log, index, op, body]);
  }
  if (rows.length > 0) yield* got(connection.runMany(PUT, rows));
}

export function* unstage(connection: SqliteConnection, channel: string): Work<void> {
  yield* got(connection.run("DELETE FROM changecast_staged WHERE channel=?", [channel]));
}

/** Calls `apply` with what was staged for the channel, page by page. */
export function* staged(
  connection: SqliteConnection,
  channel: string,
  schemaOf: (table: string, version: number) => TableSchema,
  apply: (batches: readonly EntryBatch[]) => Work<void>,
): Work<void> {
  let after: [string, string] = ["", ""];
  for (;;) {
    const rows = yield* got(connection.all(PAGE, [channel, ...after]));
    const last = rows[rows.length - 1];
    if (last === undefined) return;
    after = [String(last["name"]), String(last["key"])];
    yield* apply(batchesOf(channel, rows, schemaOf));
    if (rows.length < PAGE_ROWS) return;
  }
}

function batchesOf(
  channel: string,
  rows: readonly SqliteRow[],
  schemaOf: (table: string, version: number) => TableSchema,
): EntryBatch[] {
  const batches: { channel: string; schema: TableSchema; base: number; entries: WireEntry[] }[] =
    [];
  for (const row of rows) {
    const schema = schemaOf(String(row["name"]), Number(row["version"]));
    let batch = batches[batches.length - 1];
    if (batch?.schema !== schema) {
      batches.push((batch = { channel, schema, base: 0, entries: [] }));
    }
    const values = JSON.parse(String(row["body"])) as unknown[];
    const op = String(row["op"]) as WireEntry[3];
    batch.entries.push([
      Number(row["serial"]),
      Number(row["log"]),
      Number(row["idx"]),
      op,
      ...values,
    ]);
  }
  return batches;
}
