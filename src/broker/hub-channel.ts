/**
 * A channel that some session attached, and what was released in it of late: ranges of serials, framed once and
 * shared by all its members. A member is served from the serial that it has, whatever the range it was behind.
 */
import type { LiveChannel, LogNumber } from "../journal/journal.js";
import type { ChannelEntry } from "../model/entry.js";
import { encodeChanges } from "../protocol/wire-entries.js";
import type { Attachment } from "./attachment.js";
import type { Delivery } from "./deliveries.js";
import type { SchemaKey } from "./schema-frames.js";
import type { WireMessage } from "./wire-message.js";

/**
 * More than this is not sent as it is: sessions read it from the journal, newest per key, at their own pace.
 */
const PIECE_BYTES_MAX = 4 * 1024 * 1024;

/** Members stand at few different serials; pieces for more of them are not kept. */
const PIECES_KEPT = 4;

/** `huge`: too much to be sent as it is; `lost`: memory does not reach back, or the serial is not of this epoch (I5). */
export type LeftToJournal = "huge" | "lost";

/** What a member that holds `from` is owed. */
export interface Piece {
  readonly channel: HubChannel;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly lines: readonly Uint8Array[];
  readonly bytes: number;
  readonly entries: number;
  readonly schemas: readonly SchemaKey[];
  /** Made when a delivery shares them with other channels'. */
  messages: readonly WireMessage[] | undefined;
  /** The one that holds nothing else, as made last. */
  delivery: Delivery | undefined;
}

/** A range that was released together. */
interface Range {
  readonly log: LogNumber;
  readonly live: LiveChannel;
  readonly schemas: readonly SchemaKey[];
  lines: readonly Uint8Array[] | undefined;
}

export class HubChannel {
  readonly name: string;
  /** Small and unique while the channel has members: names sets of channels. */
  readonly id: number;
  readonly members = new Set<Attachment>();
  readonly #ranges: Range[] = [];
  readonly #pieces: Piece[] = [];
  /** Log number of the last range that was taken; 0 for none. */
  movedAt: LogNumber = 0;
  #epoch = 0;
  #head = 0;

  constructor(name: string, id: number) {
    this.name = name;
    this.id = id;
  }

  /** Whether what is made for one member may serve another. Otherwise it is let go: thousands of them fill the heap. */
  get isShared(): boolean {
    return this.members.size > 1;
  }

  /** Takes what was released up to `log`. */
  take(log: LogNumber, live: LiveChannel, schemas: readonly SchemaKey[]): void {
    this.#ranges.push({ log, live, schemas, lines: undefined });
    this.movedAt = log;
    this.#epoch = live.epoch;
    this.#head = live.to;
    this.#pieces.length = 0;
  }

  /** Forgets what was released up to `log`: whoever still needs it reads the journal. */
  forget(log: LogNumber): void {
    const kept = this.#ranges.findIndex((range) => range.log > log);
    if (kept === 0 || this.#ranges.length === 0) return;
    this.#ranges.splice(0, kept < 0 ? this.#ranges.length : kept);
    this.#pieces.length = 0;
  }

  /** What was released up to `log` may have moved it, and did not pass through memory. */
  lose(log: LogNumber): void {
    this.forget(log);
    this.movedAt = log;
  }

  /** Whether somebody at this place lacks something that was taken. */
  isAhead(epoch: number, serial: number): boolean {
    return serial < this.#head || (epoch !== this.#epoch && this.#head > 0);
  }

  /** What follows `serial` up to the head. */
  after(epoch: number, serial: number): Piece | LeftToJournal {
    const known = this.#pieces.find(({ from }) => from === serial);
    const piece = known ?? this.#pieceAfter(serial);
    if (typeof piece === "string") return piece;
    return epoch === 0 || epoch === piece.epoch ? piece : "lost";
  }

  #pieceAfter(from: number): Piece | LeftToJournal {
    const { epoch, to, parts } = this.#follow(from);
    const first = parts[0];
    if (first === undefined) return "lost";
    let size = 0;
    const lines: Uint8Array[] = [];
    let entries = 0;
    const schemas = new Set<SchemaKey>();
    for (const range of parts) {
      const wanted = entriesAfter(range.live, from);
      if (wanted === undefined) return "huge";
      for (const { body } of wanted) size += body.length;
      if (size > PIECE_BYTES_MAX) return "huge";
      entries += wanted.length;
      lines.push(...this.#linesOf(range, wanted));
      for (const key of range.schemas) schemas.add(key);
    }
    const piece: Piece = {
      ...{ channel: this, epoch, from, to, lines, entries },
      bytes: lines.reduce((sum, line) => sum + line.length, 0),
      schemas: parts.length === 1 ? first.schemas : [...schemas],
      ...{ messages: undefined, delivery: undefined },
    };
    if (this.isShared && this.#pieces.length < PIECES_KEPT) this.#pieces.push(piece);
    return piece;
  }

  /** The ranges behind `from` up to the head; none where they do not follow one another from there. */
  #follow(from: number): { epoch: number; to: number; parts: readonly Range[] } {
    let at = this.#ranges.length;
    let next = this.#head;
    while (at > 0 && next > from) {
      const live = this.#ranges[at - 1]?.live;
      if (live?.to !== next || live.epoch !== this.#epoch) break;
      next = live.from;
      at -= 1;
    }
    const parts = next <= from ? this.#ranges.slice(at) : [];
    return { epoch: this.#epoch, to: this.#head, parts };
  }

  #linesOf(range: Range, wanted: readonly ChannelEntry[]): readonly Uint8Array[] {
    if (wanted !== range.live.entries) return encodeChanges(this.name, wanted);
    if (!this.isShared) return encodeChanges(this.name, wanted);
    range.lines ??= encodeChanges(this.name, wanted);
    return range.lines;
  }
}

/** A session may have read half of a range from the journal. */
function entriesAfter(live: LiveChannel, serial: number): readonly ChannelEntry[] | undefined {
  if (live.from >= serial) return live.entries;
  return live.entries?.filter((entry) => entry.serial > serial);
}
