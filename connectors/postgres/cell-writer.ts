/** Writes the forms of whole rows of one table, cell by cell, from the bytes of the stream's message. */
import { NO_FORM } from "./byte-forms.js";
import { eachNewCell } from "./pgoutput.js";
import type { TupleBytes } from "./tuple-change.js";
import type { ValueForm } from "./value-forms.js";

const COMMA = 0x2c;
/** A form takes at most so many bytes for each of its text's, and some besides: every byte may have to be escaped. */
const BYTES_PER_BYTE = 6;
const BYTES_PER_CELL = 16;

export class CellWriter {
  /** Every column of the relation is in the stream's rows. */
  readonly isWhole: boolean;
  readonly #forms: readonly Pick<ValueForm, "form" | "bytes">[];
  /** Of each cell of the stream the column of the relation; −1 for none. */
  readonly #columns: readonly number[];
  // Where the cells of the row stand that was asked about last, by column; both 0 for NULL.
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  #tuple: TupleBytes | undefined;
  /** What a form is asked to write: one object for all. */
  readonly #text: { bytes: Buffer; from: number; to: number };

  constructor(columns: readonly number[], forms: readonly Pick<ValueForm, "form" | "bytes">[]) {
    this.#columns = columns;
    this.#forms = forms;
    this.#from = new Int32Array(forms.length);
    this.#to = new Int32Array(forms.length);
    this.#text = { bytes: Buffer.alloc(0), from: 0, to: 0 };
    this.isWhole = forms.every((_, column) => columns.includes(column));
  }

  bytesMax({ from, to }: TupleBytes): number {
    return BYTES_PER_BYTE * (to - from) + BYTES_PER_CELL * this.#forms.length;
  }

  form(tuple: TupleBytes, column: number): string {
    this.#find(tuple);
    const [from = 0, to = 0] = [this.#from[column], this.#to[column]];
    return from === 0 ? "null" : this.#formOf(tuple.bytes, column, from, to);
  }

  write(tuple: TupleBytes, columns: readonly number[], into: Buffer, at: number): number {
    this.#find(tuple);
    let end = at;
    for (let n = 0; n < columns.length; n += 1) {
      if (n > 0) into[end++] = COMMA;
      end = this.#write(tuple.bytes, columns[n] ?? -1, into, end);
    }
    return end;
  }

  #write(bytes: Buffer, column: number, into: Buffer, at: number): number {
    const [from = 0, to = 0] = [this.#from[column], this.#to[column]];
    if (from === 0) return at + into.write("null", at, "latin1");
    const write = this.#forms[column]?.bytes;
    if (write !== undefined) {
      const text = this.#text;
      text.bytes = bytes;
      text.from = from;
      text.to = to;
      const end = write(text, into, at);
      if (end !== NO_FORM) return end;
    }
    return at + into.write(this.#formOf(bytes, column, from, to), at, "utf8");
  }

  #formOf(bytes: Buffer, column: number, from: number, to: number): string {
    const text = bytes.toString("utf8", from, to);
    return this.#forms[column]?.form(text) ?? text;
  }

  #find(tuple: TupleBytes): void {
    if (this.#tuple === tuple) return;
    this.#tuple = tuple;
    const [begins, ends, columns] = [this.#from, this.#to, this.#columns];
    eachNewCell(tuple.bytes, tuple.from, (cell, from, to) => {
      const column = columns[cell] ?? -1;
      if (column < 0) return;
      begins[column] = from;
      ends[column] = to;
    });
  }
}
