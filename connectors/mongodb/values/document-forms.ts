/**
 * The fields of one collection that rules name, read out of raw documents in one pass: what is not wanted is
 * skipped by its length, and reading ends with the last wanted field.
 */
import { ABSENT } from "../../../src/model/change.js";
import { bufferOf, documentEnd, nameEnd, valueEnd } from "./bson-layout.js";
import type { DocumentForms } from "./forms.js";
import { formsOfUpdate } from "./update-forms.js";
import { formOf } from "./value-form.js";

/** `fields` are top-level names, each once. */
export function documentForms(fields: readonly string[]): DocumentForms {
  const places = new Map(fields.map((field, place) => [field, place]));
  const names = new FieldNames(fields);
  return {
    fields,
    document: (document) => formsOfDocument(bufferOf(document), names),
    update: (description, reading) => formsOfUpdate(bufferOf(description), { places, reading }),
  };
}

function formsOfDocument(bytes: Buffer, names: FieldNames): string[] {
  const limit = documentEnd(bytes, 0) - 1;
  const forms = new Array<string>(names.count).fill(ABSENT);
  let missing = names.count;
  for (let at = 4; at < limit && missing > 0;) {
    const type = bytes[at] ?? 0;
    const end = nameEnd(bytes, at + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    const place = names.placeOf(bytes, at + 1, end);
    // Of a name that stands twice the server, too, reads the first.
    if (place >= 0 && forms[place] === ABSENT) {
      forms[place] = formOf(bytes, type, end + 1);
      missing -= 1;
    }
    at = next;
  }
  return forms;
}

interface FieldName {
  readonly bytes: Buffer;
  readonly place: number;
}

const NO_NAMES: readonly FieldName[] = [];

/** Names by their length: most fields of a document are told apart by it, without looking at the rest. */
class FieldNames {
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
      if (candidate !== undefined && isSame(candidate.bytes, bytes, at)) return candidate.place;
    }
    return -1;
  }
}

function isSame(name: Buffer, bytes: Buffer, at: number): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if (name[index] !== bytes[at + index]) return false;
  }
  return true;
}
