/** The places of one channel that show a document, by serial, rising. */
import type { Op } from "../../model/entry.js";
import type { LogNumber } from "../journal.js";

export interface ShownRow {
  readonly op: Op;
  readonly log: LogNumber;
  readonly index: number;
  /** Its number in the fold. */
  readonly document: number;
}

export class ShownRows {
  // Side by side, so that no row is an object.
  readonly #serials: number[] = [];
  readonly #ops: (Op | undefined)[] = [];
  readonly #logs: number[] = [];
  readonly #indexes: number[] = [];
  readonly #documents: number[] = [];

  add(serial: number, { op, log, index, document }: ShownRow): void {
    this.#serials.push(serial);
    this.#ops.push(op);
    this.#logs.push(log);
    this.#indexes.push(index);
    this.#documents.push(document);
  }

  /** Whether it was there. */
  delete(serial: number): boolean {
    let low = 0;
    let high = this.#serials.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#serials[middle] ?? 0) < serial) low = middle + 1;
      else high = middle;
    }
    if (this.#serials[low] !== serial || this.#ops[low] === undefined) return false;
    this.#ops[low] = undefined;
    return true;
  }

  /** Those whose document passes are not there any more. */
  deleteWhere(passes: (document: number) => boolean): void {
    for (let at = 0; at < this.#serials.length; at += 1) {
      if (passes(this.#documents[at] ?? 0)) this.#ops[at] = undefined;
    }
  }

  *[Symbol.iterator](): Generator<readonly [number, ShownRow]> {
    for (let at = 0; at < this.#serials.length; at += 1) {
      const op = this.#ops[at];
      if (op === undefined) continue;
      const [log = 0, index = 0, document = 0] = [
        this.#logs[at],
        this.#indexes[at],
        this.#documents[at],
      ];
      yield [this.#serials[at] ?? 0, { op, log, index, document }];
    }
  }
}
