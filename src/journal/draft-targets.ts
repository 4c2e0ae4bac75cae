/** Under which serials a document stands in its channels, once the entries of its change are placed. */
import { assert } from "../base/assert.js";
import type { KeptDocument, Target } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { sameBody } from "./block-encoder.js";
import { showsRow } from "./block-format.js";
import type { DocumentChange, DraftEntry } from "./journal.js";

export interface Numbering {
  /** Of the channel's last entry; in a huge unit its ordinal, negative. */
  readonly serialOf: (channel: string, kind: ChannelKind) => number;
  readonly kindOf: (channel: string) => ChannelKind;
}

type State = NonNullable<DocumentChange["state"]>;

/** `entries` are those of the change, all of them placed just now. */
export function targetsOf(
  state: State,
  entries: readonly DraftEntry[],
  old: KeptDocument | undefined,
  numbering: Numbering,
): readonly Target[] {
  const [only] = entries;
  // Nearly all: one row in one channel.
  if (entries.length === 1 && state.channels.length === 1 && only !== undefined) {
    const { channel, kind, op } = only;
    if (showsRow(op) && channel === state.channels[0]) {
      return [{ channel, serial: numbering.serialOf(channel, kind) }];
    }
  }
  return numbered(state, entries, old, numbering);
}

function numbered(
  state: State,
  entries: readonly DraftEntry[],
  old: KeptDocument | undefined,
  { serialOf, kindOf }: Numbering,
): Target[] {
  const serials = new Map<string, number>();
  for (const { channel, serial } of old?.targets ?? []) serials.set(channel, serial);
  // Entries of one channel stand in order, and the last of the change has the channel's serial minus
  // those of the change behind it: counted backwards.
  const behind = new Map<string, number>();
  const rows = new Set<string>();
  for (let at = entries.length - 1; at >= 0; at--) {
    const entry = entries[at];
    if (entry === undefined) continue;
    const { channel, op } = entry;
    const later = behind.get(channel) ?? 0;
    behind.set(channel, later + 1);
    if (!showsRow(op) || rows.has(channel)) continue;
    rows.add(channel);
    const last = serialOf(channel, entry.kind);
    serials.set(channel, last < 0 ? last + later : last - later);
  }
  const targets: Target[] = [];
  for (const channel of state.channels) {
    const serial = serials.get(channel);
    if (!rows.has(channel) && kindOf(channel) === "state") {
      const isSame = old?.key === state.key && sameBody(old.body, state.body);
      assert(serial !== undefined && isSame, () => {
        return `a document enters or changes in channel ${channel} without an entry there`;
      });
    }
    targets.push({ channel, serial: serial ?? 0 });
  }
  return targets;
}
