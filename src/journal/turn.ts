/** How much is done between two turns of the event loop. */

/** Rows that one slice of work may take: about 2 ms at a few microseconds each. */
export const SLICE_ROWS = 500;

/** Longest slice that is measured by time. */
export const SLICE_MS = 2;
