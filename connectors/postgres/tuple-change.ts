/**
 * A change that holds a new row only, as inserts and nearly all updates do: it stays bytes until somebody asks
 * for its values, so that rows that wait are no work for the collector.
 */
import type { Relation, RowChange, Values, WholeRow } from "../../src/model/change.js";
import { readNewRow } from "./pgoutput.js";
import type { RowPlan } from "./row-plan.js";

export interface TupleBytes {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  /** All columns of the relation are told. */
  readonly isWhole: boolean;
}

export class TupleChange implements RowChange, WholeRow {
  readonly op: "insert" | "update";
  readonly relation: Relation;
  declare readonly leaf?: string;
  readonly #plan: RowPlan;
  readonly #tuple: TupleBytes;
  #identity: string | null | undefined;

  constructor(op: "insert" | "update", plan: RowPlan, tuple: TupleBytes) {
    this.op = op;
    this.relation = plan.relation;
    if (plan.leaf !== undefined) this.leaf = plan.leaf;
    this.#plan = plan;
    this.#tuple = tuple;
  }

  /** Made anew by each call. */
  get values(): Values {
    const { bytes, from, to } = this.#tuple;
    return this.#plan.values(readNewRow(bytes, from, to));
  }

  get whole(): WholeRow | undefined {
    return this.#tuple.isWhole ? this : undefined;
  }

  get bytesMax(): number {
    return this.#plan.cells.bytesMax(this.#tuple);
  }

  form(column: number): string {
    return this.#plan.cells.form(this.#tuple, column);
  }

  writeForms(columns: readonly number[], into: Buffer, at: number): number {
    return this.#plan.cells.write(this.#tuple, columns, into, at);
  }

  get identity(): string | null {
    if (this.#identity !== undefined) return this.#identity;
    const { bytes, from } = this.#tuple;
    return (this.#identity = this.#plan.identity(bytes, from));
  }
}
