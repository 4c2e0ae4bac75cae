/** Bounds that several parts share, each with its reason. Bounds of one part stand in that part. */

/** A block holds about this much, unless one entry is larger: group commit without long flushes. */
export const BLOCK_BYTES_MAX = 1024 * 1024;

/** A transaction above this streams through as parts. */
export const TRANSACTION_BYTES_MAX = BLOCK_BYTES_MAX;

/** A document whose output is larger is parked: one frame must stay within what a phone can parse at once. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;

/** One document goes to at most this many channels; with more it is parked. */
export const CHANNELS_PER_DOCUMENT_MAX = 1_000;
