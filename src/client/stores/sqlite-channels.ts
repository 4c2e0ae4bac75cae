/** What a unit does to channels as wholes: snapshots that replace, places that move, channels that go. */
import { must } from "../../base/assert.js";
import type { SqliteConnection } from "./sqlite-driver.js";
import { RowWriter, rowStatement } from "./sqlite-row-writer.js";
import {
  beginReplace,
  type ChannelRow,
  endReplace,
  forgetLater,
  releaseChannel,
  type Write,
} from "./sqlite-members.js";
import { unstage } from "./sqlite-staging.js";
import { quoted, type SqliteTable } from "./sqlite-table.js";
import type { StoreUnit } from "./store.js";
import { got, type Work } from "./work.js";

export function* beginSteps(write: Write, unit: StoreUnit): Work<void> {
  const replaced = unit.channels.filter((step) => step.replace === "all");
  for (const step of unit.channels) {
    if (step.replace === undefined) continue;
    const above = step.replace === "all" ? -1 : (step.replaceAfter ?? 0);
    yield* deleteEvents(write, step.channel, above);
    if (step.replace !== "all") continue;
    const id = write.channels.get(step.channel)?.id ?? 0;
    for (const table of stateTables(write)) yield* beginReplace(write, table, id);
  }
  const isAnotherHistory = [...write.channels.values()].some(({ newest }) => newest > unit.at);
  if (replaced.length === 0 || !isAnotherHistory) return;
  for (const table of stateTables(write)) yield* forgetLater(write, table, unit.at);
  for (const [name, row] of write.channels) {
    write.channels.set(name, { ...row, newest: Math.min(row.newest, unit.at) });
  }
}

export function* endSteps(write: Write, unit: StoreUnit): Work<void> {
  const rows: ChannelRow[] = [];
  for (const step of unit.channels) {
    const row = must(write.channels.get(step.channel), "a channel of the unit");
    if (step.replace === "all") {
      for (const table of stateTables(write)) yield* endReplace(write, table, row.id);
    }
    const next = { ...row, place: step.place, ready: step.ready };
    write.channels.set(step.channel, next);
    rows.push(next);
  }
  yield* saveChannels(write.connection, rows);
}

export function* detach(write: Write, channels: readonly string[]): Work<void> {
  for (const channel of channels) {
    const row = write.channels.get(channel);
    if (row === undefined) continue;
    for (const table of stateTables(write)) yield* releaseChannel(write, table, row.id);
    yield* deleteEvents(write, channel, -1);
    yield* unstage(write.connection, channel);
    yield* got(write.connection.run("DELETE FROM changecast_channels WHERE id=?", [row.id]));
    write.channels.delete(channel);
  }
}

/** Rows of the channel with a serial above `above`, in every `events` table. */
function* deleteEvents(write: Write, channel: string, above: number): Work<void> {
  for (const table of [...write.tables.values()]) {
    if (table.schema.kind !== "events") continue;
    const [name, serial] = table.key;
    if (name === undefined || serial === undefined) continue;
    const deleted = yield* got(
      write.connection.run(
        `DELETE FROM ${quoted(table.physical)} WHERE ${quoted(name.physical)}=? AND ${quoted(serial.physical)}>?`,
        [channel, above],
      ),
    );
    if (deleted === 0) continue;
    write.tally.rows(table.schema.table, { deleted });
    write.tally.unlisted(table.schema.table);
  }
}

function stateTables(write: Write): SqliteTable[] {
  return [...write.tables.values()].filter(({ schema }) => schema.kind === "state");
}

const SAVE = rowStatement(
  8,
  (places) => `INSERT INTO changecast_channels (id, channel, epoch, serial, log, run, ready, newest)
        VALUES ${places}
        ON CONFLICT (id)
        DO UPDATE SET epoch=excluded.epoch, serial=excluded.serial, log=excluded.log, run=excluded.run, ready=excluded.ready, newest=excluded.newest`,
);

export function* saveChannels(
  connection: SqliteConnection,
  rows: readonly ChannelRow[],
): Work<void> {
  const writer = new RowWriter(8);
  for (const { id, channel, place, ready, newest } of rows) {
    const { epoch, serial, log, run } = place;
    writer.begin().push(id, channel, epoch, serial, log, run, ready ? 1 : 0, newest);
  }
  yield* writer.write(connection, SAVE);
}
