/**
 * Collects the changes of one commit unit: looks documents up, assigns serials, counts who feeds what, and
 * writes the block's bytes as it goes. A draft changes nothing outside itself until it is appended, so one
 * that is dropped leaves no trace.
 *
 * In a huge unit serials are not known before the commit: there every channel counts from 0, and the
 * serials that documents keep are negative ordinals.
 */
import { assert } from "../base/assert.js";
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { BlockEncoder } from "./block-encoder.js";
import type { EncodedEntry } from "./block-encoder.js";
import { docIdOf, docPrefix, feedIdOf, feedTable, prefixOfDoc } from "./document-key.js";
import type { DocId } from "./document-key.js";
import { DraftHead } from "./draft-head.js";
import { checkEntry, standAlike, withRepairs } from "./draft-rules.js";
import { keptWith } from "./draft-targets.js";
import type { Numbering } from "./draft-targets.js";
import { epochOf } from "./head-state.js";
import type { HeadState } from "./head-state.js";
import type { BlockDraft, DocumentChange, DraftEntry } from "./journal.js";
import type { SpilledDocuments } from "./spilled-documents.js";
import { SLICE_ROWS, turnOfLoop } from "./turn.js";
import type { DocumentStep, TruncationStep, UnitStep } from "./unit.js";

/** What a draft sees of everything that was appended before it. */
export interface DraftBase {
  head(channel: string): HeadState | undefined;
  document(id: DocId): KeptDocument | undefined;
  /** Below this rule version a document of the rule is hidden; 0 where none is. */
  hidingBelow(rule: string): number;
  /** Channels that the relations of a rule feed. */
  fedChannels(rule: string, relation: string | undefined): Promise<readonly string[]>;
  parkedUnder(prefix: string): Promise<readonly DocId[]>;
  /** The newest version of a table's schema. */
  schemaOf(table: string): number;
  /** The identity, where a row's key has to shorten it; else "". */
  longIdentity(id: DocId): string;
}

const empty = new Uint8Array(0);

/** Where its bytes stand in the block. */
interface PlacedStep extends DocumentStep {
  readonly from: number;
  readonly to: number;
}

export class Draft implements BlockDraft {
  readonly #base: DraftBase;
  readonly #spilled: SpilledDocuments | undefined;
  readonly #log: () => number;
  readonly #heads = new Map<string, DraftHead>();
  readonly #prepared = new Map<DocId, KeptDocument | undefined>();
  readonly #truncated = new Set<string>();
  /** Documents that the unit parked (true) or un-parked. */
  readonly #parked = new Map<DocId, boolean>();
  #encoder: BlockEncoder;
  #documents = new Map<DocId, KeptDocument | null>();
  #steps: (TruncationStep | PlacedStep)[] = [];
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

  async prepare(keys: readonly DocumentKey[]): Promise<void> {
    let looked = 0;
    for (const key of keys) {
      const id = docIdOf(key);
      if (this.#prepared.has(id) || this.#documents.has(id)) continue;
      this.#prepared.set(id, this.#look(id));
      looked += 1;
      if (looked % SLICE_ROWS === 0) await turnOfLoop();
    }
  }

  document(key: DocumentKey): KeptDocument | undefined {
    return this.#find(docIdOf(key));
  }

  kindOf(channel: string): ChannelKind | undefined {
    return this.#heads.get(channel)?.kind ?? this.#base.head(channel)?.kind;
  }

  put(change: DocumentChange): void {
    const id = change.document === null ? undefined : docIdOf(change.document);
    const old = id === undefined ? undefined : this.#find(id);
    const state = id === undefined ? null : change.state;
    const hidingBelow = id === undefined ? 0 : this.#base.hidingBelow(change.document?.rule ?? "");
    const wanted = withRepairs(change.entries, { old, state, hidingBelow }, (channel) =>
      this.#kindOf(channel),
    );
    const entries = wanted.map((entry) => this.#place(entry, change, id));
    const document = state === null ? null : keptWith(state, wanted, old, this.#numbering);
    if (change.document !== null) this.#count(change.document, old, document);
    const wasParked = old?.parked !== undefined;
    const identity = id === undefined ? "" : this.#base.longIdentity(id);
    const span = this.#encoder.change({ id, state: document, identity, wasParked, entries });
    this.#isChanged = true;
    if (id === undefined) return;
    this.#park(id, wasParked, document?.parked !== undefined);
    this.#documents.set(id, document);
    const { from, to } = span;
    // Spelled out, here and below: V8 copies objects with `...` several times slower, and this is per row.
    this.#steps.push({
      kind: "document",
      id,
      state: document,
      encoded: undefined,
      wasParked,
      from,
      to,
    });
  }

  async truncate(rule: string, relation: string, table: string, schema: number): Promise<void> {
    const prefix = docPrefix(rule, relation);
    const fed = await this.#fed(rule, relation);
    const parked = await this.#base.parkedUnder(prefix);
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
    for (const id of this.#documents.keys()) {
      if (id.startsWith(prefix)) this.#documents.delete(id);
    }
    for (const id of this.#prepared.keys()) {
      if (id.startsWith(prefix)) this.#prepared.set(id, undefined);
    }
    for (const id of parked) if (!this.#parked.has(id)) this.#park(id, true, false);
    for (const [id, isParked] of this.#parked) {
      if (isParked && id.startsWith(prefix)) this.#park(id, true, false);
    }
    this.#truncated.add(prefix);
    this.#steps.push({ kind: "truncation", prefix });
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

  /** Hands the block's bytes and steps over. In a huge unit the draft goes on with the next part. */
  take(finish: (encoder: BlockEncoder) => Buffer): {
    readonly bytes: Buffer;
    readonly steps: readonly UnitStep[];
    readonly documents: ReadonlyMap<DocId, KeptDocument | null>;
  } {
    const bytes = finish(this.#encoder);
    const steps = this.#steps.map((step) => {
      if (step.kind === "truncation") return step;
      const { kind, id, state, wasParked, from, to } = step;
      const encoded = to > from ? bytes.subarray(from, to) : undefined;
      return { kind, id, state, encoded, wasParked };
    });
    const documents = this.#documents;
    for (const id of documents.keys()) this.#prepared.delete(id);
    this.#documents = new Map();
    this.#steps = [];
    this.#encoder = new BlockEncoder("part", this.#index);
    for (const head of this.#heads.values()) {
      if (this.#spilled === undefined) continue;
      const begin = head.serial;
      Object.assign(head, { begin, entries: [], keys: [], documents: [] });
    }
    return { bytes, steps, documents };
  }

  // ------------------------------------------------------------ documents

  #find(id: DocId): KeptDocument | undefined {
    const own = this.#documents.get(id);
    if (own !== undefined) return own ?? undefined;
    if (this.#prepared.has(id)) return this.#prepared.get(id);
    assert(this.#spilled !== undefined || this.#truncated.has(prefixOfDoc(id)), () => {
      return `document ${JSON.stringify(id)} was not prepared`;
    });
    return this.#look(id);
  }

  #look(id: DocId): KeptDocument | undefined {
    const spilled = this.#spilled?.get(id);
    if (spilled !== undefined) return spilled ?? undefined;
    return this.#truncated.has(prefixOfDoc(id)) ? undefined : this.#base.document(id);
  }

  #count(key: DocumentKey, old: KeptDocument | undefined, now: KeptDocument | null): void {
    if (old !== undefined && now !== null && standAlike(old, now)) return;
    for (const { channel } of old?.targets ?? []) {
      const head = this.#head(channel, this.#kindOf(channel));
      head.feed(feedIdOf(key.rule, key.relation, old?.table ?? ""), -1);
    }
    for (const { channel } of now?.targets ?? []) {
      const head = this.#head(channel, this.#kindOf(channel));
      head.feed(feedIdOf(key.rule, key.relation, now?.table ?? ""), 1);
    }
  }

  #park(id: DocId, was: boolean, is: boolean): void {
    if (!was && !is) return;
    this.#parked.set(id, is);
    this.#parkedDelta += Number(is) - Number(was);
  }

  // ------------------------------------------------------------ channels

  #place(entry: DraftEntry, change: DocumentChange, id: DocId | undefined): EncodedEntry {
    const { channel, kind, op, table, schema, body } = entry;
    const head = this.#head(channel, kind);
    const key = checkEntry(entry, change, head.kind);
    head.serial += 1;
    if (kind === "events") {
      head.added += body.length;
      const feeder = change.document ?? change.feeder;
      assert(feeder !== undefined, () => `an entry of ${channel} without a document or a feeder`);
      head.feed(feedIdOf(feeder.rule, feeder.relation, table), 0);
    }
    this.#keep(head, entry, key, id);
    return { channel: head, op, table, schema, body };
  }

  #bare(head: DraftHead, op: "t" | "g", table: string, schema: number): EncodedEntry {
    head.serial += 1;
    this.#keep(head, { op, table, schema, body: empty }, "", undefined);
    return { channel: head, op, table, schema, body: empty };
  }

  #keep(
    head: DraftHead,
    entry: Pick<DraftEntry, "op" | "table" | "schema" | "body">,
    key: string,
    id: DocId | undefined,
  ): void {
    const index = this.#index++;
    if (this.#spilled !== undefined) return;
    const { op, table, schema, body } = entry;
    head.entries.push({ serial: head.serial, log: this.#log(), index, op, table, schema, body });
    head.keys.push(key);
    head.documents.push(id);
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
