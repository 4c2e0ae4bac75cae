/** Entries: changes as they stand in a channel. */

/**
 * `i` inserted, `u` updated (in a catch-up: the newest content), `d` deleted, `m` deleted here because it moved
 * to other channels, `t` every earlier row of the table in this channel is gone, `g` (events) a gap: the
 * source lost history before this entry.
 */
export type Op = "i" | "u" | "d" | "m" | "t" | "g";

export interface ChannelEntry {
  /** 1, 2, 3 … in its channel. */
  readonly serial: number;
  readonly log: number;
  /** Place inside the commit unit: (log, index) orders entries across channels. */
  readonly index: number;
  readonly op: Op;
  readonly table: string;
  readonly schema: number;
  /** JSON values joined by commas: all columns for `i` and `u`, the key columns for `d` and `m`, nothing for `t` and `g`. */
  readonly body: Uint8Array;
}
