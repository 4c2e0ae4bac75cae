/**
 * All documents of a rule over a relation go within a unit, which has seen changes itself: at a TRUNCATE,
 * and where a relation's new documents cannot stand beside the old ones.
 */
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { BlockDraft, DocumentChange, JournalWriter } from "../journal/journal.js";
import type { OpenUnit } from "./committer.js";
import type { Pair } from "./pair.js";
import { routeDelete } from "./route.js";
import { scanPages, silentRemoval } from "./removal.js";

export interface TruncationOptions {
  readonly journal: JournalWriter;
  /** Documents of one unit that are remembered (I9). */
  readonly identitiesMax: number;
}

export interface TruncateRequest {
  /** Only documents of this partition. */
  readonly leaf: string | undefined;
  /** Called now and then, so that the unit can write what it has. */
  readonly spill: () => Promise<void>;
}

/** What the unit itself wrote: a scan does not see it. */
interface OwnDocuments {
  readonly identities: Map<string, Set<string>>;
  count: number;
}

type Gone = (key: DocumentKey, document: KeptDocument) => readonly DocumentChange[];

export class Truncation {
  readonly #options: TruncationOptions;
  readonly #own = new WeakMap<BlockDraft, OwnDocuments>();

  constructor(options: TruncationOptions) {
    this.#options = options;
  }

  /** The unit wrote the document. */
  saw({ draft }: OpenUnit, key: DocumentKey): void {
    const { identitiesMax } = this.#options;
    let own = this.#own.get(draft);
    if (own === undefined) {
      own = { identities: new Map(), count: 0 };
      this.#own.set(draft, own);
    }
    // One beyond the bound says that there are more.
    if (own.count > identitiesMax) return;
    const name = pairName(key);
    const known = own.identities.get(name) ?? new Set();
    const before = known.size;
    known.add(key.identity);
    own.identities.set(name, known);
    own.count += known.size - before;
  }

  /**
   * The relation, or one partition, was emptied. Where nothing else feeds the client's table, one entry per
   * channel says so. False: some documents may have been missed.
   */
  async truncate(unit: OpenUnit, pair: Pair, { leaf, spill }: TruncateRequest): Promise<boolean> {
    const { rule, relation, bound, schema } = pair;
    const { draft } = unit;
    const { journal } = this.#options;
    if (leaf === undefined && bound !== undefined) {
      if (await journal.isSoleFeeder(rule.name, relation, bound.table)) {
        await draft.truncate(rule.name, relation, bound.table, schema);
        this.#own.get(draft)?.identities.delete(pairName({ rule: rule.name, relation }));
        return true;
      }
    }
    return this.#each(unit, pair, {
      spill,
      gone: ({ identity }, document) => {
        if (leaf !== undefined && document.leaf !== leaf) return [];
        return routeDelete(identity, document, { rule, relation }).changes;
      },
    });
  }

  /** The documents are replaced by others; `events` channels are not told. */
  async clear(unit: OpenUnit, pair: Pair, spill: () => Promise<void>): Promise<void> {
    const { kind } = pair.rule;
    const { draft } = unit;
    await this.#each(unit, pair, {
      spill,
      gone: (key, document) => [silentRemoval(key, document, { draft, kind })],
    });
  }

  async #each(
    unit: OpenUnit,
    { rule, relation }: Pair,
    { gone, spill }: { readonly gone: Gone; readonly spill: () => Promise<void> },
  ): Promise<boolean> {
    const remove = async (keys: readonly DocumentKey[]): Promise<void> => {
      await unit.draft.prepare(keys);
      for (const key of keys) {
        const document = unit.draft.document(key);
        if (document === undefined) continue;
        for (const change of gone(key, document)) {
          unit.draft.put(change);
          unit.entries += change.entries.length;
        }
      }
      await spill();
    };
    const own = this.#own.get(unit.draft);
    const name = pairName({ rule: rule.name, relation });
    const identities = [...(own?.identities.get(name) ?? [])];
    for (let at = 0; at < identities.length; at += 1_000) {
      const keys = identities.slice(at, at + 1_000);
      await remove(keys.map((identity) => ({ rule: rule.name, relation, identity })));
    }
    for await (const page of scanPages(this.#options.journal, { rule: rule.name, relation })) {
      await remove(page.map(({ key }) => key));
    }
    return own === undefined || own.count <= this.#options.identitiesMax;
  }
}

function pairName({ rule, relation }: Pick<DocumentKey, "rule" | "relation">): string {
  // Neither name holds a NUL.
  return `${rule}\0${relation}`;
}
