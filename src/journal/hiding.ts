/** Which documents are never sent until they are rewritten, and from where on `events` of a rule count. */
import type { KeptDocument } from "../model/document.js";
import type { LogNumber } from "./journal.js";

export interface HidingMark {
  /** Documents of the rule below this rule version are hidden. */
  readonly version: number;
  /** Entries of the rule's `events` channels below this log number are hidden. */
  readonly from: LogNumber;
}

export class Hiding {
  readonly #rules: Map<string, HidingMark>;

  constructor(rules: Iterable<readonly [string, HidingMark]>) {
    this.#rules = new Map(rules);
  }

  get isEmpty(): boolean {
    return this.#rules.size === 0;
  }

  set(rule: string, mark: HidingMark): void {
    this.#rules.set(rule, mark);
  }

  entries(): IterableIterator<[string, HidingMark]> {
    return this.#rules.entries();
  }

  below(rule: string): number {
    return this.#rules.get(rule)?.version ?? 0;
  }

  hides(id: string, document: Pick<KeptDocument, "ruleVersion">): boolean {
    if (this.#rules.size === 0) return false;
    return document.ruleVersion < this.below(id.slice(0, id.indexOf("\0")));
  }

  /** Entries of an `events` channel with these feeders are hidden below this log number. */
  eventsFrom(feeds: Iterable<string>): LogNumber {
    if (this.#rules.size === 0) return 0;
    let from = 0;
    for (const feed of feeds) {
      const mark = this.#rules.get(feed.slice(0, feed.indexOf("\0")));
      if (mark !== undefined) from = Math.max(from, mark.from);
    }
    return from;
  }
}
