/**
 * What a session gets at once: the pieces of the channels that it is owed and one commit. Made once per set of pieces
 * and log number; every session that is owed the same gets the same buffers.
 */
import type { LogNumber } from "../journal/journal.js";
import { encodeServerFrame } from "../protocol/codec.js";
import type { Piece } from "./hub-channel.js";
import { encodeLine, packLines } from "./wire-message.js";
import type { WireMessage } from "./wire-message.js";

/** Up to here the frames of several channels are copied into one message: one write instead of some. */
const COPY_BYTES_MAX = 16 * 1024;

/** Deliveries of several channels that are kept for the next session with the same set. */
const DELIVERIES_MAX = 1_000;

export interface Delivery {
  readonly at: LogNumber;
  readonly messages: readonly WireMessage[];
  readonly bytes: number;
  readonly entries: number;
}

export class Deliveries {
  #at: LogNumber = 0;
  readonly #kept = new Map<string, Delivery>();

  /** `pieces`: at least one. `at`: the log number at which all of them stand; it only rises. */
  of(pieces: readonly Piece[], at: LogNumber): Delivery {
    const only = pieces[0];
    if (only !== undefined && pieces.length === 1) {
      if (only.delivery?.at !== at) only.delivery = make(pieces, at);
      return only.delivery;
    }
    if (!pieces.every(({ channel }) => channel.isShared)) return make(pieces, at);
    if (this.#at !== at) this.#kept.clear();
    this.#at = at;
    const sorted = [...pieces].sort((a, b) => a.channel.id - b.channel.id);
    const key = sorted.map(({ channel, from }) => `${channel.id}:${from}`).join();
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = make(sorted, at);
    if (this.#kept.size < DELIVERIES_MAX) this.#kept.set(key, made);
    return made;
  }
}

function make(pieces: readonly Piece[], at: LogNumber): Delivery {
  let bytes = 0;
  let entries = 0;
  for (const piece of pieces) {
    bytes += piece.bytes;
    entries += piece.entries;
  }
  const moved = pieces.map(
    ({ channel, epoch, from, to }) => [channel.name, epoch, from, to] as const,
  );
  const end = encodeLine(encodeServerFrame({ t: "commit", at, moved }));
  bytes += end.length;
  if (pieces.length === 1 || bytes <= COPY_BYTES_MAX) {
    const lines = pieces.flatMap((piece) => piece.lines);
    return { at, messages: packLines([...lines, end]), bytes, entries };
  }
  const messages = pieces.flatMap((piece) => (piece.messages ??= packLines(piece.lines)));
  return { at, messages: [...messages, ...packLines([end])], bytes, entries };
}
