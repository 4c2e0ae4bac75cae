/** The journal, the broker and the process around them. */
import { entry } from "./error-entry.js";

export const serviceErrors = {
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
    "Give the client a `token`: an API key or a JWT (`hello.token` on the wire).",
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
} as const;
