/** The draft of a huge transaction: goes to disk part by part, unseen, and becomes one unit at its commit. */
import { assert } from "../base/assert.js";
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { Draft } from "./draft.js";
import type { TakenBlock } from "./draft.js";
import type { DraftBase } from "./draft-base.js";
import type { SpilledDocuments } from "./spilled-documents.js";
import type { AppendFacts, DocumentChange, LogNumber, PartsDraft, KeyList } from "./journal.js";

/** Where the parts of one unit live until its commit. */
export interface PartsHome {
  readonly id: string;
  readonly spilled: SpilledDocuments;
  write(part: number, taken: TakenBlock): Promise<void>;
  commit(draft: Draft, parts: number, after: AppendFacts): Promise<LogNumber>;
  discard(): Promise<void>;
}

type Phase = "open" | "flushing" | "committed" | "discarded";

export class SpillingDraft implements PartsDraft {
  readonly #home: PartsHome;
  readonly #draft: Draft;
  #parts = 0;
  #flushed = false;
  #phase: Phase = "open";

  constructor(base: DraftBase, home: PartsHome) {
    this.#home = home;
    this.#draft = new Draft(base, () => 0, home.spilled);
  }

  get id(): string {
    return this.#home.id;
  }

  /** What was collected so far, for questions about who feeds what. */
  get draft(): Draft {
    return this.#draft;
  }

  get bytes(): number {
    return this.#draft.bytes;
  }

  get isEmpty(): boolean {
    return this.#draft.isEmpty;
  }

  prepare(keys: KeyList): Promise<void> {
    return this.#open().prepare(keys);
  }

  document(key: DocumentKey): KeptDocument | undefined {
    return this.#open().document(key);
  }

  kindOf(channel: string): ChannelKind | undefined {
    return this.#open().kindOf(channel);
  }

  put(change: DocumentChange): void {
    this.#flushed = false;
    this.#open().put(change);
  }

  truncate(rule: string, relation: string, table: string, schema: number): Promise<void> {
    this.#flushed = false;
    return this.#open().truncate(rule, relation, table, schema);
  }

  gap(rule: string, table: string, schema: number): Promise<void> {
    this.#flushed = false;
    return this.#open().gap(rule, table, schema);
  }

  async flush(): Promise<void> {
    const draft = this.#open();
    if (this.#flushed || draft.isEmpty) return;
    this.#phase = "flushing";
    const taken = draft.take((encoder) => encoder.finish(0, 0));
    await this.#home.write(this.#parts, taken);
    this.#parts += 1;
    this.#flushed = true;
    // It may have been discarded meanwhile.
    if (this.#isFlushing()) this.#phase = "open";
  }

  async commit(after: AppendFacts): Promise<LogNumber> {
    await this.flush();
    this.#phase = "committed";
    return this.#home.commit(this.#draft, this.#parts, after);
  }

  async discard(): Promise<void> {
    if (this.#phase === "committed" || this.#phase === "discarded") return;
    this.#phase = "discarded";
    await this.#home.discard();
  }

  #isFlushing(): boolean {
    return this.#phase === "flushing";
  }

  #open(): Draft {
    assert(this.#phase === "open", () => `parts of unit ${this.#home.id} are ${this.#phase}`);
    return this.#draft;
  }
}
