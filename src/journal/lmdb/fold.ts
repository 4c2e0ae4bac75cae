/**
 * What units leave behind once they are taken together: of each document and each row only the newest,
 * which is all that the derived tables keep. Pure; the write-back carries it out.
 */
import type { ChannelEntry } from "../../model/entry.js";
import type { ChannelKind } from "../../model/table.js";
import type { DocId, FeedId } from "../document-key.js";
import { prefixOfDoc } from "../document-key.js";
import type { LogNumber } from "../journal.js";
import { rowOf } from "../overlay-channel.js";
import type { DocumentStep, Unit, UnitChannel } from "../unit.js";

export interface FoldedDocument {
  readonly step: DocumentStep;
  /** Some version since the derived state was parked. */
  readonly wasParked: boolean;
}

export interface FoldedEntry {
  readonly entry: ChannelEntry;
  readonly key: string;
  readonly document: DocId | undefined;
}

export interface FoldedChannel {
  readonly kind: ChannelKind;
  epoch: number;
  to: number;
  written: number;
  readonly counts: Map<FeedId, number>;
  /** `state`: the newest of each row. */
  readonly rows: Map<string, FoldedEntry>;
  /** `state`: the newest truncation of each table. */
  readonly truncations: Map<string, ChannelEntry>;
  /** `events`: all. */
  readonly entries: ChannelEntry[];
}

export interface Folded {
  readonly to: LogNumber;
  readonly parked: number;
  readonly documents: ReadonlyMap<DocId, FoldedDocument>;
  /** What the derived state holds of these documents goes first. */
  readonly truncated: ReadonlySet<string>;
  readonly channels: ReadonlyMap<string, FoldedChannel>;
  /** When units were appended. */
  readonly times: readonly { readonly log: LogNumber; readonly at: number }[];
}

/** `units` in order, at least one. */
export function fold(units: readonly Unit[]): Folded {
  const documents = new Map<DocId, FoldedDocument>();
  const truncated = new Set<string>();
  const channels = new Map<string, FoldedChannel>();
  for (const unit of units) {
    foldSteps(unit, documents, truncated);
    for (const [name, unitChannel] of unit.channels) {
      const known = channels.get(name) ?? emptyChannel(unitChannel.kind);
      channels.set(name, known);
      foldChannel(known, unitChannel);
    }
  }
  const last = units[units.length - 1];
  const times = units.map(({ log, at }) => ({ log, at }));
  const { log: to = 0, parked = 0 } = last ?? {};
  return { to, parked, documents, truncated, channels, times };
}

function foldSteps(
  unit: Unit,
  documents: Map<DocId, FoldedDocument>,
  truncated: Set<string>,
): void {
  for (const step of unit.steps) {
    if (step.kind === "document") {
      const wasParked = step.wasParked || documents.get(step.id)?.wasParked === true;
      documents.set(step.id, { step, wasParked });
      continue;
    }
    truncated.add(step.prefix);
    for (const id of documents.keys()) if (prefixOfDoc(id) === step.prefix) documents.delete(id);
  }
}

function foldChannel(channel: FoldedChannel, unit: UnitChannel): void {
  channel.epoch = unit.epoch;
  channel.to = unit.to;
  channel.written = unit.written;
  for (const [feed, count] of unit.counts) channel.counts.set(feed, count);
  for (const [at, entry] of unit.entries.entries()) {
    if (channel.kind === "events") {
      channel.entries.push(entry);
    } else if (entry.op === "t") {
      channel.truncations.set(entry.table, entry);
      for (const [row, { entry: old }] of channel.rows) {
        if (old.table === entry.table) channel.rows.delete(row);
      }
    } else {
      const key = unit.keys[at] ?? "";
      channel.rows.set(rowOf(entry.table, key), { entry, key, document: unit.documents[at] });
    }
  }
}

function emptyChannel(kind: ChannelKind): FoldedChannel {
  return {
    ...{ kind, epoch: 0, to: 0, written: 0 },
    ...{ counts: new Map(), rows: new Map(), truncations: new Map(), entries: [] },
  };
}
