/**
 * Who holds which row: the memberships of a `state` table, changed by SQL over whole sets. What happens to a
 * single row in the course of a unit is sqlite-rows.ts's business.
 */
import type { KeptChannel } from "./store.js";
import type { SqliteConnection } from "./sqlite-driver.js";
import { saveTable } from "./sqlite-ddl.js";
import { membersTable, quoted, type SqliteTable } from "./sqlite-table.js";
import type { ChangeTally } from "./watchers.js";
import type { Clock } from "./fold.js";
import { got, type Work } from "./work.js";

/** A channel as the store knows it. */
export interface ChannelRow extends KeptChannel {
  readonly id: number;
  /** The highest log number of any entry written for it. */
  readonly newest: number;
}

/** One write transaction: what it sees and changes, thrown away whole if it fails. */
export interface Write {
  readonly connection: SqliteConnection;
  /** By the schema's table name. */
  readonly tables: Map<string, SqliteTable>;
  readonly channels: Map<string, ChannelRow>;
  readonly tally: ChangeTally;
}

/** The clock of a membership that a snapshot has yet to confirm: below every entry. */
const UNCONFIRMED = -1;

/** From "one channel holds all" to "each row says who": needed as soon as a second channel feeds the table. */
export function* listMembers(write: Write, table: SqliteTable): Work<SqliteTable> {
  if (table.holding === "each") return table;
  const { sole } = table.holding;
  if (sole !== undefined) {
    // What a ready channel holds is exact at its place. A loading one's pages are at least as old as
    // anything the server sends from now on, so its rows give way.
    const holder = [...write.channels.values()].find(({ id }) => id === sole);
    const log = holder?.ready === true ? holder.place.log : 0;
    const held = table.key.map((_, index) => `k${index}`).join(", ");
    yield* got(
      write.connection.run(
        `INSERT OR REPLACE INTO ${membersTable(table.schema.table)} (${held}, channel, log, idx)
        SELECT ${keyList(table)}, ?, ?, 0 FROM ${quoted(table.physical)}`,
        [sole, log],
      ),
    );
  }
  return yield* setHolding(write, table, "each");
}

/** The channel that is about to write a table alone holds it whole. */
export function* claim(write: Write, table: SqliteTable, id: number): Work<SqliteTable> {
  if (table.holding === "each" || table.holding.sole === id) return table;
  if (table.holding.sole !== undefined) return yield* listMembers(write, table);
  return yield* setHolding(write, table, { sole: id });
}

/** Every earlier row of the table is gone from the channel. */
export function* truncateChannel(
  write: Write,
  table: SqliteTable,
  id: number,
  clock: Clock,
): Work<void> {
  const older = "channel=? AND (log, idx) < (?, ?)";
  yield* release(write, table, { id, condition: older, values: [id, clock.log, clock.index] });
}

/** The channel lets go of every row. */
export function* releaseChannel(write: Write, table: SqliteTable, id: number): Work<void> {
  yield* release(write, table, { id, condition: "channel=?", values: [id] });
  const isSole = table.holding !== "each" && table.holding.sole === id;
  if (isSole) yield* setHolding(write, table, { sole: undefined });
}

/** A snapshot begins: what the channel holds stays in sight until `endReplace` knows what was confirmed. */
export function* beginReplace(write: Write, table: SqliteTable, id: number): Work<void> {
  if (table.holding !== "each" && table.holding.sole !== id) return;
  const listed = yield* listMembers(write, table);
  yield* got(
    write.connection.run(
      `UPDATE ${membersTable(listed.schema.table)} SET log=?, idx=0 WHERE channel=?`,
      [UNCONFIRMED, id],
    ),
  );
}

/** Rows that the snapshot did not bring leave the channel. */
export function* endReplace(write: Write, table: SqliteTable, id: number): Work<void> {
  if (table.holding !== "each") return;
  yield* release(write, table, { id, condition: "channel=? AND log < 0", values: [id] });
  if (table.mapped) return;
  const members = membersTable(table.schema.table);
  const others = yield* got(
    write.connection.all(`SELECT 1 FROM ${members} WHERE channel<>? LIMIT 1`, [id]),
  );
  if (others.length > 0) return;
  yield* got(write.connection.exec(`DELETE FROM ${members}`));
  yield* setHolding(write, table, { sole: id });
}

/** After a journal was restored: log numbers above `at` tell nothing about the history that goes on. */
export function* forgetLater(write: Write, table: SqliteTable, at: number): Work<void> {
  if (table.holding !== "each" || table.schema.kind === "events") return;
  yield* got(
    write.connection.run(
      `UPDATE ${membersTable(table.schema.table)} SET log=0, idx=0 WHERE log > ?`,
      [at],
    ),
  );
}

interface Release {
  /** Of the channel. */
  readonly id: number;
  /** SQL over the memberships, with `values` for its question marks. */
  readonly condition: string;
  readonly values: readonly number[];
}

/** Ends the memberships for which `condition` holds, and the rows that nobody holds then. */
function* release(
  write: Write,
  table: SqliteTable,
  { id, condition, values }: Release,
): Work<void> {
  const { connection } = write;
  const physical = quoted(table.physical);
  let deleted: number;
  if (table.holding !== "each") {
    if (table.holding.sole !== id) return;
    deleted = yield* got(connection.run(`DELETE FROM ${physical}`, []));
  } else {
    const members = membersTable(table.schema.table);
    const held = table.key.map((_, index) => `k${index}`).join(", ");
    const same = table.key.map(
      (column, index) => `o.k${index}=${physical}.${quoted(column.physical)}`,
    );
    deleted = yield* got(
      connection.run(
        `DELETE FROM ${physical}
        WHERE (${keyList(table)}) IN (SELECT ${held} FROM ${members}
        WHERE ${condition})
        AND NOT EXISTS (SELECT 1 FROM ${members} AS o
        WHERE ${same.join(" AND ")} AND NOT (${condition}))`,
        [...values, ...values],
      ),
    );
    yield* got(connection.run(`DELETE FROM ${members} WHERE ${condition}`, values));
  }
  if (deleted === 0) return;
  write.tally.rows(table.schema.table, { deleted });
  write.tally.unlisted(table.schema.table);
}

function* setHolding(
  write: Write,
  table: SqliteTable,
  holding: SqliteTable["holding"],
): Work<SqliteTable> {
  const next = { ...table, holding };
  yield* saveTable(write.connection, next);
  write.tables.set(table.schema.table, next);
  return next;
}

function keyList(table: SqliteTable): string {
  return table.key.map(({ physical }) => quoted(physical)).join(", ");
}
