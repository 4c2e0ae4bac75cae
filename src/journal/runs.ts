/** Which run wrote which log numbers: tells a place of this history from one of a lost or forked one. */
import type { Place } from "../model/place.js";
import type { LogNumber } from "./journal.js";

export interface Run {
  readonly run: string;
  /** The first log number that it could write. */
  readonly first: LogNumber;
}

export class Runs {
  readonly #order: Run[];
  readonly #places = new Map<string, number>();

  /** In the order of their starts. */
  constructor(runs: readonly Run[]) {
    this.#order = [...runs];
    for (const [at, { run }] of this.#order.entries()) this.#places.set(run, at);
  }

  /**
   * A run wrote up to where the next one began. A copy of the journal that was restored lacks what came
   * after the copy, and its next run begins there: so places above it, of the run before, are refused.
   */
  accepts(place: Place, released: LogNumber): boolean {
    const at = this.#places.get(place.run);
    if (at === undefined) return false;
    const next = this.#order[at + 1];
    return place.log <= (next === undefined ? released : next.first - 1);
  }
}
