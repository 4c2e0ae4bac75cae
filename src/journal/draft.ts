/**
 * Collects the changes of one commit unit: looks documents up, assigns serials, counts who feeds what, and
 * writes the block's bytes as it goes. A draft changes nothing outside itself until it is appended, so one
 * that is dropped leaves no trace.
 *
 * In a huge unit serials are not known before the commit: there every channel counts from 0, and the
 * serials that documents keep are negative ordinals.
 */
import { assert } from "../base/assert.js";
import { turnOfLoop } from "../base/turn.js";
import type { DocumentKey, KeptDocument, Target } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { BlockEncoder, NO_DOCUMENT } from "./block-encoder.js";
import type { EncodedEntry, LeftPlace } from "./block-encoder.js";
import { PackedDocument } from "./document-codec.js";
import { docPrefix, feedIdOf, feedTable } from "./document-key.js";
import type { FeedId } from "./document-key.js";
import { DocumentPlaces } from "./document-places.js";
import type { DraftBase } from "./draft-base.js";
import { DraftHead } from "./draft-head.js";
import { checkEntry, standAlike, withRepairs } from "./draft-rules.js";
import { targetsOf } from "./draft-targets.js";
import type { Numbering } from "./draft-targets.js";
import { epochOf } from "./head-state.js";
import type { BlockDraft, DocumentChange, DraftEntry, KeyList } from "./journal.js";
import { RowKey } from "./row-key.js";
import type { SpilledDocuments } from "./spilled-documents.js";

/** What `take` hands over. */
export interface TakenBlock {
  readonly block: Buffer;
  readonly documents: DocumentPlaces;
}

const NOTHING_LEFT: readonly LeftPlace[] = [];

type Feeder = Pick<DocumentKey, "rule" | "relation">;

interface Written {
  readonly old: KeptDocument | undefined;
  readonly targets: readonly Target[];
}

export class Draft implements BlockDraft {
  readonly #base: DraftBase;
  readonly #spilled: SpilledDocuments | undefined;
  readonly #log: () => number;
  readonly #heads = new Map<string, DraftHead>();
  readonly #truncated = new Set<string>();
  /** By prefix: how many more documents are parked than before the unit, or than after its last truncation. */
  readonly #parked = new Map<string, number>();
  #encoder: BlockEncoder;
  /** In what is written. */
  #documents = new DocumentPlaces();
  /** The document that was looked at last: the next call is most often about it, too. */
  #seenKey: DocumentKey | undefined;
  readonly #rowKey = new RowKey();
  #seen: KeptDocument | undefined;
  /** The feeder that was counted last. */
  #feed: FeedId = "";
  #feedKey: Feeder | undefined;
  #feedTable = "";
  #index = 0;
  #parkedDelta = 0;
  #isChanged = false;
  readonly #numbering: Numbering;

  /** `log` tells that of the block; a huge unit has none yet, but a place where its documents are spilled. */
  constructor(base: DraftBase, log: () => number, spilled?: SpilledDocuments) {
    this.#base = base;
    this.#log = log;
    this.#spilled = spilled;
    this.#encoder = new BlockEncoder(spilled === undefined ? "block" : "part");
    const sign = spilled === undefined ? 1 : -1;
    this.#numbering = {
      serialOf: (channel, kind) => sign * this.#head(channel, kind).serial,
      kindOf: (channel) => this.#kindOf(channel),
    };
  }

  get bytes(): number {
    return this.#encoder.length;
  }

  get isEmpty(): boolean {
    return !this.#isChanged;
  }

  /** Channels that the unit touched so far, its parts included. */
  get heads(): ReadonlyMap<string, DraftHead> {
    return this.#heads;
  }

  get truncated(): ReadonlySet<string> {
    return this.#truncated;
  }

  get parkedDelta(): number {
    return this.#parkedDelta;
  }

  /** Everything is looked up without waiting: only the loop goes round. */
  async prepare(keys: KeyList): Promise<void> {
    if (keys.length > 1) await turnOfLoop();
  }

  document(key: DocumentKey): KeptDocument | undefined {
    this.#look(key);
    return this.#seen;
  }

  kindOf(channel: string): ChannelKind | undefined {
    return this.#heads.get(channel)?.kind ?? this.#base.head(channel)?.kind;
  }

  put(change: DocumentChange): void {
    const { document: key } = change;
    if (key === null) {
      for (const entry of change.entries) this.#advance(entry, change);
      this.#write(change, change.entries, { old: undefined, targets: [] });
      return;
    }
    this.#look(key);
    const old = this.#seen;
    this.#seenKey = undefined;
    const { state } = change;
    const hidingBelow = this.#base.hidingBelow(key.rule);
    const wanted = withRepairs(change.entries, { old, state, hidingBelow }, this.#numbering.kindOf);
    for (const entry of wanted) this.#advance(entry, change);
    const targets = state === null ? [] : targetsOf(state, wanted, old, this.#numbering);
    this.#count(key, old, state === null ? undefined : { table: state.table, targets });
    const from = this.#write(change, wanted, { old, targets });
    const [was, is] = [old?.parked !== undefined, state?.parked !== undefined];
    if (was !== is) this.#park(docPrefix(key.rule, key.relation), is ? 1 : -1);
    this.#documents.set(this.#rowKey, from);
  }

  async truncate(rule: string, relation: string, table: string, schema: number): Promise<void> {
    const prefix = docPrefix(rule, relation);
    const fed = await this.#fed(rule, relation);
    // Those from before the unit go once.
    const parked = this.#truncated.has(prefix) ? 0 : await this.#base.parkedUnder(prefix);
    await this.#spilled?.forget(prefix);
    const entries: EncodedEntry[] = [];
    for (const head of fed) {
      for (const feed of head.feeders()) {
        if (!feed.startsWith(prefix)) continue;
        assert(head.isSole(feed), () => `truncating ${feed}: others feed ${head.name} too`);
        const emptied = feedTable(feed);
        const version = emptied === table ? schema : this.#base.schemaOf(emptied);
        head.clear(feed);
        entries.push(this.#bare(head, "t", emptied, version));
      }
    }
    this.#documents.forget(Buffer.from(prefix, "utf8"));
    this.#seenKey = undefined;
    this.#parkedDelta -= parked + (this.#parked.get(prefix) ?? 0);
    this.#parked.delete(prefix);
    this.#truncated.add(prefix);
    this.#encoder.truncation(rule, relation, entries);
    this.#isChanged = true;
  }

  async gap(rule: string, table: string, schema: number): Promise<void> {
    const fed = await this.#fed(rule, undefined);
    const entries = fed
      .filter(({ kind }) => kind === "events")
      .map((head) => this.#bare(head, "g", table, schema));
    if (entries.length === 0) return;
    this.#encoder.gap(entries);
    this.#isChanged = true;
  }

  /** Whether only `relation` under `rule` feeds what it feeds, as far as this draft sees. */
  async isSoleFeeder(rule: string, relation: string): Promise<boolean> {
    const prefix = docPrefix(rule, relation);
    for (const head of await this.#fed(rule, relation)) {
      for (const feed of head.feeders()) {
        if (feed.startsWith(prefix) && !head.isSole(feed)) return false;
      }
    }
    return true;
  }

  /** Hands the block's bytes over. In a huge unit the draft goes on with the next part. */
  take(finish: (encoder: BlockEncoder) => Buffer): TakenBlock {
    const block = finish(this.#encoder);
    const documents = this.#documents;
    this.#documents = new DocumentPlaces();
    this.#seenKey = undefined;
    if (this.#spilled !== undefined) {
      this.#encoder = new BlockEncoder("part", this.#index);
      for (const head of this.#heads.values()) head.begin = head.serial;
    }
    return { block, documents };
  }

  // ------------------------------------------------------------ documents

  #look(key: DocumentKey): void {
    const seen = this.#seenKey;
    if (seen !== undefined && isSame(seen, key)) return;
    this.#seenKey = key;
    this.#rowKey.set(key);
    this.#seen = this.#find(key);
  }

  #find({ rule, relation }: DocumentKey): KeptDocument | undefined {
    const rowKey = this.#rowKey;
    const from = this.#documents.get(rowKey);
    if (from === NO_DOCUMENT) return undefined;
    if (from !== undefined) return new PackedDocument(this.#encoder.document(from));
    const spilled = this.#spilled?.get(rowKey);
    if (spilled !== undefined) return spilled ?? undefined;
    const isGone = this.#truncated.size > 0 && this.#truncated.has(docPrefix(rule, relation));
    return isGone ? undefined : this.#base.document(rowKey);
  }

  #count(
    key: DocumentKey,
    old: KeptDocument | undefined,
    now: Pick<KeptDocument, "table" | "targets"> | undefined,
  ): void {
    if (old !== undefined && now !== undefined && standAlike(old, now)) return;
    for (const document of [old, now]) {
      if (document === undefined) continue;
      const feed = this.#feedOf(key, document.table);
      for (const { channel } of document.targets) {
        this.#head(channel, this.#kindOf(channel)).feed(feed, document === now ? 1 : -1);
      }
    }
  }

  #feedOf(key: Feeder, table: string): FeedId {
    const { rule, relation } = key;
    const last = this.#feedKey;
    if (last?.rule !== rule || last.relation !== relation || this.#feedTable !== table) {
      this.#feed = feedIdOf(rule, relation, table);
      this.#feedKey = key;
      this.#feedTable = table;
    }
    return this.#feed;
  }

  #park(prefix: string, delta: number): void {
    this.#parked.set(prefix, (this.#parked.get(prefix) ?? 0) + delta);
    this.#parkedDelta += delta;
  }

  // ------------------------------------------------------------ channels

  /** The entry takes the next serial of its channel. */
  #advance(entry: DraftEntry, change: DocumentChange): void {
    const { channel, kind, table, body } = entry;
    const head = this.#head(channel, kind);
    checkEntry(entry, change, head.kind);
    head.serial += 1;
    this.#index += 1;
    if (kind !== "events") return;
    head.added += typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const feeder = change.document ?? change.feeder;
    assert(feeder !== undefined, () => `an entry of ${channel} without a document or a feeder`);
    head.feed(this.#feedOf(feeder, table), 0);
  }

  #write(
    { document, state }: DocumentChange,
    entries: readonly DraftEntry[],
    { old, targets }: Written,
  ): number {
    const identity = document === null ? "" : this.#rowKey.longIdentity;
    const wasParked = old?.parked !== undefined;
    const kept = document === null ? null : state;
    const left = old === undefined ? NOTHING_LEFT : this.#leftBy(old, targets);
    const change = { document, state: kept, targets, left, identity, wasParked };
    const from = this.#encoder.change(change, entries.length);
    for (const { channel, kind, op, table, schema, body } of entries) {
      const head = this.#head(channel, kind);
      this.#encoder.entry({ channel: head, op, table, schema, body }, kept?.body);
    }
    this.#isChanged = true;
    return from;
  }

  /** Places in `state` channels that the document had and has no more. */
  #leftBy(old: KeptDocument, targets: readonly Target[]): LeftPlace[] {
    const left: LeftPlace[] = [];
    for (const { channel, serial } of old.targets) {
      if (serial === 0 || this.#kindOf(channel) !== "state") continue;
      const stays = targets.some((now) => now.channel === channel && now.serial === serial);
      if (!stays) left.push({ channel: this.#head(channel, "state"), serial });
    }
    return left;
  }

  #bare(head: DraftHead, op: "t" | "g", table: string, schema: number): EncodedEntry {
    head.serial += 1;
    this.#index += 1;
    return { channel: head, op, table, schema, body: "" };
  }

  #kindOf(channel: string): ChannelKind {
    const kind = this.#heads.get(channel)?.kind ?? this.#base.head(channel)?.kind;
    // Only a copy may place a document where nothing was ever put: into an `events` channel.
    return kind ?? "events";
  }

  #head(channel: string, kind: ChannelKind): DraftHead {
    const known = this.#heads.get(channel);
    if (known !== undefined) return known;
    const base = this.#base.head(channel);
    const isHuge = this.#spilled !== undefined;
    const from = isHuge ? 0 : (base?.serial ?? 0);
    const epoch = isHuge ? 0 : epochOf(base, this.#log());
    const made = new DraftHead(channel, base?.kind ?? kind, { epoch, from, base });
    this.#heads.set(channel, made);
    return made;
  }

  /** The heads of all channels that a rule, or one relation under it, feeds. */
  async #fed(rule: string, relation: string | undefined): Promise<DraftHead[]> {
    const prefix = docPrefix(rule, relation);
    const names = new Set(await this.#base.fedChannels(rule, relation));
    for (const head of this.#heads.values()) names.add(head.name);
    const fed: DraftHead[] = [];
    for (const name of [...names].sort()) {
      const head = this.#head(name, this.#kindOf(name));
      if ([...head.feeders()].some((feed) => feed.startsWith(prefix))) fed.push(head);
    }
    return fed;
  }
}

/** The identities of two looks at one document are most often one and the same text. */
function isSame(one: DocumentKey, other: DocumentKey): boolean {
  return (
    one.identity === other.identity && one.relation === other.relation && one.rule === other.rule
  );
}
