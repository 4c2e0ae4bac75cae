/**
 * From the cells of a row to a change: where each column of the stream stands in the relation that rules
 * see, and how its text becomes its JSON form. One plan per table or partition and shape.
 */
import type { Relation, RowChange, Values } from "../../src/model/change.js";
import { CellWriter } from "./cell-writer.js";
import type { Cell, RelationMessage, RowMessage } from "./pgoutput.js";
import * as pgoutput from "./pgoutput.js";
import { TupleChange } from "./tuple-change.js";
import type { ValueForm } from "./value-forms.js";

/** A table as the catalogue explains it: what rules call it, and how its texts become JSON forms. */
export interface DescribedTable {
  readonly relation: Relation;
  /** Name of the partition, when the table is one. */
  readonly leaf: string | undefined;
  readonly columns: readonly (Pick<ValueForm, "form" | "bytes"> & { readonly name: string })[];
}

/** Of a row whose forms are written as bytes: larger ones are rare, and would need as much room. */
const WHOLE_BYTES_MAX = 64 * 1024;

interface Column {
  /** Place in `Relation.columns`; −1 when the relation does not have it. */
  readonly to: number;
  readonly form: (text: string) => string;
  /** Its value is told in an old key. */
  readonly isKey: boolean;
}

type Mutable = (string | undefined)[];

export class RowPlan {
  readonly relation: Relation;
  readonly leaf: string | undefined;
  readonly #columns: readonly Column[];
  /** Of rows that are whole. */
  readonly cells: CellWriter;
  /** Places of the identity's columns in the relation. */
  readonly #identity: readonly number[];
  /** The same in the stream's rows. */
  readonly #identityCells: readonly number[];

  constructor(message: RelationMessage, described: DescribedTable) {
    const { relation, leaf, columns } = described;
    this.relation = relation;
    this.leaf = leaf;
    const places = new Map(relation.columns.map(({ name }, at) => [name, at]));
    const forms = new Map(columns.map(({ name, form }) => [name, form]));
    this.#columns = message.columns.map(({ name, isKey }) => {
      const form = forms.get(name);
      return { to: form === undefined ? -1 : (places.get(name) ?? -1), form: form ?? asIs, isKey };
    });
    this.cells = new CellWriter(
      message.columns.map(({ name }) => places.get(name) ?? -1),
      relation.columns.map(({ name }) => {
        return columns.find((column) => column.name === name) ?? { form: asIs };
      }),
    );
    this.#identity = relation.identity.map((name) => places.get(name) ?? -1);
    this.#identityCells = this.#identity.map((place) =>
      place < 0 ? -1 : this.#columns.findIndex(({ to }) => to === place),
    );
  }

  /** The change that stands in `bytes` between the two places. The bytes are the change's from now on. */
  change(bytes: Buffer, from: number, to: number): RowChange {
    const kind = bytes[from];
    if (kind !== pgoutput.tag.delete && pgoutput.isNewRowOnly(bytes, from)) {
      if (this.#identityCells.includes(-1)) throw this.#keyless();
      const isTold = pgoutput.checkNewRow(bytes, { from, to }, this.#checkCell);
      const isWhole = isTold && this.cells.isWhole && to - from <= WHOLE_BYTES_MAX;
      const op = kind === pgoutput.tag.insert ? "insert" : "update";
      return new TupleChange(op, this, { bytes, from, to, isWhole });
    }
    const row = pgoutput.readRow(bytes, from, to);
    if (kind === pgoutput.tag.insert) throw pgoutput.unreadable("an insert with an old row");
    return kind === pgoutput.tag.update ? this.#update(row) : this.#delete(row);
  }

  /** The identity in a message that holds a new row only; null where the relation cannot tell rows apart. */
  identity(bytes: Buffer, from: number): string | null {
    let text = "";
    for (const at of this.#identityCells) {
      const cell = pgoutput.readNewCell(bytes, from, at);
      const value = cell === null ? "null" : (this.#columns[at]?.form(cell) ?? cell);
      text += text === "" ? value : `,${value}`;
    }
    return text === "" ? null : `[${text}]`;
  }

  /** The values of a new row. */
  values(cells: readonly Cell[]): Values {
    return this.#read(cells, false);
  }

  #update({ oldKey, oldRow, newRow }: RowMessage): RowChange {
    const told = this.#read(newRow, false);
    const old = this.#readOld(oldKey, oldRow);
    if (old === undefined) throw pgoutput.unreadable("an update with a row of no kind");
    // A whole old row tells what the new one leaves out; an old key does so for the key's columns.
    const values = told.map((value, at) => value ?? old[at]);
    const identity = this.#identityOf(values);
    const previous = this.#identityOf(old);
    const change = this.#change("update", identity, values);
    return previous === null || previous === identity ? change : { ...change, previous };
  }

  #delete({ oldKey, oldRow }: RowMessage): RowChange {
    const values = this.#readOld(oldKey, oldRow) ?? this.#read([], false);
    return this.#change("delete", this.#identityOf(values), values);
  }

  readonly #checkCell = (at: number, isTold: boolean): void => {
    if (at >= this.#columns.length) throw this.#tooWide();
    if (!isTold && this.#identityCells.includes(at)) throw this.#keyless();
  };

  #tooWide(): Error {
    return pgoutput.unreadable(`a row of ${this.relation.name} that is too wide`);
  }

  #keyless(): Error {
    return pgoutput.unreadable(`a row of ${this.relation.name} without its key`);
  }

  #readOld(
    key: readonly Cell[] | undefined,
    row: readonly Cell[] | undefined,
  ): Mutable | undefined {
    if (row !== undefined) return this.#read(row, false);
    return key === undefined ? undefined : this.#read(key, true);
  }

  /** Of an old key only the key's columns count: the others stand there as nulls that mean nothing. */
  #read(cells: readonly Cell[] | undefined, isKeyOnly: boolean): Mutable {
    const values = new Array<string | undefined>(this.relation.columns.length).fill(undefined);
    const columns = this.#columns;
    if (cells === undefined)
      throw pgoutput.unreadable(`a change of ${this.relation.name} without a row`);
    for (let at = 0; at < cells.length; at += 1) {
      const column = columns[at];
      const cell = cells[at];
      if (column === undefined) throw this.#tooWide();
      if (cell === undefined || column.to < 0 || (isKeyOnly && !column.isKey)) continue;
      values[column.to] = cell === null ? "null" : column.form(cell);
    }
    return values;
  }

  /** Null where the relation cannot tell rows apart. */
  #identityOf(values: Values): string | null {
    if (this.#identity.length === 0) return null;
    let text = "";
    for (const at of this.#identity) {
      const value = values[at];
      if (value === undefined) throw this.#keyless();
      text += text === "" ? value : `,${value}`;
    }
    return `[${text}]`;
  }

  #change(op: RowChange["op"], identity: string | null, values: Values): RowChange {
    const change = { op, relation: this.relation, identity, values };
    return this.leaf === undefined ? change : { ...change, leaf: this.leaf };
  }
}

function asIs(text: string): string {
  return text;
}
