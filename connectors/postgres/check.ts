/**
 * Asks the database whether it can be read, before anything is created or changed: each problem with the
 * SQL or the line of pg_hba.conf that mends it.
 */
import type { AppError } from "../../src/base/errors.js";
import { errorCatalogue } from "../../src/base/error-catalogue.js";
import type { CheckReport, OpenContext } from "../../src/connector/connector.js";
import type { Problem } from "../../src/model/problem.js";
import { TableCatalog } from "./catalog.js";
import { failureOf } from "./connection.js";
import { ControlConnection } from "./control-connection.js";
import type { TextRow } from "./control-connection.js";
import type { PostgresOptions } from "./options.js";
import { assertLogical, findSlot } from "./provision.js";
import { checkTables } from "./check-tables.js";
import { identifySystem } from "./replication-stream.js";

type Context = OpenContext<PostgresOptions>;

export async function checkPostgres(context: Context): Promise<CheckReport> {
  const { options, clock, signal, source } = context;
  const applicationName = `changecast ${source} check`;
  let control: ControlConnection;
  try {
    control = await ControlConnection.open({ connecting: options, applicationName, clock }, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { problems: [problemOf(failureOf(error, "connecting"), options)], relations: [] };
  }
  try {
    return await ask(context, control, applicationName);
  } catch (error) {
    signal.throwIfAborted();
    const failure = failureOf(error, `asking the database of ${source}`);
    return { problems: [problemOf(failure, options)], relations: [] };
  } finally {
    await control.close();
  }
}

async function ask(
  context: Context,
  control: ControlConnection,
  applicationName: string,
): Promise<CheckReport> {
  const { options, clock, signal, relations: patterns } = context;
  const problems: Problem[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      problems.push(problemOf(failureOf(error, "asking the database"), options));
      return false;
    }
  };
  const isLogical = await attempt(() => assertLogical(control));
  const role = await readRole(control);
  if (role["can_replicate"] === "f") problems.push(replicationMissing(role));
  else if (isLogical) {
    await attempt(() => identifySystem({ ...options, applicationName, clock }, signal));
  }
  const slot = { control, options, clock, signal };
  await attempt(async () => {
    const found = await findSlot(slot);
    if (found === undefined) problems.push(...missingSlot(options, role));
  });
  const tables = await control.use("reading the catalogue", (client) =>
    new TableCatalog(options.publication).load(client, patterns),
  );
  problems.push(...(await checkTables({ control, options, role }, tables)));
  if (isLogical) problems.push(...(await settingWarnings(control, options)));
  return { problems, relations: tables.map(({ relation }) => relation) };
}

async function readRole(control: ControlConnection): Promise<TextRow> {
  const [row] = await control.rows(
    "asking for the user's privileges",
    `select quote_ident(rolname) as name,
            case when rolreplication or rolsuper then 't' else 'f' end as can_replicate,
            case when has_database_privilege(current_database(), 'CREATE')
                 then 't' else 'f' end as can_create,
            (current_setting('max_replication_slots')::int
              - (select count(*) from pg_replication_slots))::text as free_slots
       from pg_roles where rolname = current_user`,
  );
  return row ?? {};
}

function replicationMissing(role: TextRow): Problem {
  const name = String(role["name"]);
  return {
    code: "POSTGRES_PRIVILEGE_MISSING",
    level: "error",
    message: `the user ${name} may not read the replication stream`,
    cure: `ALTER ROLE ${name} REPLICATION;`,
  };
}

function missingSlot({ slot, createSlot }: PostgresOptions, role: TextRow): Problem[] {
  if (!createSlot) {
    return [
      {
        code: "POSTGRES_SLOT_UNFIT",
        level: "error",
        message: `there is no replication slot ${slot}, and createSlot is false`,
        cure: `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput');`,
      },
    ];
  }
  if (Number(role["free_slots"]) > 0) return [];
  return [
    {
      code: "POSTGRES_SETTING_UNFIT",
      level: "error",
      message: `no replication slot is free for ${slot} (max_replication_slots)`,
      cure: "Drop a slot that nobody needs, or raise max_replication_slots and restart the server.",
    },
  ];
}

/** What works, and hurts on a bad day. */
async function settingWarnings(
  control: ControlConnection,
  { slot }: PostgresOptions,
): Promise<Problem[]> {
  const [row] = await control.rows(
    "asking for the server's settings",
    `select current_setting('max_slot_wal_keep_size') as kept,
            current_setting('wal_sender_timeout') as timeout`,
  );
  const warnings: Problem[] = [];
  const warn = (message: string, setting: string): void => {
    const cure = `ALTER SYSTEM SET ${setting}; SELECT pg_reload_conf();`;
    warnings.push({ code: "POSTGRES_SETTING_UNFIT", level: "warning", message, cure });
  };
  // While nobody reads a slot the server keeps its log (P-11).
  if (row?.["kept"] === "-1") {
    const what = `max_slot_wal_keep_size is -1: an unread slot ${slot} can fill the disk`;
    warn(what, "max_slot_wal_keep_size = '50GB'");
  }
  if (row?.["timeout"] === "0") {
    const what = `wal_sender_timeout is 0: a connection that died unseen keeps the slot ${slot} busy`;
    warn(what, "wal_sender_timeout = '60s'");
  }
  return warnings;
}

/** What the server said, with what to do about it. */
function problemOf(error: AppError, { connection }: PostgresOptions): Problem {
  const { code, message } = error;
  let cure = error.cure ?? tlsCure(message) ?? errorCatalogue[code].cure;
  if (/no pg_hba\.conf entry/.test(message)) {
    const { database, user } = connection;
    const host = /for host "([^"]+)"/.exec(message)?.[1] ?? "127.0.0.1";
    const mask = host.includes(":") ? "128" : "32";
    const type = /SSL off|no encryption/.test(message) ? "host" : "hostssl";
    const line = `${type} ${database} ${user} ${host}/${mask} scram-sha-256`;
    cure = `Add to pg_hba.conf: ${line} — then SELECT pg_reload_conf();`;
  } else if (/password authentication failed|no password/i.test(message)) {
    cure = `Correct \`password\` (or passwordFile) of the user ${connection.user}.`;
  } else if (/max_wal_senders/.test(message)) {
    cure = "Raise max_wal_senders and restart the server, or end a replication connection.";
  } else if (/database .* does not exist/.test(message)) {
    cure = `Correct \`database\`, or CREATE DATABASE ${connection.database};`;
  }
  return { code, level: "error", message, cure };
}

/** What Node's TLS and the driver say, in the words of the options. */
function tlsCure(message: string): string | undefined {
  if (/does not support SSL/.test(message)) {
    return "Set ssl = on in the server, or `tls.mode: disable` where nobody else is on the way.";
  }
  if (/does not match certificate/.test(message)) {
    return "Connect by a name that the certificate holds, or set `tls.serverName` to one.";
  }
  if (/self-signed|unable to (get|verify)/i.test(message)) {
    return "Set `tls.ca` to the PEM file of the authority that signed the server's certificate.";
  }
  return undefined;
}
