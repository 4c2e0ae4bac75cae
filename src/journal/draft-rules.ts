/** What one change may say, checked where it comes in: the read side trusts it from there on. */
import { assert } from "../base/assert.js";
import type { KeptDocument } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { sameBytes } from "./block-encoder.js";
import { showsRow } from "./block-format.js";
import type { DocumentChange, DraftEntry } from "./journal.js";

/**
 * The entries of a change, with those that it must have besides. While a document was hidden, readers went
 * past its serial without it: when it is shown again where it stays, it needs a new entry there, or they
 * would never get it.
 */
export function withRepairs(
  entries: readonly DraftEntry[],
  change: {
    readonly old: KeptDocument | undefined;
    readonly state: DocumentChange["state"];
    readonly hidingBelow: number;
  },
  kindOf: (channel: string) => ChannelKind,
): readonly DraftEntry[] {
  const { old, state, hidingBelow } = change;
  if (old === undefined || state === null) return entries;
  if (old.ruleVersion >= hidingBelow || state.ruleVersion < hidingBelow) return entries;
  const shown = new Set(entries.filter(({ op }) => showsRow(op)).map(({ channel }) => channel));
  const stays = new Set(old.targets.map(({ channel }) => channel));
  const { table, schema, body } = state;
  const missing = state.channels
    .filter((channel) => stays.has(channel) && !shown.has(channel) && kindOf(channel) === "state")
    .map((channel): DraftEntry => ({ channel, kind: "state", op: "u", table, schema, body }));
  return missing.length === 0 ? entries : [...entries, ...missing];
}

/** Keys of rows hold the table's name beside the channel's and a key. */
const TABLE_CHARACTERS_MAX = 100;

/** The key of the entry's row in a `state` channel; "" where it has none. */
export function checkEntry(entry: DraftEntry, change: DocumentChange, kind: ChannelKind): string {
  const { channel, op, table, body } = entry;
  assert(table.length <= TABLE_CHARACTERS_MAX, () => `the name of table ${table} is too long`);
  assert(entry.kind === kind, () => `channel ${channel} is of kind ${kind}, not ${entry.kind}`);
  assert(op !== "t" && op !== "g", () => `an entry "${op}" of ${channel} comes from its own call`);
  if (kind === "events") return "";
  if (!showsRow(op)) {
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  }
  const { state } = change;
  const isKept = change.document !== null && state !== null;
  assert(isKept && state.channels.includes(channel), () => {
    return `an entry "${op}" of ${channel} shows a document that is not kept there`;
  });
  assert(sameBytes(state.body, body), () => `an entry "${op}" of ${channel} has another body`);
  return state.key;
}

/** Whether a document feeds the same table of the same channels. */
export function standAlike(old: KeptDocument, now: KeptDocument): boolean {
  return (
    old.table === now.table &&
    old.targets.length === now.targets.length &&
    old.targets.every(({ channel }, at) => channel === now.targets[at]?.channel)
  );
}
