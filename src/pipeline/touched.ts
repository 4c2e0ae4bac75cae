/**
 * Which rows the stream touched while a chunk of existing rows was read and waited for its place: the
 * stream's word is the newer one. Bounded: with too many the chunk is asked for again, smaller.
 */
export interface TouchedRows {
  readonly identities: ReadonlySet<string>;
  /** TRUNCATE or another shape of the relation: none of the rows counts. */
  readonly isAll: boolean;
  readonly isOverflown: boolean;
}

interface Recording {
  readonly relation: string;
  readonly identities: Set<string>;
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
    this.#recording = { relation, identities: new Set(), isAll: false, isOverflown: false };
  }

  stop(): TouchedRows {
    const recording = this.#recording;
    this.#recording = undefined;
    return recording ?? { identities: new Set(), isAll: true, isOverflown: false };
  }

  row(relation: string, identity: string): void {
    const recording = this.#recording;
    if (recording?.relation !== relation) return;
    if (recording.identities.size < this.#max) recording.identities.add(identity);
    else recording.isOverflown = true;
  }

  all(relation: string): void {
    if (this.#recording?.relation === relation) this.#recording.isAll = true;
  }
}
