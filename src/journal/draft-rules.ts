/** What one change may say, checked where it comes in: the read side trusts it from there on. */
import { InvariantError } from "../base/errors.js";
import type { KeptDocument } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import { sameBody } from "./block-encoder.js";
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

/** Throws where the read side could not trust the entry. */
export function checkEntry(entry: DraftEntry, change: DocumentChange, kind: ChannelKind): void {
  const { channel, op, table, body } = entry;
  if (table.length > TABLE_CHARACTERS_MAX) refuse(`the name of table ${table} is too long`);
  if (entry.kind !== kind) refuse(`channel ${channel} is of kind ${kind}, not ${entry.kind}`);
  if (op === "t" || op === "g") refuse(`an entry "${op}" of ${channel} comes from its own call`);
  if (kind === "events" || !showsRow(op)) return;
  const { state } = change;
  if (change.document === null || state?.channels.includes(channel) !== true) {
    refuse(`an entry "${op}" of ${channel} shows a document that is not kept there`);
  }
  if (!sameBody(state.body, body)) refuse(`an entry "${op}" of ${channel} has another body`);
}

function refuse(what: string): never {
  throw new InvariantError(what);
}

/** Whether a document feeds the same table of the same channels. */
export function standAlike(
  old: Pick<KeptDocument, "table" | "targets">,
  now: Pick<KeptDocument, "table" | "targets">,
): boolean {
  return (
    old.targets.length === now.targets.length &&
    old.targets.every(({ channel }, at) => channel === now.targets[at]?.channel) &&
    old.table === now.table
  );
}
