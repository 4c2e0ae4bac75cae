/**
 * What the batches of one session may look like, one after the other. Pure: says the broken rule, or
 * nothing. Whole rows are not walked: a check per change costs a few comparisons.
 */
import type { Change, Relation, SourceBatch, TransactionBatch } from "../model/change.js";

/** It is written with every commit of its source. */
const POSITION_CHARS_MAX = 1_024;
const MARK_CHARS_MAX = 256;

export class BatchCheck {
  /** Position of the last batch that closed a transaction or was idle. */
  #closed: string;
  /** The transaction whose last part has not come yet. */
  #open: TransactionBatch | undefined;
  #known: Relation | undefined;

  constructor(after: string) {
    this.#closed = after;
  }

  get closed(): string {
    return this.#closed;
  }

  /** The rule that `batch` breaks. */
  next(batch: SourceBatch): string | undefined {
    if (batch.position.length > POSITION_CHARS_MAX) {
      return `a position has at most ${POSITION_CHARS_MAX} characters`;
    }
    const fault = batch.kind === "idle" ? this.#idle(batch.position) : this.#transaction(batch);
    if (fault !== undefined) return fault;
    if (batch.kind === "idle" || batch.last) this.#closed = batch.position;
    return undefined;
  }

  #idle(position: string): string | undefined {
    if (this.#open !== undefined) {
      return `an idle batch inside the transaction ${this.#open.transaction}`;
    }
    if (position < this.#closed) return `an idle position ${position} after ${this.#closed}`;
    return undefined;
  }

  #transaction(batch: TransactionBatch): string | undefined {
    const fault = this.#open === undefined ? this.#first(batch) : this.#further(this.#open, batch);
    if (fault !== undefined) return fault;
    for (const change of batch.changes) {
      const found = this.#change(change);
      if (found !== undefined) return found;
    }
    if (!(batch.bytes >= 0)) return `a batch of ${batch.bytes} bytes`;
    this.#open = batch.last ? undefined : batch;
    return undefined;
  }

  #first(batch: TransactionBatch): string | undefined {
    const { transaction, part, position } = batch;
    if (part !== 0) return `transaction ${transaction} begins with part ${part}`;
    if (position <= this.#closed) {
      return `transaction ${transaction} at ${position}, which is not above ${this.#closed}`;
    }
    if (batch.mark.length > MARK_CHARS_MAX)
      return `a mark has at most ${MARK_CHARS_MAX} characters`;
    return undefined;
  }

  #further(open: TransactionBatch, batch: TransactionBatch): string | undefined {
    const { transaction, part } = batch;
    if (transaction !== open.transaction) {
      return `transaction ${transaction} begins before ${open.transaction} had its last part`;
    }
    if (part !== open.part + 1) return `part ${part} of ${transaction} after part ${open.part}`;
    const isSame = batch.position === open.position && batch.mark === open.mark;
    return isSame ? undefined : `the parts of ${transaction} differ in position or mark`;
  }

  #change(change: Change): string | undefined {
    const { relation } = change;
    if (relation !== this.#known) {
      const fault = relationFault(relation);
      if (fault !== undefined) return fault;
      this.#known = relation;
    }
    if (change.op === "truncate" || change.op === "renew") return undefined;
    const { op, identity, previous, whole } = change;
    const { name } = relation;
    // What is whole has them all, and is not made text for this.
    const values = whole === undefined ? change.values : relation.columns;
    if (values.length !== relation.columns.length) {
      return `a row of ${name} has ${values.length} values for ${relation.columns.length} columns`;
    }
    if ((identity === null) !== (relation.identity.length === 0)) {
      return `a row of ${name} has an identity only where the relation has one`;
    }
    if (previous !== undefined && (op !== "update" || previous === identity)) {
      return `a row of ${name} has a previous identity only where an update changed it`;
    }
    return undefined;
  }
}

/** What is wrong with a relation on its own. */
export function relationFault(relation: Relation): string | undefined {
  const { name, columns, identity, primaryKey, uniqueKeys, fingerprint } = relation;
  if (name === "" || fingerprint === "") return "a relation has a name and a fingerprint";
  const names = new Set(columns.map((column) => column.name));
  if (names.size !== columns.length) return `relation ${name} has two columns of one name`;
  const stranger = [identity, primaryKey, ...uniqueKeys].flat().find((each) => !names.has(each));
  return stranger === undefined ? undefined : `relation ${name} has no column ${stranger}`;
}
