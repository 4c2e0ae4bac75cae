/** Names of fields by their length: most fields of a document are told apart by it, without looking at the rest. */
import { isNamed } from "./bson-layout.js";

interface FieldName {
  readonly bytes: Buffer;
  readonly place: number;
}

const NO_NAMES: readonly FieldName[] = [];

export class FieldNames {
  readonly count: number;
  readonly #byLength: FieldName[][] = [];

  constructor(fields: readonly string[]) {
    this.count = fields.length;
    for (const [place, field] of fields.entries()) {
      const bytes = Buffer.from(field);
      (this.#byLength[bytes.length] ??= []).push({ bytes, place });
    }
  }

  /** −1 where the name is not wanted. */
  placeOf(bytes: Buffer, at: number, end: number): number {
    const candidates = this.#byLength[end - at] ?? NO_NAMES;
    for (let each = 0; each < candidates.length; each += 1) {
      const candidate = candidates[each];
      if (candidate === undefined) continue;
      if (isNamed(candidate.bytes, bytes, at, end)) return candidate.place;
    }
    return -1;
  }
}
