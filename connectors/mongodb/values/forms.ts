/**
 * What the connector asks of values: from raw BSON to JSON forms (src/model/table.ts, type `any`) and back to
 * what an update made of them. Raw BSON is one whole document: its length first, the closing zero last. It lies
 * where it came, in a change or a reply; `at` is its place there.
 */
import type { FieldPatch, WholeRow } from "../../../src/model/change.js";

/** Reads the fields of one collection that rules name; made once per relation. */
export interface DocumentForms {
  /** Top-level names, `_id` among them. */
  readonly fields: readonly string[];
  /** In the order of `fields`; ABSENT where the document has no such field. */
  document(bytes: Uint8Array, at?: number): string[];
  /** The same fields, found and not read; undefined where the document lacks one, or is large. Valid until the next call. */
  whole(bytes: Buffer, at: number): WholeRow | undefined;
  /** What an `updateDescription` says about the fields. */
  update(bytes: Uint8Array, reading: UpdateReading, at?: number): UpdateForms;
}

/**
 * How dotted paths are read: `expanded` by `disambiguatedPaths` (servers since 6.1), `nested` as if no key
 * held a dot or were a number outside arrays, `none` not at all.
 */
export type UpdateReading = "expanded" | "nested" | "none";

export interface UpdateForms {
  /** The form of a field that was set whole, ABSENT of one that was removed, undefined of any other. Made for the caller. */
  readonly values: (string | undefined)[];
  /** Fields changed inside, by place in `fields`; to be applied to the form that is kept. */
  readonly patches: ReadonlyMap<number, FieldPatch>;
  /** Fields whose content the description does not tell under this reading; none in most updates. */
  readonly untold: readonly number[];
}
