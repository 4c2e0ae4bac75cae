/**
 * One rule over one relation: how far its documents are, durable as a fact. Each copy has a number, which
 * the documents carry that it, or the stream beside it, has seen; those with a lower one are gone (I8).
 */
import type { BoundRule, Rule } from "../rules/rule.js";
import { collides, shapeOf, stands } from "./relation-shape.js";
import type { PairShape } from "./relation-shape.js";

/** As the fact holds it. */
export interface PairRecord {
  readonly copy: number;
  /** The copy with this number is not complete yet. */
  readonly isDue: boolean;
  /** Why it is due, as clients are told. */
  readonly why: CopyReason;
  /** The documents were made by another rule, relation or history, and were not looked at since. */
  readonly isStale: boolean;
  /** The rule does not fit the relation. */
  readonly isUnbound: boolean;
  /** What the documents were made from; null before the first. */
  readonly shape: PairShape | null;
}

export type CopyReason = "copying" | "rederiving";

const PREFIX = "pair/";

const fresh: PairRecord = {
  ...{ copy: 1, isDue: true, why: "copying", shape: null },
  ...{ isStale: false, isUnbound: false },
};

export function pairFact(rule: string, relation: string): string {
  return `${PREFIX}${JSON.stringify([rule, relation])}`;
}

/** What the names of all pairs of a rule begin with. */
export function pairFacts(rule: string): string {
  return `${PREFIX}[${JSON.stringify(rule)},`;
}

export function relationOfPair(fact: string): string {
  const [, relation] = JSON.parse(fact.slice(PREFIX.length)) as [string, string];
  return relation;
}

export function parsePair(text: string): PairRecord {
  return JSON.parse(text) as PairRecord;
}

/** Its documents have to be made anew: with the next number, from the first row. */
export function stalePair(record: PairRecord, why: CopyReason): PairRecord {
  return { ...record, copy: record.copy + 1, isDue: true, isStale: true, why };
}

export class Pair {
  readonly rule: Rule;
  readonly relation: string;
  readonly ruleVersion: number;
  #record: PairRecord;
  #bound: BoundRule | undefined;
  #schema = 0;
  #hasWaiting = false;

  constructor(rule: Rule, relation: string, known: { record?: PairRecord; ruleVersion: number }) {
    this.rule = rule;
    this.relation = relation;
    this.ruleVersion = known.ruleVersion;
    this.#record = known.record ?? fresh;
  }

  get bound(): BoundRule | undefined {
    return this.#bound;
  }

  get schema(): number {
    return this.#schema;
  }

  get copy(): number {
    return this.#record.copy;
  }

  get why(): CopyReason {
    return this.#record.why;
  }

  /** It has to be copied, and can be. */
  get isDue(): boolean {
    return this.#record.isDue && this.#bound !== undefined;
  }

  get fact(): readonly [string, string] {
    return [pairFact(this.rule.name, this.relation), JSON.stringify(this.#record)];
  }

  /** The relation is as `bound` sees it now. True: the documents there are must go before the next change. */
  bind(bound: BoundRule, schema: number): boolean {
    const shape = shapeOf(bound);
    const before = this.#record.shape;
    const isUnlike = before !== null && !stands(before, shape);
    if (isUnlike || this.#record.isUnbound) {
      this.#record = stalePair(this.#record, this.#record.isDue ? this.#record.why : "copying");
    }
    const clears = this.#record.isStale && before !== null && collides(before, shape);
    this.#record = { ...this.#record, shape, isStale: false, isUnbound: false };
    this.#bound = bound;
    this.#schema = schema;
    return clears;
  }

  /** The rule does not fit any more. As soon as it does, the relation is copied again. */
  unbind(): void {
    this.#bound = undefined;
    this.#record = { ...this.#record, isUnbound: true };
  }

  /** History was lost, or rows are missing: the relation is copied again. */
  restart(isStale: boolean): void {
    const record = stalePair(this.#record, this.#record.isDue ? this.#record.why : "copying");
    this.#record = { ...record, isStale: isStale || this.#record.isStale };
  }

  /** Whether a document began to wait for a value since `forgetWaiting`. */
  get hasWaiting(): boolean {
    return this.#hasWaiting;
  }

  forgetWaiting(): void {
    this.#hasWaiting = false;
  }

  waits(): void {
    this.#hasWaiting = true;
  }

  done(): void {
    this.#record = { ...this.#record, isDue: false };
  }
}
