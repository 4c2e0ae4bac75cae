/**
 * The slot, which has to exist before the database can be read. Finds out, and creates it where the options
 * allow that. The publication comes first: a slot decodes by the catalogue of each moment, and one that is
 * older than its publication can be stuck for ever.
 */
import { sleep } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import type { ControlConnection, TextRow } from "./control-connection.js";
import type { SlotFacts } from "./history.js";
import { parseLsn } from "./wal-position.js";

/** Creating a slot, or being sure of a new publication, waits for every older transaction: not longer than this. */
export const OLDER_TRANSACTIONS_MS = 10_000;

/** Our own last connection may still be on its way out. */
const SLOT_RELEASE_MS = 3_000;
export const POLL_MS = 50;

export interface ProvisionOptions {
  readonly slot: string;
  readonly publication: string;
  readonly createSlot: boolean;
  readonly createPublication: boolean;
}

export interface ProvisionContext {
  readonly control: ControlConnection;
  readonly options: ProvisionOptions;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export async function assertLogical(control: ControlConnection): Promise<void> {
  const [row] = await control.rows(
    "asking for the server's settings",
    `select current_setting('wal_level') as level,
            current_setting('server_version_num') as version,
            pg_is_in_recovery()::text as standby`,
  );
  if (row?.["standby"] === "true") {
    const message =
      "opening the source: the server is a standby, which has no slot of its own to read";
    const cure = "Give the address of the primary; a standby is read once it was promoted.";
    throw new AppError("POSTGRES_SETTING_UNFIT", message, { cure });
  }
  const level = row?.["level"];
  if (level !== "logical") {
    throw new AppError(
      "POSTGRES_SETTING_UNFIT",
      `opening the source: wal_level is ${String(level)}`,
      {
        cure: "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.",
      },
    );
  }
  if (Number(row?.["version"] ?? 0) < 140_000) {
    const message = `opening the source: the server's version is ${String(row?.["version"])}`;
    throw new AppError("POSTGRES_SETTING_UNFIT", message, { cure: "Use Postgres 14 or newer." });
  }
}

/** Undefined when there is none. Waits a moment for one that is still held; errors: POSTGRES_SLOT_BUSY, _UNFIT. */
export async function findSlot(context: ProvisionContext): Promise<SlotFacts | undefined> {
  const { clock, signal } = context;
  const until = clock.monotonic() + SLOT_RELEASE_MS;
  for (;;) {
    const row = await slotRow(context);
    if (row === undefined) return undefined;
    assertOurKind(context, row);
    const fault = slotFault(row);
    if (row["active"] !== "t") {
      const confirmed = row["confirmed_flush_lsn"];
      return {
        confirmed: confirmed === null || confirmed === undefined ? undefined : parseLsn(confirmed),
        fault,
      };
    }
    if (clock.monotonic() >= until) throw busySlot(context, row);
    await sleep(clock, POLL_MS, signal);
  }
}

/** Makes the slot anew; gives its place. */
export async function replaceSlot(
  context: ProvisionContext,
  { exists, why }: { readonly exists: boolean; readonly why: string },
): Promise<bigint> {
  const { control, options } = context;
  const { slot } = options;
  const create = `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput');`;
  const drop = `SELECT pg_drop_replication_slot('${slot}');`;
  if (!options.createSlot) {
    throw new AppError("POSTGRES_SLOT_UNFIT", `opening the slot ${slot}: ${why}`, {
      cure: exists ? `${drop} ${create}` : create,
    });
  }
  if (exists) {
    await control.rows(`dropping the slot ${slot}`, "select pg_drop_replication_slot($1)", [slot]);
  }
  await createSlot(context);
  return (await findSlot(context))?.confirmed ?? 0n;
}

async function createSlot(context: ProvisionContext): Promise<void> {
  const { control, options } = context;
  const { slot } = options;
  const doing = `creating the slot ${slot}`;
  await control.rows(doing, `set statement_timeout = ${String(OLDER_TRANSACTIONS_MS)}`);
  try {
    const sql = "select pg_create_logical_replication_slot($1, 'pgoutput')";
    await control.rows(doing, sql, [slot]);
  } catch (error) {
    const isBlocked = error instanceof AppError && error.context["sqlState"] === "57014";
    throw isBlocked ? await blocked(context, doing) : error;
  } finally {
    await control.rows(doing, "set statement_timeout = 0");
  }
}

export async function blocked({ control }: ProvisionContext, doing: string): Promise<AppError> {
  const rows = await control.rows(
    doing,
    `select 'process ' || pid || ' since ' || xact_start as who from pg_stat_activity
      where backend_xid is not null and pid <> pg_backend_pid()
      union all select 'prepared transaction ' || gid from pg_prepared_xacts limit 5`,
  );
  const who = rows.map((row) => row["who"]).join("; ");
  return new AppError("POSTGRES_SLOT_BUSY", `${doing}: it waits for older transactions: ${who}`);
}

async function slotRow({ control, options }: ProvisionContext): Promise<TextRow | undefined> {
  // Columns that a version lacks are simply not there.
  const [row] = await control.rows(
    `asking for the slot ${options.slot}`,
    `select s.*, a.application_name as holder, current_database() as here
       from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid
      where slot_name = $1`,
    [options.slot],
  );
  return row;
}

function assertOurKind({ options }: ProvisionContext, row: TextRow): void {
  const faults = [
    row["slot_type"] === "logical" ? undefined : "is not a logical one",
    row["plugin"] === "pgoutput" ? undefined : `uses the plug-in ${String(row["plugin"])}`,
    row["database"] === row["here"]
      ? undefined
      : `belongs to the database ${String(row["database"])}`,
    row["temporary"] === "f" ? undefined : "is a temporary one",
    row["two_phase"] === "t" ? "shows prepared transactions" : undefined,
  ];
  const fault = faults.find((each) => each !== undefined);
  if (fault === undefined) return;
  throw new AppError("POSTGRES_SLOT_UNFIT", `opening the slot ${options.slot}: it ${fault}`, {
    cure: "Choose another name with `slot`.",
  });
}

function slotFault(row: TextRow): string | undefined {
  const reason = row["invalidation_reason"];
  if (reason !== null && reason !== undefined) return `the slot was invalidated (${reason})`;
  if (row["conflicting"] === "t") return "the slot was invalidated (conflict with recovery)";
  if (row["wal_status"] === "lost") return "the slot was invalidated (max_slot_wal_keep_size)";
  return (row["confirmed_flush_lsn"] ?? "") === "" ? "the slot was never finished" : undefined;
}

function busySlot({ options }: ProvisionContext, row: TextRow): AppError {
  const who = `process ${String(row["active_pid"])} (${row["holder"] ?? "not visible to us"})`;
  return new AppError("POSTGRES_SLOT_BUSY", `opening the slot ${options.slot}: ${who} reads it`);
}
