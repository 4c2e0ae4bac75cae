/** The bounds of the pipeline (I9), each with its reason. Tests make them small. */
import type { BackoffLimits } from "../base/backoff.js";
import { BLOCK_BYTES_MAX, TRANSACTION_BYTES_MAX } from "../model/limits.js";

export interface PipelineSettings {
  /** A block that has this much takes no more: sources wait until it is sealed. */
  readonly blockBytesMax: number;
  /** Slices of a transaction up to this are gathered in memory; beyond it they stream through as parts. */
  readonly transactionBytesMax: number;
  readonly chunkRowsMax: number;
  readonly chunkBytesMax: number;
  /** Rows the stream may touch beside one chunk; with more the chunk is asked for again. */
  readonly touchedMax: number;
  /** Documents that one unit of a sweep takes, and keys that a sweep remembers before it holds the stream. */
  readonly sweepMax: number;
  /** Positions without entries are journaled this often (I1). */
  readonly idleMs: number;
  readonly lagMs: number;
  /** A session that failed before it got so old is tried again later and later. */
  readonly steadyMs: number;
  readonly backoff: BackoffLimits;
}

export const defaultPipelineSettings: PipelineSettings = {
  blockBytesMax: BLOCK_BYTES_MAX,
  transactionBytesMax: TRANSACTION_BYTES_MAX,
  chunkRowsMax: 2_000,
  chunkBytesMax: BLOCK_BYTES_MAX,
  touchedMax: 100_000,
  sweepMax: 100_000,
  idleMs: 1_000,
  lagMs: 5_000,
  steadyMs: 10_000,
  backoff: { baseMs: 100, maxMs: 30_000 },
};
