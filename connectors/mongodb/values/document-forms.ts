/**
 * The fields of one collection that rules name, read out of raw documents in one pass: what is not wanted is
 * skipped by its length, and reading ends with the last wanted field.
 */
import { bufferOf } from "../../../src/base/bytes.js";
import { ABSENT } from "../../../src/model/change.js";
import { documentEnd, nameEnd, valueEnd } from "./bson-layout.js";
import { DocumentRow } from "./document-row.js";
import { FieldNames } from "./field-names.js";
import type { DocumentForms } from "./forms.js";
import { formsOfPlainUpdate } from "./plain-update.js";
import { formsOfUpdate } from "./update-forms.js";
import { formOf } from "./value-form.js";

/** `fields` are top-level names, each once. */
export function documentForms(fields: readonly string[]): DocumentForms {
  const places = new Map(fields.map((field, place) => [field, place]));
  const names = new FieldNames(fields);
  const row = new DocumentRow(names);
  return {
    fields,
    document: (bytes, at = 0) => formsOfDocument(bufferOf(bytes), at, names),
    whole: (bytes, at) => row.of(bytes, at),
    update: (raw, reading, at = 0) => {
      const bytes = bufferOf(raw);
      return formsOfPlainUpdate(bytes, at, names) ?? formsOfUpdate(bytes, at, { places, reading });
    },
  };
}

function formsOfDocument(bytes: Buffer, start: number, names: FieldNames): string[] {
  const limit = documentEnd(bytes, start) - 1;
  const forms = new Array<string>(names.count).fill(ABSENT);
  let missing = names.count;
  for (let at = start + 4; at < limit && missing > 0;) {
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
