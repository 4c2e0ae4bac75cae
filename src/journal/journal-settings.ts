/** What an operator may choose about a journal, with the values that hold unless they do. */
import { HELD_BYTES_MAX } from "./journal.js";

export interface JournalSettings {
  /** Blocks that are covered by the derived state are kept so long, or up to so many bytes. */
  readonly blocksAgeMs: number;
  readonly blocksBytesMax: number;
  /** Entries of `events` channels are kept while all three hold; count and bytes are per channel. */
  readonly eventsAgeMs: number;
  readonly eventsCountMax: number;
  readonly eventsBytesMax: number;
  /** Deletions of `state` channels are kept so long; a place older than that gets a snapshot. */
  readonly tombstonesAgeMs: number;
  /** How often the three are enforced. */
  readonly retentionEveryMs: number;
  /** Released units kept in memory for live sessions. */
  readonly liveBytesMax: number;
  /** Appended units that may wait for their write-back before `ready` waits: half of them are written back together. */
  readonly behindBytesMax: number;
  /** What may be kept in memory for a held view: units that are written back. */
  readonly heldBytesMax: number;
  /**
   * Pages that one transaction of a write-back may change, if no two of its rows share one. LMDB holds them in memory,
   * and needs as many free ones besides until the transaction after the next.
   */
  readonly slicePages: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const defaultJournalSettings: JournalSettings = {
  blocksAgeMs: 10 * MINUTE_MS,
  blocksBytesMax: 1024 ** 3,
  eventsAgeMs: 7 * DAY_MS,
  eventsCountMax: 1_000_000,
  eventsBytesMax: 1024 ** 3,
  tombstonesAgeMs: 30 * DAY_MS,
  retentionEveryMs: MINUTE_MS,
  liveBytesMax: 64 * 1024 ** 2,
  behindBytesMax: 32 * 1024 ** 2,
  heldBytesMax: HELD_BYTES_MAX,
  slicePages: 2_048,
};
