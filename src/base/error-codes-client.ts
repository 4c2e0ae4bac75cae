/** What apps meet in @changecast/client. */
import { entry } from "./error-entry.js";

export const clientErrors = {
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
  CLIENT_STORE_FULL: entry(
    "retry",
    "The browser or the disk has no room for more; the store keeps what it has and tries again.",
    "Detach channels (`onFull` of the sync does it by itself), or ask for more with `navigator.storage.persist()`.",
  ),
  CLIENT_STORE_BLOCKED: entry(
    "retry",
    "Another tab does not let go of the database: IndexedDB needs that for a new table, SQLite in the browser to open it.",
    "Close or reload the other tabs of the app; it is tried again by itself.",
  ),
  CLIENT_STORE_UNAVAILABLE: entry(
    "reject",
    "The browser gives this page no IndexedDB or no OPFS: a private window, blocked site data, an insecure origin, or an old browser.",
    "Go on with `memoryStore()` (IndexedDB where only OPFS is missing), or tell the user to allow site data.",
  ),
  CLIENT_SQL_FAILED: entry(
    "reject",
    "A statement of the app's own on SQLite in the browser failed, or no tab that has the database open answered it.",
    "Read the message: mend the statement, or start a sync in some tab.",
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
} as const;
