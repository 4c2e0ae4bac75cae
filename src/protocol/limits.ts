/**
 * The bounds of `changecast.v1`, each with its reason. PROTOCOL.md shows the same numbers; those that a
 * server may set otherwise are told to the client in `welcome.limits`.
 */

/** One WebSocket message of a client: an attach list of 300 channels with places fits; a flood costs little. */
export const CLIENT_MESSAGE_BYTES_MAX = 64 * 1024;

/** Everything before the client is known: room for a token with many patterns and nothing else. */
export const HELLO_BYTES_MAX = 8 * 1024;

/** Frames in one message of a client: a reconnect needs three or four. */
export const CLIENT_FRAMES_PER_MESSAGE_MAX = 64;

/** Nesting of a client's frame: `attach` needs four (frame, channels, item, from). */
export const CLIENT_FRAME_DEPTH_MAX = 4;

/** Channels in one `attach` or `detach`: what fits a message with short names. */
export const ATTACH_CHANNELS_MAX = 500;

/** Channels of a session: a commit may have to name them all, and a lap looks at each head. */
export const SESSION_CHANNELS_MAX = 1_000;

/** A token must fit the hello with its other fields. */
export const TOKEN_CHARS_MAX = 7 * 1024;

/** `hello.client`, which goes to logs. */
export const CLIENT_NAME_CHARS_MAX = 100;

/** The random id of a run. */
export const RUN_CHARS_MAX = 64;

/** `until.source`. */
export const SOURCE_CHARS_MAX = 100;

/** `until.position`: MongoDB's resume tokens are the longest that people paste. */
export const POSITION_CHARS_MAX = 1024;

/** Entries of one `historyPage`, which is also bound by HISTORY_BYTES_MAX. */
export const HISTORY_LIMIT_MAX = 1_000;

/** About the size of one `historyPage`. */
export const HISTORY_BYTES_MAX = 256 * 1024;

/** `from: {last: n}`: more is a matter for `history`. */
export const LAST_MAX = 10_000;

/** `until` requests of one session that wait at once. */
export const UNTIL_WAITING_MAX = 16;

/**
 * A `changes` frame is closed at about this size (one larger entry still travels in one frame): a phone
 * parses it within a frame of its screen, and the envelope's cost is spread over hundreds of entries.
 */
export const CHANGES_BYTES = 64 * 1024;

/**
 * A WebSocket message of the server is closed at about this size; it is larger only when one entry is
 * (at most BODY_BYTES_MAX of model/limits.ts and its envelope).
 */
export const SERVER_MESSAGE_BYTES = 256 * 1024;

/** What a client must be ready to take in one message: the largest entry with room for its envelope. */
export const SERVER_MESSAGE_BYTES_MAX = 9 * 1024 * 1024;
