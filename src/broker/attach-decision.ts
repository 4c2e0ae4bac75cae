/** How an attached channel is brought up to date (PROTOCOL.md, rules 9 and 10). Pure. */
import type { Place } from "../model/place.js";
import type { ChannelKind } from "../model/table.js";
import type { AttachFrom, AttachedHow } from "../protocol/frames.js";
import type { ChannelHead } from "../journal/journal.js";

export interface AttachDecision {
  readonly how: AttachedHow;
  readonly epoch: number;
  /** The serial after which entries follow. */
  readonly after: number;
}

/** `accepted` is what JournalReader.accepts said of a place. Undefined: `from` is not for channels of this kind. */
export function decideAttach(
  from: AttachFrom,
  head: ChannelHead | undefined,
  accepted: boolean,
): AttachDecision | undefined {
  if (head === undefined) return decideUnborn(from);
  const { kind, epoch } = head;
  if (from === "start") {
    if (kind === "state") return { how: "snapshot", epoch, after: 0 };
    return { how: "resumed", epoch, after: head.floor };
  }
  if (from === "now" || "last" in from) {
    if (kind === "state") return undefined;
    const back = from === "now" ? 0 : from.last;
    return { how: "resumed", epoch, after: Math.max(head.floor, head.serial - back) };
  }
  if (!counts(from, head, accepted)) return restart(kind, epoch, head.floor);
  const missing = from.serial < head.serial;
  const how = kind === "state" && missing ? "delta" : "resumed";
  return { how, epoch, after: from.serial };
}

/** Where a channel goes on when the client's serial does not count (any more). */
export function restart(kind: ChannelKind, epoch: number, floor: number): AttachDecision {
  if (kind === "state") return { how: "snapshot", epoch, after: 0 };
  return { how: "gap", epoch, after: floor };
}

/** A channel that never had an entry: only a client that holds something of it must let go. */
function decideUnborn(from: AttachFrom): AttachDecision {
  const holds = typeof from === "object" && "epoch" in from && !isBlank(from);
  return { how: holds ? "snapshot" : "resumed", epoch: 0, after: 0 };
}

function counts(place: Place, head: ChannelHead, accepted: boolean): boolean {
  if (place.serial < head.floor) return false;
  if (isBlank(place)) return true;
  return accepted && place.epoch === head.epoch && place.serial <= head.serial;
}

function isBlank(place: Place): boolean {
  return place.epoch === 0 && place.serial === 0;
}
