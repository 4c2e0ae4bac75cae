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
import { prefixOfDoc } from "./document-key.js";
import type { DocId } from "./document-key.js";
import type { HeadState } from "./head-state.js";
import type { LogNumber } from "./journal.js";
import { OverlayChannel } from "./overlay-channel.js";
import type { ChannelSlice } from "./overlay-channel.js";
import type { Unit } from "./unit.js";

interface DocumentVersion {
  readonly log: LogNumber;
  readonly state: KeptDocument | null;
  before: DocumentVersion | undefined;
}

export class Overlay {
  readonly #documents = new Map<DocId, DocumentVersion>();
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
    this.#bytes += unit.bytes;
    for (const [channel, head] of heads) this.#heads.set(channel, { log, head });
    for (const step of unit.steps) {
      if (step.kind === "document") {
        const { id, state } = step;
        const known = this.#documents.get(id);
        // Of several changes in one unit the last one counts.
        const before = known?.log === log ? known.before : known;
        this.#documents.set(id, { log, state, before });
        continue;
      }
      const logs = this.#truncations.get(step.prefix) ?? [];
      logs.push(log);
      this.#truncations.set(step.prefix, logs);
      this.#forget(step.prefix, log);
    }
  }

  /** Readers see the unit from now on. */
  release(unit: Unit): void {
    for (const [name, unitChannel] of unit.channels) {
      if (unitChannel.entries.length === 0) continue;
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
    let version = this.#documents.get(id);
    while (version !== undefined && version.log > log) version = version.before;
    const truncatedAt = this.#truncatedAt(prefixOfDoc(id), log);
    // Within one unit, documents from before the truncation were forgotten at install.
    if (version !== undefined && version.log >= truncatedAt) return version.state;
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
    this.#bytes -= unit.bytes;
    for (const [name, { to }] of unit.channels) {
      if (this.#heads.get(name)?.log === log) this.#heads.delete(name);
      const channel = this.#channels.get(name);
      channel?.drop(to);
      if (channel?.isEmpty === true) this.#channels.delete(name);
    }
    for (const step of unit.steps) {
      if (step.kind === "document") this.#dropDocument(step.id, log);
      else this.#dropTruncation(step.prefix, log);
    }
  }

  #dropDocument(id: DocId, log: LogNumber): void {
    const newest = this.#documents.get(id);
    if (newest === undefined) return;
    if (newest.log <= log) {
      this.#documents.delete(id);
      return;
    }
    let version = newest;
    while (version.before !== undefined && version.before.log > log) version = version.before;
    version.before = undefined;
  }

  #dropTruncation(prefix: string, log: LogNumber): void {
    const left = (this.#truncations.get(prefix) ?? []).filter((at) => at > log);
    if (left.length === 0) this.#truncations.delete(prefix);
    else this.#truncations.set(prefix, left);
  }

  /** The unit `log` changed documents and then truncated their relation. */
  #forget(prefix: string, log: LogNumber): void {
    for (const [id, version] of this.#documents) {
      if (version.log !== log || !id.startsWith(prefix)) continue;
      if (version.before === undefined) this.#documents.delete(id);
      else this.#documents.set(id, version.before);
    }
  }

  #truncatedAt(prefix: string, log: LogNumber): LogNumber {
    const logs = this.#truncations.get(prefix);
    if (logs === undefined) return 0;
    let at = 0;
    for (const truncated of logs) if (truncated <= log) at = truncated;
    return at;
  }
}
