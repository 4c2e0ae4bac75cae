/**
 * Every error code, once: what causes it, what cures it, and what its receiver should do. src/ERRORS.md
 * shows the same table to users; test/tidy.test.ts proves that both agree and that each code is used.
 *
 * Dispositions: `retry` (a passing fault), `resync` (history was lost; copy again), `reject` (the caller
 * asked for something wrong; others go on), `fatal` (the process must stop).
 */
export type Disposition = "retry" | "resync" | "reject" | "fatal";

export interface ErrorEntry {
  readonly disposition: Disposition;
  readonly cause: string;
  readonly cure: string;
  /** The WebSocket close code with which a client sees it, if it ends a session. */
  readonly close?: number;
}

function entry(disposition: Disposition, cause: string, cure: string, close?: number): ErrorEntry {
  return close === undefined ? { disposition, cause, cure } : { disposition, cause, cure, close };
}

export const errorCatalogue = {
  CONFIG_INVALID: entry(
    "fatal",
    "The configuration file holds something that is not allowed.",
    "Mend each listed line; `changecast check` shows them again.",
  ),
  CONFIG_UNREADABLE: entry(
    "fatal",
    "The configuration file cannot be read: it is missing, too large, or not ours to read.",
    "Give its path with `-c`, and let the user of this process read it.",
  ),
  CONFIG_SYNTAX: entry(
    "fatal",
    "The configuration file is not YAML that can be read in one way only.",
    "Mend the line: indent with spaces, write each key once, close every quote.",
  ),
  CONFIG_ENV_MISSING: entry(
    "fatal",
    "The configuration names an environment variable that is not set, or is empty.",
    "Set the variable for this process; write `$${` for a plain `${`.",
  ),
  CONFIG_AUTH_REQUIRED: entry(
    "fatal",
    "Clients could connect from other machines, and nobody asks them who they are.",
    "Add `auth` (keys or jwt), or listen on 127.0.0.1.",
  ),
  CONFIG_SOURCE_UNUSED: entry(
    "fatal",
    "A source is configured, but no rule reads from it: it would be tailed for nothing.",
    "Write a rule with this source, or remove the source.",
  ),
  CONFIG_SOURCE_UNKNOWN: entry(
    "fatal",
    "A rule reads from a source that is not under `sources`.",
    "Correct the name, or add the source.",
  ),
  CONFIG_CONNECTOR_UNKNOWN: entry(
    "fatal",
    "The connector of a source is neither built in nor a package that can be loaded.",
    "Use a built-in connector, or install the package and export `connector` from it.",
  ),
  PROTOCOL_JSON: entry(
    "reject",
    "A line of a message is not JSON, or not a JSON object, or the message is not text.",
    "Send one JSON object per line in a WebSocket text message (PROTOCOL.md, section 2).",
    4500,
  ),
  PROTOCOL_FRAME_UNKNOWN: entry(
    "reject",
    "A client sent a frame whose `t` names no frame of this protocol version.",
    "Send only the frames of PROTOCOL.md, section 3.",
    4500,
  ),
  PROTOCOL_FIELD: entry(
    "reject",
    "A field of a frame is missing, has the wrong type or range, or is not known.",
    "Compare the named field with its frame in PROTOCOL.md, section 3.",
    4500,
  ),
  PROTOCOL_CHANNEL: entry(
    "reject",
    "A channel name is empty, longer than 200 bytes or holds a character that names may not hold.",
    "Use the grammar of channel names (PROTOCOL.md, section 3).",
    4500,
  ),
  PROTOCOL_SIZE: entry(
    "reject",
    "A message is larger than the server takes.",
    "Split attach lists over several frames; the bound is in `welcome.limits`.",
    4500,
  ),
  PROTOCOL_DEPTH: entry(
    "reject",
    "A frame is nested deeper than any frame of the protocol.",
    "Send only the frames of PROTOCOL.md, section 3.",
    4500,
  ),
  PROTOCOL_COUNT: entry(
    "reject",
    "A message holds too many frames, or a list too many items, or the same channel twice.",
    "Split the list; the bounds are in `welcome.limits` and PROTOCOL.md, section 9.",
    4500,
  ),
  PROTOCOL_ORDER: entry(
    "reject",
    "A frame came at the wrong time: something before `hello`, a second `hello`, or an id that does not rise.",
    "Send `hello` first and once; take a higher id for every request of a session.",
    4500,
  ),
  PROTOCOL_VERSION: entry(
    "reject",
    "The client speaks a protocol version that the server does not.",
    "Update the side that is older.",
    4503,
  ),

  RULE_INVALID: entry(
    "fatal",
    "A rule cannot work as it is written.",
    "Mend the named part; src/rules/RULES.md shows each of them.",
  ),
  RULE_NAME_TAKEN: entry(
    "fatal",
    "Two rules have the same name, by which the journal keeps their documents apart.",
    "Give each rule a name of its own.",
  ),
  RULE_EXPRESSION_INVALID: entry(
    "fatal",
    "A CEL expression of a rule does not parse, or cannot give what its place needs.",
    "Mend the expression at the named place; src/rules/RULES.md shows how columns appear in CEL.",
  ),
  RULE_TEMPLATE_INVALID: entry(
    "fatal",
    "A channel template cannot be read, or can never give the name of a channel.",
    'Write it as "store:{doc.store_id}": text of a channel name with CEL in braces.',
  ),
  RULE_FIELD_UNKNOWN: entry(
    "fatal",
    "A rule names a column or field that its table does not have.",
    "Correct the name, or add the column to the table.",
  ),
  RULE_KEY_UNUSABLE: entry(
    "fatal",
    "A rule's key does not tell the rows of its table apart, or is not put out.",
    "Let `key` hold the primary key or a unique index, and `fields` its columns.",
  ),
  RULE_TABLE_CONFLICT: entry(
    "fatal",
    "Rules that feed the same client table differ in columns, key or kind, or their keys can collide.",
    "Give one of them another `as`, or make the rules alike.",
  ),
  RULE_RELATION_UNMATCHED: entry(
    "fatal",
    "No table or collection of the source matches a rule's `from`.",
    "Correct the name (schema.table in Postgres), or create the table first.",
  ),
  RULE_EVALUATION_FAILED: entry(
    "reject",
    "An expression of a rule failed on one document, which is parked.",
    "Guard the expression (`doc.x != null`, `has(doc.x)`), or mend the document.",
  ),
  RULE_CHANNEL_INVALID: entry(
    "reject",
    "A document's channel came out null, empty, too long or with characters that no channel has.",
    "Keep such documents out with `where`, or build the name from other fields.",
  ),
  RULE_TOO_MANY_CHANNELS: entry(
    "reject",
    "One document would go to more than 1,000 channels.",
    "Put documents for everybody into one shared channel.",
  ),
  RULE_BODY_TOO_LARGE: entry(
    "reject",
    "The output of one document is larger than 8 MiB.",
    "Leave large columns out with `fields` or `exclude`.",
  ),

  JOURNAL_IN_USE: entry(
    "fatal",
    "Another process writes this journal.",
    "Stop the other process, or give this one a journal folder of its own.",
  ),
  JOURNAL_FOREIGN: entry(
    "fatal",
    "The journal's folder holds something that is not a journal.",
    "Name an empty or new folder as journal.path.",
  ),
  JOURNAL_NEWER: entry(
    "fatal",
    "The journal was written by a newer version, in a format that this one cannot read.",
    "Start the newer version, or begin with an empty folder and a new initial copy.",
  ),
  JOURNAL_DAMAGED: entry(
    "fatal",
    "The journal's files are damaged or do not belong together.",
    "Restore the whole folder from one backup, or move it away and start with an empty one: tables are copied again.",
  ),
  JOURNAL_OTHER_SOURCE: entry(
    "fatal",
    "The journal was written from another source than the configuration names.",
    "Set journal.path to the folder that belongs to this configuration, or to an empty one.",
  ),
  JOURNAL_MISSING: entry(
    "fatal",
    "There is no journal in the folder.",
    "Check journal.path; the journal is made by the first `changecast run`.",
  ),
  JOURNAL_UNREADABLE: entry(
    "fatal",
    "The journal's folder or files cannot be opened.",
    "Give the process read and write access to the folder, on a disk of this machine.",
  ),
  JOURNAL_WRITE_FAILED: entry(
    "fatal",
    "The journal could not be written: the disk is full or failing.",
    "Free or add space, or repair the disk, and start again: the source still holds everything.",
  ),
  JOURNAL_VIEW_ENDED: entry(
    "retry",
    "A view of the journal was held longer than allowed.",
    "Read laps again; the place reached so far stays good.",
  ),
  JOURNAL_SCHEMA_UNKNOWN: entry(
    "reject",
    "A version of a table was asked for that the journal never had.",
    "Attach again; if it comes back, the client's store belongs to another journal.",
  ),

  BROKER_LISTEN_FAILED: entry(
    "fatal",
    "The address that clients connect to could not be opened: in use, not ours, or not allowed.",
    "Stop what listens there, or set another `listen` host or port.",
  ),
  BROKER_LISTEN_OPEN: entry(
    "fatal",
    "Without authentication the server listens on loopback only, and another address was asked for.",
    "Configure `auth` (keys or jwt), or listen on 127.0.0.1.",
  ),
  BROKER_STOPPING: entry(
    "retry",
    "The server stops or is replaced.",
    "Come back after the time in the hint; another server answers then.",
    4000,
  ),
  BROKER_TOO_SLOW: entry(
    "retry",
    "The session fell behind more than the server can bring up while it stays connected.",
    "Come back with the places kept: a delta follows. If it repeats, attach fewer channels or read faster.",
    4001,
  ),
  BROKER_SILENT: entry(
    "retry",
    "Nothing was heard from the client for two heartbeats, or it did not say hello in time.",
    "Send `ping` when there is nothing else to send (PROTOCOL.md, rule 6).",
    4002,
  ),
  BROKER_SESSIONS_FULL: entry(
    "retry",
    "The server holds as many sessions as it may, in all or from this address.",
    "Come back later; raise the limit or add a server if it repeats.",
    4003,
  ),
  BROKER_INTERNAL: entry(
    "retry",
    "Something failed inside the server; its log has the cause.",
    "Come back with the places kept.",
    4004,
  ),
  BROKER_RATE_LIMITED: entry(
    "retry",
    "The client sends more than it may.",
    "Wait for the time in `retryInMs`; attach channels in lists instead of one by one.",
    4006,
  ),
  BROKER_CHANNELS_FULL: entry(
    "reject",
    "The session would hold more channels than it may.",
    "Detach channels first, or use a rule that puts the documents into fewer channels.",
  ),
  BROKER_CHANNEL_KIND: entry(
    "reject",
    "`now`, `last` and `history` are for `events` channels, and the channel is of kind `state`.",
    'Attach with a place or from "start".',
  ),
  BROKER_SOURCE_UNKNOWN: entry(
    "reject",
    "`until` names a source that this server does not have.",
    "Use a source's name from the server's configuration.",
  ),
  BROKER_POSITION_INVALID: entry(
    "reject",
    "`until` gives a position that cannot be read as one of its source.",
    "Give it as the source prints it, e.g. 0/16B3748 from pg_current_wal_lsn().",
  ),
  BROKER_POSITION_LOST: entry(
    "reject",
    "The source began a new history, in which the position of an `until` means nothing.",
    "Ask for a position of the source as it is now.",
  ),
  BROKER_UNTIL_FULL: entry(
    "reject",
    "The session waits for as many positions as it may.",
    "Wait for an answer before asking again.",
  ),

  AUTH_REQUIRED: entry(
    "reject",
    "The client gave no token, and the server wants one.",
    "Put an API key or a JWT into `hello.token`.",
    4501,
  ),
  AUTH_TOKEN_INVALID: entry(
    "reject",
    "The token is no known key and no JWT that the server can trust.",
    "Check key, secret, algorithm (HS256), issuer and audience; a JWT needs `exp` and `channels`.",
    4501,
  ),
  AUTH_TOKEN_EXPIRED: entry(
    "retry",
    "The token ended before it was renewed.",
    "Fetch a new token, then come back; send `token` before `welcome.expiresAt`.",
    4005,
  ),
  AUTH_CHANNEL_FORBIDDEN: entry(
    "reject",
    "The token's channel patterns do not cover a channel.",
    "Ask for a token with a pattern that covers it.",
  ),
  AUTH_SECRET_WEAK: entry(
    "fatal",
    "A key or secret of `auth` is too short to be safe, or a channel pattern of a key is malformed.",
    "Use at least 32 random bytes for `auth.jwt.secret` and 16 characters for a key.",
  ),
  CLIENT_STORE_TAKEN: entry(
    "fatal",
    "The local store was opened a second time, by another process, tab or instance, which writes it now.",
    "Open a store once; let the other instance go on, or close it and open this one again.",
  ),
  CLIENT_STORE_NEWER: entry(
    "fatal",
    "The local store was written by a newer client, whose tables this one would misread.",
    "Update the client package, or begin with a new store.",
  ),
  CLIENT_STORE_FAILED: entry(
    "retry",
    "The local database refused to write: disk full, locked by a transaction of the app, or damaged.",
    "Read the cause; give the store a connection of its own and keep the app's transactions short.",
  ),
  CLIENT_STORE_IN_USE: entry(
    "reject",
    "A store object was given to a second sync while the first still uses it.",
    "One store, one sync: use `attach` of the first, or stop it.",
  ),
  CLIENT_TABLE_EXISTS: entry(
    "reject",
    "A table of the rule's schema was to be made, but the database has one of that name that is not ours.",
    "Map it (`tables: {…}` of the store), rename the app's, or choose another `as` in the rule.",
  ),
  CLIENT_TABLE_MISFIT: entry(
    "reject",
    "A table cannot keep the rows of the rule's schema as they are.",
    "The message names the column; change the app's table, the mapping or the rule.",
  ),
  CLIENT_CHANNEL_TAKEN: entry(
    "reject",
    "A channel is followed by another sync or subscription of the same cast already.",
    "Attach a channel once per cast, or open a second cast for the other reader.",
  ),
  CLIENT_CHANNEL_INVALID: entry(
    "reject",
    "What was asked for is not a channel's name.",
    "Channel names are 1 to 200 bytes without white space, quotes, backslash or star.",
  ),
  CLIENT_WEBSOCKET_MISSING: entry(
    "reject",
    "The platform has no WebSocket of its own (Node before 22).",
    "Hand one in: `changecast({ url, WebSocket })`, for instance the class of the package ws.",
  ),
  CLIENT_TOKEN_FAILED: entry(
    "retry",
    "The app's `token()` failed or took too long.",
    "Read the cause; the client asks again, with a growing delay.",
  ),
  CLIENT_SILENT: entry(
    "retry",
    "Nothing was heard of the server for too long: the network is gone, or something on the way holds it.",
    "The client connects again by itself.",
  ),
  CLIENT_FRAME_INVALID: entry(
    "resync",
    "The server sent something that the protocol does not allow.",
    "The client attaches again; if it stays so, compare the versions of server and client.",
  ),
  CLIENT_SERIAL_HOLE: entry(
    "resync",
    "Entries of a channel are missing between what the store holds and what the server sent.",
    "The client attaches again by itself; if it stays so, report it.",
  ),
  CLIENT_UNIT_TOO_LARGE: entry(
    "resync",
    "A commit unit is larger than a subscription may hold in memory.",
    "The channel goes on page by page by itself; raise `unitBytesMax` to have such units whole.",
  ),
  CLIENT_QUEUE_FULL: entry(
    "retry",
    "Frames come faster than the store or the handler takes them.",
    "The client comes back when it has caught up; a faster store or handler avoids the cut.",
  ),
  CLIENT_HANDLER_FAILED: entry(
    "retry",
    "The handler of a subscription failed, so its places did not move.",
    "Read the cause; the same unit is handed over again after a delay.",
  ),
  CLIENT_REFUSED: entry(
    "reject",
    "The server closed the session and asked not to come back as things are.",
    "Mend what the close code names (token, rights, version), then call `reconnect()`.",
  ),
  CLIENT_REQUEST_REFUSED: entry(
    "reject",
    "The server refused a single request.",
    "Read its code and message.",
  ),
  CLIENT_CLOSED: entry(
    "reject",
    "Something was asked of a cast, sync or subscription that was closed.",
    "Make a new one.",
  ),

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

  SERVICE_STOP_LATE: entry(
    "fatal",
    "At a stop something did not end in time, so the process ended; the journal survives that.",
    "Nothing is lost. If it comes back, report the last lines of the log.",
  ),

  OPS_LISTEN_FAILED: entry(
    "fatal",
    "The operators' address (health, metrics) could not be opened: in use, not ours, or not allowed.",
    "Stop what listens there, or set another `ops` host or port.",
  ),

  CLI_USAGE: entry(
    "reject",
    "A command was given arguments that it does not take, or lacks one that it needs.",
    "See `changecast help` and `changecast <command> --help`.",
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export function dispositionOf(code: ErrorCode): Disposition {
  return errorCatalogue[code].disposition;
}
