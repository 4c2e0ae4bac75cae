/** Connectors, the databases behind them, and what their changes become. */
import { entry } from "./error-entry.js";

export const sourceErrors = {
  CONNECTOR_CONTRACT_BROKEN: entry(
    "fatal",
    "A connector did something that its contract forbids; its data can no longer be trusted.",
    "Update the connector, or report the named rule to its author (connectors/README.md).",
  ),
  CONNECTOR_CONNECTION_LOST: entry(
    "retry",
    "The connection to a source broke.",
    "Nothing: it is opened again, with growing delays. If it stays so, look at the source.",
  ),
  POSTGRES_UNREACHABLE: entry(
    "retry",
    "Postgres does not answer at its address, is starting up, or has no connection free.",
    "Nothing if it passes: it is tried again. If it stays so, look at host, port and firewall.",
  ),
  POSTGRES_LOGIN_REFUSED: entry(
    "fatal",
    "Postgres does not let us in: user, password, database, pg_hba.conf or TLS do not fit.",
    "Correct the named part of the source, or allow the user in pg_hba.conf.",
  ),
  POSTGRES_PRIVILEGE_MISSING: entry(
    "fatal",
    "The user of a source lacks a privilege in Postgres.",
    "Grant what the message names; streaming needs REPLICATION, the first copy SELECT.",
  ),
  POSTGRES_STATEMENT_FAILED: entry(
    "retry",
    "Postgres refused a statement of ours.",
    "Look at the quoted reason; it is tried again.",
  ),
  POSTGRES_SETTING_UNFIT: entry(
    "fatal",
    "A setting of the Postgres server makes logical replication impossible.",
    "Set what the message names (mostly wal_level = logical) and restart the server.",
  ),
  POSTGRES_PUBLICATION_UNFIT: entry(
    "fatal",
    "The publication is missing and may not be created, or does not show every change of the tables.",
    "Run the SQL that is shown with the error, or let `createPublication` do it.",
  ),
  POSTGRES_SLOT_UNFIT: entry(
    "fatal",
    "The replication slot is missing or lost and may not be created, or belongs to something else.",
    "Run the SQL that is shown with the error, or let `createSlot` do it.",
  ),
  POSTGRES_SLOT_BUSY: entry(
    "retry",
    "The replication slot is read by another connection, or can't be created while old transactions are open.",
    "Stop the other reader, or end the named transactions; it is tried again.",
  ),
  POSTGRES_SLOT_BROKEN: entry(
    "retry",
    "The replication slot can't be read any more.",
    "Nothing: the next connection replaces it, and the tables are copied again.",
  ),
  POSTGRES_HISTORY_LOST: entry(
    "resync",
    "The changes since the last position are not to be had any more, or the database is another one.",
    "Nothing: its tables are copied again and clients get the difference.",
  ),
  MONGODB_BSON_MALFORMED: entry(
    "retry",
    "Bytes from MongoDB are no BSON: a length leads out of its document, or a type does not exist.",
    "It is read again. If it stays so, a proxy or the server damages data: compare with another member.",
  ),
  MONGODB_UNREACHABLE: entry(
    "retry",
    "No member of the deployment answers that could be read from: none is there, or none is primary.",
    "Nothing if it passes (an election): it is tried again. If it stays so, look at hosts, replicaSet and firewall.",
  ),
  MONGODB_LOGIN_REFUSED: entry(
    "fatal",
    "MongoDB does not let us in: user, password, authSource or certificate do not fit.",
    "Correct the named part of the source; users often live in the database admin (authSource).",
  ),
  MONGODB_PRIVILEGE_MISSING: entry(
    "fatal",
    "The user of a source lacks a privilege in MongoDB.",
    "Run `changecast check`: it prints the role that is needed.",
  ),
  MONGODB_COMMAND_FAILED: entry(
    "retry",
    "MongoDB refused a command of ours.",
    "Look at the quoted reason; it is tried again.",
  ),
  MONGODB_SERVER_UNFIT: entry(
    "fatal",
    "The server is no member of a replica set, too old, or not MongoDB.",
    "Follow the cure that is shown with the error (connectors/mongodb/README.md).",
  ),
  MONGODB_COLLECTION_UNFIT: entry(
    "fatal",
    "A rule reads a view or a time series, which have no change streams.",
    "Name the collection that the documents are written to.",
  ),
  MONGODB_CHANGE_UNREADABLE: entry(
    "retry",
    "A change lacks what is needed to read it, mostly because the source's `pipeline` took it away.",
    "Leave the fields in the pipeline that the message names; it is tried again.",
  ),
  MONGODB_HISTORY_LOST: entry(
    "resync",
    "The changes since the last position are not in the oplog any more, or the deployment is another one.",
    "Nothing: its collections are copied again and clients get the difference.",
  ),
  PIPELINE_SOURCE_REFUSED: entry(
    "retry",
    "A source that could be read before now refuses us.",
    "Look at the quoted reason (password, privilege, slot); reading goes on once it is mended.",
  ),
  PIPELINE_SOURCE_RESYNC: entry(
    "retry",
    "A source lost history while it was being read.",
    "Nothing: it is opened again, its tables are copied again and clients get the difference.",
  ),
  PIPELINE_RULE_UNBOUND: entry(
    "reject",
    "A rule no longer fits a relation as the source describes it now.",
    "Mend the rule or the table; the relation is copied again as soon as the rule fits.",
  ),
  PIPELINE_VALUE_UNKNOWN: entry(
    "reject",
    "A change leaves out a value that a rule needs, nobody knows it, and the source cannot be copied.",
    "Have the source send whole rows, or leave the column out of the rule.",
  ),
  PIPELINE_CHANNEL_KIND: entry(
    "reject",
    "A rule sends a document to a channel that is of the other kind (state, events).",
    "Give the rule a channel name of its own.",
  ),
} as const;
