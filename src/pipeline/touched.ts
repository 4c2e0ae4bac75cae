/**
 * Which rows the stream touched while a chunk of existing rows was read and waited for its place: the
 * stream's word is the newer one. What an update did inside a value says nothing without that value, which
 * the chunk may bring: it is kept until then, unless the chunk's value is not the one that it was done to.
 * Bounded: with too many the chunk is asked for again, smaller.
 */
import type { FieldPatch, RowChange } from "../model/change.js";

export interface TouchedRows {
  readonly identities: ReadonlySet<string>;
  /** By identity, in the order of the stream. */
  readonly patched: ReadonlyMap<string, readonly PatchedRow[]>;
  /**
   * Of these no value of the chunk counts, whatever the stream leaves out: a row came from another identity, or a
   * patch did not fit the newer value that the stream had told. Whether before `hi` or behind: rows may lack
   * changes up to it.
   */
  readonly outdated: ReadonlySet<string>;
  /** TRUNCATE or another shape of the relation: none of the rows counts. */
  readonly isAll: boolean;
  readonly isOverflown: boolean;
}

export interface PatchedRow {
  readonly position: string;
  /** By place of a column. */
  readonly patches: ReadonlyMap<number, FieldPatch>;
}

interface Recording {
  readonly relation: string;
  readonly identities: Set<string>;
  readonly patched: Map<string, PatchedRow[]>;
  readonly outdated: Set<string>;
  /** Of all rows. */
  patchedCount: number;
  isAll: boolean;
  isOverflown: boolean;
}

export class Touched {
  readonly #max: number;
  #recording: Recording | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** One relation at a time: a recording before this one is forgotten. */
  start(relation: string): void {
    this.#recording = { relation, ...nothing(), patchedCount: 0, isAll: false, isOverflown: false };
  }

  stop(): TouchedRows {
    const recording = this.#recording;
    this.#recording = undefined;
    return recording ?? { ...nothing(), isAll: true, isOverflown: false };
  }

  row({ relation, identity, previous, patches }: RowChange, position: string): void {
    const recording = this.#recording;
    if (recording?.relation !== relation.name) return;
    if (previous !== undefined) this.#touch(recording, previous);
    if (identity === null) return;
    this.#touch(recording, identity);
    if (previous !== undefined) this.#outdate(recording, identity);
    if (patches !== undefined) this.#patch(recording, identity, { position, patches });
  }

  /** A patch of a row that was told as touched did not fit what is known of it. */
  misfit({ relation, identity }: RowChange): void {
    const recording = this.#recording;
    if (recording?.relation !== relation.name || identity === null) return;
    this.#outdate(recording, identity);
  }

  all(relation: string): void {
    if (this.#recording?.relation === relation) this.#recording.isAll = true;
  }

  #touch(recording: Recording, identity: string): void {
    if (recording.identities.size < this.#max) recording.identities.add(identity);
    else recording.isOverflown = true;
  }

  #outdate({ identities, outdated }: Recording, identity: string): void {
    if (identities.has(identity)) outdated.add(identity);
  }

  #patch(recording: Recording, identity: string, patched: PatchedRow): void {
    if (recording.patchedCount >= this.#max) {
      recording.isOverflown = true;
      return;
    }
    recording.patchedCount += 1;
    const before = recording.patched.get(identity);
    if (before === undefined) recording.patched.set(identity, [patched]);
    else before.push(patched);
  }
}

function nothing(): Pick<Recording, "identities" | "patched" | "outdated"> {
  return { identities: new Set(), patched: new Map(), outdated: new Set() };
}
