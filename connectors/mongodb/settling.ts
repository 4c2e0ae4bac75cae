/**
 * Documents that an update did not tell are read as they were at the end of a window of changes, and take
 * their place there: `atClusterTime` makes the read exact, so the transactions from the update to the end of the
 * window become visible together (architecture §5, "Refetch"). Where that moment cannot be read any more (the
 * stream is minutes behind, the collection was renamed since) the document is read as it is now: it runs ahead
 * of the stream, is counted, and is read once more when the stream has passed that moment.
 */
import type { Log } from "../../src/base/log.js";
import type { Change, Relation, RowChange } from "../../src/model/change.js";
import { settled, type UntoldDocument } from "./change-reader.js";
import type { DocumentReads } from "./document-reads.js";
import type { ClusterTime } from "./stream-position.js";

/** Beyond it the whole collection is copied again. */
const AHEAD_MAX = 10_000;

interface Ahead {
  readonly document: UntoldDocument;
  /** The moment as of which it was read. */
  readonly until: ClusterTime;
}

export class Settling {
  readonly #reads: Pick<DocumentReads, "byKeys">;
  readonly #log: Log;
  readonly #ahead = new Map<string, Ahead>();
  /** Of them: those that the batch which is out makes good. A session that ends before it is taken needs them still. */
  #settled: string[] = [];
  #count = 0;

  constructor(reads: Pick<DocumentReads, "byKeys">, log: Log) {
    this.#reads = reads;
    this.#log = log;
  }

  /** Relations with documents that run ahead of the stream. */
  get relations(): readonly string[] {
    const ahead = [...this.#ahead.values()];
    return [...new Set(ahead.map(({ document }) => document.collection.relation.name))];
  }

  /** The batch with what was settled last is the pipeline's. */
  taken(): void {
    for (const name of this.#settled) this.#ahead.delete(name);
    this.#settled = [];
  }

  /** Documents that were read ahead of the stream, which has now passed the moment of the read. */
  due(time: ClusterTime): readonly UntoldDocument[] {
    const due: UntoldDocument[] = [];
    for (const { document, until } of this.#ahead.values()) if (until <= time) due.push(document);
    return due;
  }

  /** What became of the documents by `time`. */
  async settle(
    documents: readonly UntoldDocument[],
    time: ClusterTime,
  ): Promise<readonly Change[]> {
    const changes: Change[] = [];
    for (const own of byRelation(documents).values()) {
      const [first] = own.values();
      if (first === undefined) continue;
      const { collection } = first;
      const keys = [...own.values()].map(({ key }) => key);
      const { found, at } = await this.#reads.byKeys(collection, keys, time);
      for (const [identity, document] of own) {
        changes.push(settled(document, found.get(identity)));
      }
      changes.push(...this.#note(own, at === time ? undefined : at));
    }
    return changes;
  }

  #note(own: ReadonlyMap<string, UntoldDocument>, until: ClusterTime | undefined): Change[] {
    let relation: Change["relation"] | undefined;
    for (const document of own.values()) {
      ({ relation } = document.collection);
      const name = nameOf(relation, document.identity);
      if (until !== undefined) this.#ahead.set(name, { document, until });
      else if (this.#ahead.has(name)) this.#settled.push(name);
    }
    if (until === undefined || relation === undefined) return [];
    this.#count += own.size;
    this.#log.warn("mongodb.refetch.ahead", {
      ...{ relation: relation.name, documents: own.size, sinceStart: this.#count },
    });
    if (this.#ahead.size <= AHEAD_MAX) return [];
    for (const [name, { document }] of this.#ahead) {
      if (document.collection.relation.name === relation.name) this.#settled.push(name);
    }
    return [{ op: "renew", relation }];
  }
}

function byRelation(
  documents: readonly UntoldDocument[],
): ReadonlyMap<string, ReadonlyMap<string, UntoldDocument>> {
  const found = new Map<string, Map<string, UntoldDocument>>();
  for (const document of documents) {
    const { name } = document.collection.relation;
    const own = found.get(name) ?? new Map<string, UntoldDocument>();
    found.set(name, own.set(document.identity, document));
  }
  return found;
}

/** The changes without those of documents from where they became untold: what settles them comes after. */
export function withoutUntold(
  changes: readonly Change[],
  untold: readonly { readonly document: UntoldDocument; readonly before: number }[],
): readonly Change[] {
  const from = new Map<string, number>();
  for (const { document, before } of untold) {
    const name = nameOf(document.collection.relation, document.identity);
    if (!from.has(name)) from.set(name, before);
  }
  return changes.filter((change, at) => {
    if (change.op === "truncate" || change.op === "renew") return true;
    return at < (from.get(nameOf(change.relation, change.identity)) ?? Infinity);
  });
}

function nameOf({ name }: Relation, identity: RowChange["identity"]): string {
  return `${name}\n${String(identity)}`;
}
