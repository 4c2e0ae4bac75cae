/** Where a source's stream stands, as the journal keeps it. */
export interface SourcePosition {
  /** One unbroken history of the source: 1, 2, 3 … Positions compare only inside one. */
  readonly generation: number;
  /** Opaque outside the connector; a string whose order is the order of the stream. At most 1 KiB. */
  readonly position: string;
  /** `TransactionBatch.mark` of the last journaled transaction; "" before the first. */
  readonly mark: string;
  /** What `SourceSession.memo()` said when this was journaled. At most 256 KiB. */
  readonly memo: string;
}
