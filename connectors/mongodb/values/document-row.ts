/**
 * A document as a row that is written straight from BSON to the JSON that rules put out: numbers, plain texts and
 * dates, which most values are, without a text of their own. One at a time: its places lie in memory that is
 * written again for the next.
 */
import { InvariantError } from "../../../src/base/errors.js";
import { quotedForm } from "../../../src/model/any-form.js";
import type { WholeRow } from "../../../src/model/change.js";
import { bsonType, documentEnd, int32At, nameEnd, valueEnd } from "./bson-layout.js";
import type { FieldNames } from "./field-names.js";
import { formOf } from "./value-form.js";

/** A larger one gains nothing, and room for it would be kept for ever. */
const DOCUMENT_BYTES_MAX = 16 * 1024;

/** The tag and the quotes of the longest value in the fewest bytes: a regular expression without a character. */
const BYTES_PER_BYTE = 24;
/** A value at the top may be shorter than its quotes and its tag. */
const BYTES_PER_VALUE = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const NOWHERE = 0;

export class DocumentRow implements WholeRow {
  readonly #names: FieldNames;
  readonly #types: Uint8Array;
  /** Of each field's value; NOWHERE, where no value can be, if there is none. */
  readonly #places: Uint32Array;
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;

  constructor(names: FieldNames) {
    this.#names = names;
    this.#types = new Uint8Array(names.count);
    this.#places = new Uint32Array(names.count);
  }

  /** Undefined where a field is missing. */
  of(bytes: Buffer, start: number): WholeRow | undefined {
    const limit = documentEnd(bytes, start) - 1;
    this.#size = limit - start;
    if (this.#size > DOCUMENT_BYTES_MAX) return undefined;
    this.#bytes = bytes;
    const places = this.#places.fill(NOWHERE);
    let missing = places.length;
    for (let at = start + 4; at < limit && missing > 0;) {
      const type = bytes[at] ?? 0;
      const end = nameEnd(bytes, at + 1);
      const next = valueEnd(bytes, type, end + 1, limit);
      const place = this.#names.placeOf(bytes, at + 1, end);
      // Of a name that stands twice the server, too, reads the first.
      if (place >= 0 && places[place] === NOWHERE) {
        places[place] = end + 1;
        this.#types[place] = type;
        missing -= 1;
      }
      at = next;
    }
    return missing === 0 ? this : undefined;
  }

  get bytesMax(): number {
    return BYTES_PER_BYTE * this.#size + BYTES_PER_VALUE * this.#places.length;
  }

  form(column: number): string {
    return formOf(this.#bytes, this.#types[column] ?? 0, this.#places[column] ?? 0);
  }

  writeForms(columns: readonly number[], into: Buffer, from: number): number {
    let at = from;
    for (const column of columns) {
      if (at > from) into[at++] = COMMA;
      at = writeText(this.form(column), into, at);
    }
    return at;
  }

  writeQuoted(columns: readonly number[], into: Buffer, from: number): number {
    let at = from;
    for (const column of columns) {
      if (at > from) into[at++] = COMMA;
      at = this.#quoted(column, into, at);
    }
    return at;
  }

  #quoted(column: number, into: Buffer, at: number): number {
    const place = this.#places[column] ?? NOWHERE;
    switch (this.#types[column]) {
      case bsonType.int32:
        return writeQuotedInteger(int32At(this.#bytes, place), into, at);
      case bsonType.string: {
        const end = writeQuotedChars(this.#bytes, place, into, at);
        return end >= 0 ? end : writeText(quotedForm(this.form(column)), into, at);
      }
      default:
        return writeText(quotedForm(this.form(column)), into, at);
    }
  }
}

function writeText(text: string, into: Buffer, at: number): number {
  // A text that does not fit would be cut without a word.
  const fits = at + 3 * text.length <= into.length || at + Buffer.byteLength(text) <= into.length;
  if (!fits) throw new InvariantError("a form is longer than the room for it");
  return at + into.write(text, at);
}

/** A text in quotes, in quotes; −1 where a character is no plain one. */
function writeQuotedChars(bytes: Buffer, place: number, into: Buffer, from: number): number {
  const begin = place + 4;
  const end = begin + int32At(bytes, place) - 1;
  let at = from;
  into[at++] = QUOTE;
  into[at++] = BACKSLASH;
  into[at++] = QUOTE;
  for (let next = begin; next < end; next += 1) {
    const byte = bytes[next] ?? 0;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH || byte >= 0x7f) return -1;
    into[at++] = byte;
  }
  into[at++] = BACKSLASH;
  into[at++] = QUOTE;
  into[at++] = QUOTE;
  return at;
}

function writeQuotedInteger(value: number, into: Buffer, from: number): number {
  let at = from;
  into[at++] = QUOTE;
  let rest = Math.abs(value);
  if (value < 0) into[at++] = MINUS;
  let end = at + 1;
  for (let more = rest; more >= 10; more = Math.floor(more / 10)) end += 1;
  for (let digit = end - 1; digit >= at; digit -= 1) {
    into[digit] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  into[end] = QUOTE;
  return end + 1;
}
