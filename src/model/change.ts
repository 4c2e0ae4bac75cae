/** What connectors yield: the changes of source transactions, in commit order. */
import type { Column } from "./table.js";

/** A table or collection as the source describes it now. A new object whenever the source's description changed. */
export interface Relation {
  /** The name that rules use, e.g. `public.products`. Partitions go by the name of their root. */
  readonly name: string;
  /** In the order of `RowChange.values`. */
  readonly columns: readonly Column[];
  /** Columns that people see at the source and that it does not tell us, each with why and what to do. */
  readonly untold?: ReadonlyMap<string, string>;
  /** Columns whose values make up `identity`; empty when the source cannot tell rows apart. */
  readonly identity: readonly string[];
  /** Columns of the primary key; empty when there is none. */
  readonly primaryKey: readonly string[];
  /** Column lists of the unique, not deferrable, whole-table indexes over NOT NULL columns; the primary key included. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** The source keeps no list of columns: these are the fields that rules name (`OpenContext.fields`), and the identity. */
  readonly isOpen?: true;
  /** Changes whenever name, columns, types, identity or keys do; equal text means equal relation. */
  readonly fingerprint: string;
}

/**
 * One row or document: for each column of the relation its JSON form (see ValueType) as text, `"null"` for
 * NULL, `ABSENT` for a field the document does not have, undefined for "not told": unchanged in an update,
 * unknown in a delete.
 */
export type Values = readonly (string | undefined)[];

export const ABSENT = "";

/** A row that tells every column, none of them ABSENT. Its forms are made where they are needed. */
export interface WholeRow {
  /** The JSON form of a column. */
  form(column: number): string;
  /** What the forms of all columns take at most, with a byte between each. */
  readonly bytesMax: number;
  /** Writes the forms of `columns` with commas between them, which have room; returns where they end. */
  writeForms(columns: readonly number[], into: Buffer, at: number): number;
  /** Of an open relation: the same, each form as a JSON text. There `bytesMax` has room for these. */
  writeQuoted?(columns: readonly number[], into: Buffer, at: number): number;
}

export interface RowChange {
  readonly op: "insert" | "update" | "delete";
  readonly relation: Relation;
  /** The partition that holds the row, when it is not the relation itself. */
  readonly leaf?: string;
  /** Canonical JSON text of the identity columns' values; null when the relation has no identity. */
  readonly identity: string | null;
  /** The identity before the update, when it changed. */
  readonly previous?: string;
  readonly values: Values;
  /** The same as `values`, for whoever can do without texts; undefined where something is not told. */
  readonly whole?: WholeRow | undefined;
  /** By place of a column, only where `values` tells nothing: what an update made inside the value that it had before. */
  readonly patches?: ReadonlyMap<number, FieldPatch>;
}

/**
 * The JSON form after the update from the one before (ABSENT where there was none); undefined where it cannot be
 * told. It may meet a form that holds it, and later ones, already: together they then change nothing, or cannot be told.
 */
export type FieldPatch = (before: string) => string | undefined;

export interface TruncateChange {
  readonly op: "truncate";
  readonly relation: Relation;
  /** Only this partition was emptied. */
  readonly leaf?: string;
}

/** Another content took the relation's place, and the stream does not tell it: existing rows have to be read again. */
export interface RenewChange {
  readonly op: "renew";
  readonly relation: Relation;
}

export type Change = RowChange | TruncateChange | RenewChange;

/** A slice of one transaction, or some small ones together. A transaction is one or more consecutive slices, the last one marked. */
export interface TransactionBatch {
  readonly kind: "transaction";
  /** Names the transaction, e.g. its xid: equal for all parts. */
  readonly transaction: string;
  /** So many small ones that the source had ready together, named by the last; left out for one. */
  readonly count?: number;
  /** 0, 1, 2 … within the transaction. */
  readonly part: number;
  readonly last: boolean;
  /** Where the source stands once this transaction is done (its end): equal for all parts, above every earlier one. */
  readonly position: string;
  /** What the connector wants back, with the position, at the next `open`, e.g. xid and commit time. At most 256 B. */
  readonly mark: string;
  /** Commit time at the source, milliseconds since 1970. */
  readonly committedAt: number;
  readonly changes: readonly Change[];
  /** About what the changes take in memory: the unit of flow control. */
  readonly bytes: number;
}

/** The source had nothing for us up to `position`. */
export interface IdleBatch {
  readonly kind: "idle";
  /** At or above every earlier position. */
  readonly position: string;
  /** The stream has just proved that this was the head of the source. */
  readonly atHead: boolean;
}

export type SourceBatch = TransactionBatch | IdleBatch;
