/** The place of a client in one channel: kept in its store in the same local transaction as the rows (I6). */
export interface Place {
  /** The log number of the channel's birth; 0 while it never had an entry. */
  readonly epoch: number;
  /** Serial of the last entry that the store's content includes; 0 for none. */
  readonly serial: number;
  /** Log number at which the store's content of this channel is exact. */
  readonly log: number;
  /** Run of the journal that told so. */
  readonly run: string;
}
