/** What the pipeline counts. The numbers belong to ops/; they come in as plain functions. */
export interface PipelineMetrics {
  /** Source transactions were collected, with so many changes. */
  transactions(source: string, count: number, changes: number): void;
  /** A block became durable: its entries and about its bytes. */
  appended(entries: number, bytes: number): void;
  /** A transaction took the way of the huge ones. */
  huge(source: string): void;
  /** A document was parked (I11). */
  parked(source: string, code: string): void;
  /** Rows of an initial copy became documents. */
  copied(source: string, rows: number): void;
  /** A session with a source was opened. */
  connected(source: string): void;
  /** A session failed, or could not be opened; it is tried again. */
  failed(source: string, code: string): void;
}

export const silentPipelineMetrics: PipelineMetrics = {
  transactions: () => undefined,
  appended: () => undefined,
  huge: () => undefined,
  parked: () => undefined,
  copied: () => undefined,
  connected: () => undefined,
  failed: () => undefined,
};
