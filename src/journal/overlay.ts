/**
 * Everything that was appended and is not written back: the writer looks documents and heads up here
 * first, released or not; readers see what is released. A unit enters at its append, is shown at its
 * release, and leaves when the derived state holds it and no held view needs it.
 *
 * While a unit is being written back, the derived state holds some of its rows already. Nobody sees them:
 * a channel's derived rows count only up to where its overlay begins, and a document here hides its row.
 */
import { assert } from "../base/assert.js";
import type { KeptDocument } from "../model/document.js";
import { documentAt, NO_DOCUMENT } from "./block-encoder.js";
import { PackedDocument } from "./document-codec.js";
import { prefixOfDoc } from "./document-key.js";
import type { DocId } from "./document-key.js";
import type { HeadState } from "./head-state.js";
import type { LogNumber } from "./journal.js";
import { OverlayChannel } from "./overlay-channel.js";
import type { ChannelSlice } from "./overlay-channel.js";
import type { Unit } from "./unit.js";

/** A unit, and which units here it superseded, by document: few, since most documents change once in a while. */
interface Held {
  readonly unit: Unit;
  readonly before: Map<DocId, Held>;
}

export class Overlay {
  /** By document the newest unit that changed it: its bytes stay in the unit's block. */
  readonly #documents = new Map<DocId, Held>();
  /** Log numbers of the truncations of each prefix, ascending. */
  readonly #truncations = new Map<string, LogNumber[]>();
  readonly #heads = new Map<string, { log: LogNumber; head: HeadState }>();
  readonly #channels = new Map<string, OverlayChannel>();
  /** Units whose drop waits for the held view. */
  #waiting: Unit[] = [];
  #isPinned = false;
  #bytes = 0;

  /** Of the units that are here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The writer sees the unit from now on. A huge unit brings its heads only. */
  install(unit: Unit, heads: ReadonlyMap<string, HeadState>): void {
    const { log } = unit;
    this.#bytes += unit.block.length;
    for (const [channel, head] of heads) this.#heads.set(channel, { log, head });
    for (const prefix of unit.truncated) {
      const logs = this.#truncations.get(prefix) ?? [];
      logs.push(log);
      this.#truncations.set(prefix, logs);
    }
    const documents = this.#documents;
    const held: Held = { unit, before: new Map() };
    for (const id of unit.documents.keys()) {
      const known = documents.get(id);
      if (known !== undefined) held.before.set(id, known);
      documents.set(id, held);
    }
  }

  /** Readers see the unit from now on. */
  release(unit: Unit): void {
    for (const [name, unitChannel] of unit.channels) {
      if (unitChannel.to === unitChannel.from) continue;
      let channel = this.#channels.get(name);
      if (channel === undefined) {
        channel = new OverlayChannel(unitChannel);
        this.#channels.set(name, channel);
      }
      channel.add(unitChannel);
    }
  }

  /** The derived state holds the unit, and all before it, durably. */
  drop(unit: Unit): void {
    if (this.#isPinned) this.#waiting.push(unit);
    else this.#drop(unit);
  }

  /** Keeps what is here until `unpin`, for a view that stands still. */
  pin(): void {
    assert(!this.#isPinned, "the overlay is pinned already");
    this.#isPinned = true;
  }

  unpin(): void {
    this.#isPinned = false;
    for (const unit of this.#waiting) this.#drop(unit);
    this.#waiting = [];
  }

  /** As a view at `log` sees it. Null: gone. Undefined: the derived state knows. */
  document(id: DocId, log: LogNumber): KeptDocument | null | undefined {
    let held = this.#documents.get(id);
    while (held !== undefined && held.unit.log > log) held = held.before.get(id);
    const truncatedAt = this.#truncations.size === 0 ? 0 : this.#truncatedAt(prefixOfDoc(id), log);
    // Within one unit, documents from before the truncation are not among its documents.
    if (held !== undefined && held.unit.log >= truncatedAt) return stateIn(held.unit, id);
    return truncatedAt > 0 ? null : undefined;
  }

  /** The head as of the last append. */
  head(channel: string): HeadState | undefined {
    return this.#heads.get(channel)?.head;
  }

  /** What a view at `log` sees of the channel; undefined: the derived state has it all. */
  channel(
    name: string,
    log: LogNumber,
  ): { channel: OverlayChannel; slice: ChannelSlice } | undefined {
    const channel = this.#channels.get(name);
    return channel === undefined ? undefined : { channel, slice: channel.slice(log) };
  }

  /** Channels with appended changes. */
  heads(): IterableIterator<[string, { head: HeadState }]> {
    return this.#heads.entries();
  }

  documentIds(): IterableIterator<DocId> {
    return this.#documents.keys();
  }

  #drop(unit: Unit): void {
    const { log } = unit;
    this.#bytes -= unit.block.length;
    for (const [name, { to }] of unit.channels) {
      if (this.#heads.get(name)?.log === log) this.#heads.delete(name);
      const channel = this.#channels.get(name);
      channel?.drop(to);
      if (channel?.isEmpty === true) this.#channels.delete(name);
    }
    for (const id of unit.documents.keys()) this.#dropDocument(id, log);
    for (const prefix of unit.truncated) this.#dropTruncation(prefix, log);
  }

  #dropDocument(id: DocId, log: LogNumber): void {
    const newest = this.#documents.get(id);
    if (newest === undefined) return;
    if (newest.unit.log <= log) {
      this.#documents.delete(id);
      return;
    }
    let held: Held = newest;
    for (;;) {
      const before: Held | undefined = held.before.get(id);
      if (before === undefined) return;
      if (before.unit.log <= log) {
        held.before.delete(id);
        return;
      }
      held = before;
    }
  }

  #dropTruncation(prefix: string, log: LogNumber): void {
    const left = (this.#truncations.get(prefix) ?? []).filter((at) => at > log);
    if (left.length === 0) this.#truncations.delete(prefix);
    else this.#truncations.set(prefix, left);
  }

  #truncatedAt(prefix: string, log: LogNumber): LogNumber {
    const logs = this.#truncations.get(prefix);
    if (logs === undefined) return 0;
    let at = 0;
    for (const truncated of logs) if (truncated <= log) at = truncated;
    return at;
  }
}

function stateIn(unit: Unit, id: DocId): KeptDocument | null {
  const from = unit.documents.get(id) ?? NO_DOCUMENT;
  return from === NO_DOCUMENT ? null : new PackedDocument(documentAt(unit.block, from));
}
