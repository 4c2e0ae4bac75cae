/** The derived memory of a rule: what a document last became (architecture §4.2). */

export interface DocumentKey {
  /** Rule name. */
  readonly rule: string;
  /** Relation name. */
  readonly relation: string;
  /** `RowChange.identity`. */
  readonly identity: string;
}

/** A channel that holds the document, and the serial of its newest entry there. */
export interface Target {
  readonly channel: string;
  readonly serial: number;
}

/** Why a document could not be mapped. Parked documents are listed, counted, and tried again (I11). */
export interface Parked {
  readonly code: string;
  readonly message: string;
  /** Source position of the change that failed. */
  readonly position: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * A document as the journal keeps it. `body` is what clients get, `hidden` what the rule needs besides:
 * together they answer every question that a later change leaves open (unchanged TOAST, key-only deletes).
 */
export interface KeptDocument {
  /** Output columns in schema order as JSON, joined by commas, without brackets; empty when nothing was put out yet. */
  readonly body: Uint8Array;
  /** Output key columns in key order, in the same form. */
  readonly key: string;
  /** Client table and schema version that `body` follows. */
  readonly table: string;
  readonly schema: number;
  /** Input fields that the output does not hold verbatim, a JSON text that only rules/ reads. */
  readonly hidden: string;
  /** Source values that wait for the copy to fill what the stream left out; "" when none wait. A JSON text that only rules/ reads. */
  readonly pending: string;
  readonly targets: readonly Target[];
  readonly leaf: string;
  /** Number of the copy that last saw the document, in a chunk or by the stream. */
  readonly copy: number;
  readonly ruleVersion: number;
  readonly parked: Parked | undefined;
}
