/**
 * What was released in one range of the log, as bytes: a channel's frames are made once per range, a
 * commit once per set of channels that moved, and every session of that set gets the same buffers.
 */
import type { LiveChannel, LiveRange, LogNumber } from "../journal/journal.js";
import { encodeServerFrame } from "../protocol/codec.js";
import type { CommitFrame } from "../protocol/frames.js";
import { encodeChanges } from "../protocol/wire-entries.js";
import type { Attachment } from "./attachment.js";
import { addSchemaKeys } from "./schema-frames.js";
import type { SchemaKey } from "./schema-frames.js";
import { encodeLine, packLines } from "./wire-message.js";
import type { WireMessage } from "./wire-message.js";

/** Up to here the frames of several channels are copied into one message: one write instead of some. */
const COPY_BYTES_MAX = 16 * 1024;

/**
 * A channel that moved by more than this in one range is not sent as it is: sessions read it from the
 * journal, newest per key, at their own pace.
 */
const PIECE_BYTES_MAX = 4 * 1024 * 1024;

/** Deliveries that are kept for the next session with the same set; beyond it they are made again. */
const DELIVERIES_MAX = 1_000;

/** One channel's part of the range. */
export interface Piece {
  readonly live: LiveChannel;
  readonly lines: readonly Uint8Array[];
  readonly bytes: number;
  readonly entries: number;
  readonly schemas: ReadonlySet<SchemaKey>;
  /** Made when a delivery shares them. */
  messages: readonly WireMessage[] | undefined;
}

export interface Delivery {
  readonly messages: readonly WireMessage[];
  readonly bytes: number;
  readonly entries: number;
}

export class LiveView {
  readonly to: LogNumber;
  readonly #range: LiveRange;
  readonly #pieces = new Map<string, Piece | undefined>();
  readonly #deliveries = new Map<string, Delivery>();

  constructor(range: LiveRange) {
    this.to = range.to;
    this.#range = range;
  }

  get channels(): ReadonlyMap<string, LiveChannel> {
    return this.#range.channels;
  }

  /** Those of a session's attachments that moved, found from the smaller side. */
  movedOf(attachments: ReadonlyMap<string, Attachment>): Attachment[] {
    const moved: Attachment[] = [];
    if (attachments.size <= this.channels.size) {
      for (const attachment of attachments.values()) {
        if (this.channels.has(attachment.channel.name)) moved.push(attachment);
      }
      return moved;
    }
    for (const name of this.channels.keys()) {
      const attachment = attachments.get(name);
      if (attachment !== undefined) moved.push(attachment);
    }
    return moved;
  }

  /** Undefined where the range is too much to be sent as it is. The channel must be among `channels`. */
  piece(channel: string): Piece | undefined {
    if (this.#pieces.has(channel)) return this.#pieces.get(channel);
    const live = this.#range.channels.get(channel);
    const made = live === undefined ? undefined : makePiece(channel, live);
    this.#pieces.set(channel, made);
    return made;
  }

  /** The frames of `moved` (at least one, each with its piece) and their commit. */
  delivery(moved: readonly Attachment[]): Delivery {
    const only = moved[0];
    if (only !== undefined && moved.length === 1) return this.#cached(`${only.channel.id}`, moved);
    const ids = moved.map((attachment) => attachment.channel.id).sort((a, b) => a - b);
    return this.#cached(ids.join(), moved);
  }

  #cached(key: string, moved: readonly Attachment[]): Delivery {
    const known = this.#deliveries.get(key);
    if (known !== undefined) return known;
    const made = this.#make(moved);
    if (this.#deliveries.size < DELIVERIES_MAX) this.#deliveries.set(key, made);
    return made;
  }

  #make(moved: readonly Attachment[]): Delivery {
    const pieces: Piece[] = [];
    const commit: { -readonly [Name in keyof CommitFrame]: CommitFrame[Name] } & {
      moved: [string, number, number, number][];
    } = { t: "commit", at: this.to, moved: [] };
    let bytes = 0;
    let entries = 0;
    for (const { channel } of moved) {
      const piece = this.piece(channel.name);
      if (piece === undefined) continue;
      pieces.push(piece);
      commit.moved.push([channel.name, piece.live.epoch, piece.live.from, piece.live.to]);
      bytes += piece.bytes;
      entries += piece.entries;
    }
    const end = encodeLine(encodeServerFrame(commit));
    bytes += end.length;
    if (pieces.length === 1 || bytes <= COPY_BYTES_MAX) {
      const lines = pieces.flatMap((piece) => piece.lines);
      return { messages: packLines([...lines, end]), bytes, entries };
    }
    const messages = pieces.flatMap((piece) => (piece.messages ??= packLines(piece.lines)));
    return { messages: [...messages, ...packLines([end])], bytes, entries };
  }
}

function makePiece(channel: string, live: LiveChannel): Piece | undefined {
  const { entries } = live;
  if (entries === undefined) return undefined;
  let size = 0;
  for (const entry of entries) size += entry.body.length;
  if (size > PIECE_BYTES_MAX) return undefined;
  const lines = encodeChanges(channel, entries);
  const schemas = new Set<SchemaKey>();
  addSchemaKeys(entries, schemas);
  let bytes = 0;
  for (const line of lines) bytes += line.length;
  return { live, lines, bytes, entries: entries.length, schemas, messages: undefined };
}
