/**
 * The difference between what a document's channels hold and what they should: which entries bring a
 * `state` channel from one to the other. A row is (table, key); where either changes, the old row goes
 * before the new one comes.
 */
import type { KeptDocument } from "../model/document.js";
import type { Op } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";
import { bodyTextOf } from "../journal/document-codec.js";
import type { DocumentState, DraftEntry } from "../journal/journal.js";

export interface Before {
  readonly own: KeptDocument | undefined;
  /** The document of the row's identity before this change, which it replaces. */
  readonly previous: KeptDocument | undefined;
}

export interface StateDifference {
  /** By which the replaced document leaves. */
  readonly left: readonly DraftEntry[];
  /** Of the document itself. */
  readonly entries: readonly DraftEntry[];
}

/** The rows of `document` go from all of its channels. */
export function removalEntries(
  document: KeptDocument,
  how: { readonly kind: ChannelKind; readonly op: Op },
): DraftEntry[] {
  const { table, schema, key: body } = document;
  const { kind, op } = how;
  return document.targets.map(({ channel }) => ({ channel, kind, op, table, schema, body }));
}

export function stateEntries(before: Before, state: DocumentState): StateDifference {
  const { own, previous } = before;
  const stays = namesAmong(state.channels);
  const left = previous === undefined ? [] : leaving(previous, state, stays);
  const entries = own === undefined ? [] : leaving(own, state, stays);
  const ownChannels = rowChannels(own, state);
  const previousChannels = rowChannels(previous, state);
  const isSame = own !== undefined && own.schema === state.schema && isSameBody(own, state.body);
  const { table, schema, body } = state;
  for (const channel of state.channels) {
    const isOwn = ownChannels?.has(channel) === true;
    if (isOwn && isSame) continue;
    const op = isOwn || previousChannels?.has(channel) === true ? "u" : "i";
    entries.push({ channel, kind: "state", op, table, schema, body });
  }
  return { left, entries };
}

/** Where the old row has no place any more: it left, or another row comes in its place. */
function leaving(document: KeptDocument, state: DocumentState, stays: Names): DraftEntry[] {
  const isSameRow = document.table === state.table && document.key === state.key;
  // Nearly all updates: nothing leaves.
  if (isSameRow && document.targets.every(({ channel }) => stays.has(channel))) return [];
  const away = state.channels.length > 0 ? "m" : "d";
  const entries: DraftEntry[] = [];
  for (const entry of removalEntries(document, { kind: "state", op: "d" })) {
    const remains = stays.has(entry.channel);
    if (remains && isSameRow) continue;
    entries.push(remains ? entry : { ...entry, op: away });
  }
  return entries;
}

/** Channels that hold the very row of `state` through `document`. */
function rowChannels(document: KeptDocument | undefined, state: DocumentState): Names | undefined {
  if (document === undefined) return undefined;
  if (document.table !== state.table || document.key !== state.key) return undefined;
  return namesAmong(document.targets.map(({ channel }) => channel));
}

interface Names {
  has(name: string): boolean;
}

/** Nearly all documents stand in a channel or two: a set would cost more than it spares. */
const FEW = 8;

function namesAmong(names: readonly string[]): Names {
  return names.length > FEW ? new Set(names) : { has: (name) => names.includes(name) };
}

function isSameBody(own: KeptDocument, body: DocumentState["body"]): boolean {
  return typeof body === "string" ? bodyTextOf(own) === body : Buffer.compare(own.body, body) === 0;
}
