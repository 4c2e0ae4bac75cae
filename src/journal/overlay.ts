/**
 * Everything that was appended and is not written back: the writer looks documents and heads up here
 * first, released or not; readers see what is released. A unit enters at its append, is shown at its
 * release, and leaves when the derived state holds it and no held view needs it.
 *
 * While a unit is being written back, the derived state holds some of its rows already. Nobody sees them: a
 * channel's derived rows count only up to where its overlay begins, and a document is what it is here. So a derived
 * row that shows it is shown on where it stands there still, and nowhere else.
 */
import { assert } from "../base/assert.js";
import type { KeptDocument } from "../model/document.js";
import type { DocId } from "./document-key.js";
import { DocumentVersions } from "./document-versions.js";
import type { HeadState } from "./head-state.js";
import type { LogNumber } from "./journal.js";
import { OverlayChannel } from "./overlay-channel.js";
import type { ChannelSlice } from "./overlay-channel.js";
import { RowKey } from "./row-key.js";
import { memoryOf } from "./unit.js";
import type { Unit } from "./unit.js";

/** Of a view that stands still. */
export interface Pin {
  /** Must end the view, and unpin, at once. */
  readonly end: () => void;
  /** What may be kept for it that the derived state holds already. */
  readonly bytesMax: number;
}

export class Overlay {
  readonly #documents = new DocumentVersions();
  readonly #rowKey = new RowKey();
  /** Log numbers of the truncations of each prefix, ascending. */
  readonly #truncations = new Map<string, LogNumber[]>();
  readonly #heads = new Map<string, { log: LogNumber; head: HeadState }>();
  readonly #channels = new Map<string, OverlayChannel>();
  /** Units whose drop waits for the held view. */
  #waiting: Unit[] = [];
  /** What they take in memory. */
  #waitingBytes = 0;
  #pin: Pin | undefined;
  #isMerging = false;

  /** The writer sees the unit from now on. A huge unit brings its heads only. */
  install(unit: Unit, heads: ReadonlyMap<string, HeadState>): void {
    const { log } = unit;
    for (const [channel, head] of heads) this.#heads.set(channel, { log, head });
    for (const prefix of unit.truncated) {
      const logs = this.#truncations.get(prefix) ?? [];
      logs.push(log);
      this.#truncations.set(prefix, logs);
    }
    this.#documents.add(unit);
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
    if (this.#pin === undefined) {
      this.#drop(unit);
      return;
    }
    this.#waiting.push(unit);
    this.#waitingBytes += memoryOf(unit);
    // Here, not where the view is read: nobody may ever read it (I9).
    if (this.#waitingBytes > this.#pin.bytesMax) this.endPin();
  }

  get canPin(): boolean {
    return this.#pin === undefined && !this.#isMerging;
  }

  /** Keeps what is here until `unpin`, for a view that stands still. */
  pin(pin: Pin): void {
    assert(this.canPin, "the overlay can be pinned");
    this.#pin = pin;
  }

  /** Ends the view that stands still, if there is one. */
  endPin(): void {
    this.#pin?.end();
    assert(this.#pin === undefined, "a view that is ended unpins the overlay");
  }

  unpin(): void {
    this.#pin = undefined;
    for (const unit of this.#waiting) this.#drop(unit);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /**
   * A huge unit is about to go into the derived state past the overlay: nothing older may stand in the overlay then,
   * or it would count as newer. So a view that stands still ends, and none begins until `endMerge`.
   */
  beginMerge(): void {
    this.#isMerging = true;
    this.endPin();
  }

  endMerge(): void {
    this.#isMerging = false;
  }

  /** As a view at `log` sees it. Null: gone. Undefined: the derived state knows. */
  document(id: DocId, log: LogNumber): KeptDocument | null | undefined {
    this.#rowKey.setId(id);
    return this.documentAt(this.#rowKey, log);
  }

  documentAt(key: RowKey, log: LogNumber): KeptDocument | null | undefined {
    const found = this.#documents.find(key, log);
    const truncatedAt = this.#truncations.size === 0 ? 0 : this.#truncatedAt(key.prefix, log);
    // Within one unit, documents from before the truncation are not among its documents.
    if (found !== undefined && found.log >= truncatedAt) return found.document;
    return truncatedAt > 0 ? null : undefined;
  }

  /** Whether what the derived state holds under the prefix, that of one relation, is gone. */
  empties(prefix: string): boolean {
    return this.#truncations.has(prefix);
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

  documentIds(): Iterable<DocId> {
    return this.#documents.ids();
  }

  #drop(unit: Unit): void {
    const { log } = unit;
    for (const [name, { to }] of unit.channels) {
      if (this.#heads.get(name)?.log === log) this.#heads.delete(name);
      const channel = this.#channels.get(name);
      channel?.drop(to);
      if (channel?.isEmpty === true) this.#channels.delete(name);
    }
    this.#documents.drop(unit);
    for (const prefix of unit.truncated) this.#dropTruncation(prefix, log);
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
