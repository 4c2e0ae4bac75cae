/**
 * Many documents go together, as one commit unit: after a copy, with a rule, with a relation, before
 * documents that their keys would collide with. `events` channels are not told: nothing happened to the rows.
 */
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import type {
  BlockDraft,
  DocumentChange,
  JournalWriter,
  PartsDraft,
  ScanRequest,
  ScannedDocument,
} from "../journal/journal.js";
import type { Committer, Contributor, OpenUnit } from "./committer.js";
import { spillIfFull } from "./committer.js";
import { removalEntries } from "./state-entries.js";

/** Documents read at a time. */
const PAGE = 1_000;

export interface RemovalOptions {
  readonly journal: JournalWriter;
  readonly committer: Committer;
  readonly member: Contributor;
  readonly blockBytesMax: number;
}

export interface Sweep {
  readonly rule: { readonly name: string; readonly kind: ChannelKind };
  /** All relations of the rule where it is left out. */
  readonly relation?: string;
  /** Asked once for each document. */
  readonly isGone: (document: KeptDocument) => boolean;
}

/** One unit of sweeps. Nobody else may write documents of these rules until it has ended. */
export class Removal {
  readonly #options: RemovalOptions;
  #unit: OpenUnit<PartsDraft> | undefined;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  async sweep({ rule, relation, isGone }: Sweep): Promise<void> {
    const { journal, committer, member } = this.#options;
    // A scan sees what is appended, not what is being collected.
    await committer.settled(member);
    const request = { rule: rule.name, ...(relation === undefined ? {} : { relation }) };
    for await (const page of scanPages(journal, request)) {
      const gone = page.filter(({ document }) => isGone(document)).map(({ key }) => key);
      await this.#remove({ rule, isGone }, gone);
    }
  }

  /** The same for documents that were looked for beforehand: those of `keys` that are gone still. */
  async sweepKeys(sweep: Omit<Sweep, "relation">, keys: readonly DocumentKey[]): Promise<void> {
    const { committer, member } = this.#options;
    await committer.settled(member);
    for (let at = 0; at < keys.length; at += PAGE) {
      await this.#remove(sweep, keys.slice(at, at + PAGE));
    }
  }

  async #remove(
    { rule, isGone }: Omit<Sweep, "relation">,
    keys: readonly DocumentKey[],
  ): Promise<void> {
    if (keys.length === 0) return;
    const { committer, member, blockBytesMax } = this.#options;
    const unit = (this.#unit ??= await committer.begin(member));
    const { draft } = unit;
    await draft.prepare(keys);
    for (const key of keys) {
      const document = draft.document(key);
      if (document === undefined || !isGone(document)) continue;
      const change = silentRemoval(key, document, { draft, kind: rule.kind });
      draft.put(change);
      unit.entries += change.entries.length;
    }
    await spillIfFull(unit, blockBytesMax);
  }

  /** Makes it durable in time, with `facts`. */
  async end(facts: Iterable<readonly [string, string | null]>): Promise<void> {
    const { committer, member } = this.#options;
    const unit = this.#unit;
    this.#unit = undefined;
    const add = (to: OpenUnit): void => {
      for (const [name, value] of facts) to.facts.set(name, value);
    };
    if (unit === undefined) {
      await committer.collect(member, async (open) => {
        add(open);
      });
      return;
    }
    add(unit);
    await committer.commit(member, unit);
  }

  /** Forgets what was not ended. */
  async discard(): Promise<void> {
    await this.#unit?.draft.discard();
    this.#unit = undefined;
  }
}

/** Pages of kept documents, as they were when the first was asked for or later. */
export async function* scanPages(
  journal: Pick<JournalWriter, "scan">,
  request: Omit<ScanRequest, "after" | "limit">,
): AsyncGenerator<readonly ScannedDocument[]> {
  let after: DocumentKey | undefined;
  for (;;) {
    const more = after === undefined ? {} : { after };
    const page = await journal.scan({ ...request, ...more, limit: PAGE });
    if (page.length > 0) yield page;
    after = page.at(-1)?.key;
    if (page.length < PAGE) return;
  }
}

/** The document leaves its `state` channels. `kind`: of a channel that the journal does not know. */
export function silentRemoval(
  key: DocumentKey,
  document: KeptDocument,
  { draft, kind }: { readonly draft: BlockDraft; readonly kind: ChannelKind },
): DocumentChange {
  const entries = removalEntries(document, { kind: "state", op: "d" }).filter(
    ({ channel }) => (draft.kindOf(channel) ?? kind) === "state",
  );
  return { document: key, state: null, entries };
}
