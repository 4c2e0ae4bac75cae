/**
 * What an app can do about the codes that end up in its status, in few words: the whole catalogue would be
 * most of the client's size.
 */
export const HINTS: Readonly<Record<string, string>> = {
  AUTH_REQUIRED: "Give `token`.",
  AUTH_TOKEN_INVALID: "Give a token that this server trusts, then call reconnect().",
  AUTH_TOKEN_EXPIRED: "Give `token` as a function that fetches a new one.",
  AUTH_CHANNEL_FORBIDDEN:
    "Attach channels that the token allows, or get a token that allows this one.",
  BROKER_CHANNEL_KIND:
    "Attach a state channel from the start; only events channels have `now` and `last`.",
  BROKER_CHANNELS_FULL: "Attach fewer channels per connection.",
  CLIENT_FRAME_INVALID: "Compare the versions of server and client.",
  CLIENT_HANDLER_FAILED: "Mend the handler; the unit comes again.",
  CLIENT_SERIAL_HOLE: "Nothing: the channel is attached again.",
  CLIENT_STORE_FAILED: "Read the message: disk full, or locked by a transaction of the app.",
  CLIENT_STORE_BLOCKED: "Close or reload the other tabs of the app.",
  CLIENT_STORE_FULL: "Detach channels, or free room on the device.",
  CLIENT_STORE_NEWER: "Update the client package, or begin with a new store.",
  CLIENT_STORE_TAKEN: "Another instance has the store now; let it go on, or open this one again.",
  CLIENT_TABLE_EXISTS: "Map the table to the app's, or rename one of both.",
  PROTOCOL_VERSION: "Update the client package.",
};
