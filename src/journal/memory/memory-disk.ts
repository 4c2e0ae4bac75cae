/**
 * Everything that the journal in memory keeps, for ever and in its simplest form: all entries of all
 * channels and all versions of all documents. It outlives its writer as a disk does, and can be copied.
 */
import type { KeptDocument } from "../../model/document.js";
import type { ChannelEntry } from "../../model/entry.js";
import type { SourcePosition } from "../../model/position.js";
import type { TableSchema } from "../../model/table.js";
import { must } from "../../base/assert.js";
import { resolved } from "../block-decoder.js";
import type { UnitBase } from "../block-decoder.js";
import { documentAt, NO_DOCUMENT } from "../block-encoder.js";
import { PackedDocument } from "../document-codec.js";
import { prefixOfDoc } from "../document-key.js";
import type { DocId } from "../document-key.js";
import type { HeadState } from "../head-state.js";
import type { HidingMark } from "../hiding.js";
import type { CopyStatus, LogNumber } from "../journal.js";
import type { Run } from "../runs.js";
import type { Unit } from "../unit.js";

export interface MemoryEntry {
  readonly entry: ChannelEntry;
  readonly key: string;
  readonly document: DocId | undefined;
}

export interface MemoryChannel {
  floor: number;
  entries: MemoryEntry[];
}

interface Version {
  readonly log: LogNumber;
  readonly state: KeptDocument | null;
}

export class MemoryDisk {
  readonly runs: Run[] = [];
  readonly positions = new Map<string, SourcePosition>();
  readonly facts = new Map<string, string>();
  readonly schemas: TableSchema[] = [];
  readonly hiding = new Map<string, HidingMark>();
  readonly heads = new Map<string, HeadState>();
  readonly channels = new Map<string, MemoryChannel>();
  readonly documents = new Map<DocId, Version[]>();
  /** Log number and time of every unit. */
  readonly times: { readonly log: LogNumber; readonly at: number }[] = [];
  copying: readonly CopyStatus[] = [];
  log: LogNumber = 0;
  parked = 0;
  /** The run that writes now. */
  writer: string | undefined;

  /** As a backup of the files would be. */
  copy(): MemoryDisk {
    const made = new MemoryDisk();
    made.restore(this);
    return made;
  }

  /** Everything is as `backup` has it. */
  restore(backup: MemoryDisk): void {
    this.runs.splice(0, Infinity, ...backup.runs);
    this.schemas.splice(0, Infinity, ...backup.schemas);
    this.times.splice(0, Infinity, ...backup.times);
    refill(this.positions, backup.positions);
    refill(this.facts, backup.facts);
    refill(this.hiding, backup.hiding);
    refill(this.heads, backup.heads);
    this.channels.clear();
    for (const [name, { floor, entries }] of backup.channels) {
      this.channels.set(name, { floor, entries: [...entries] });
    }
    this.documents.clear();
    for (const [id, versions] of backup.documents) this.documents.set(id, [...versions]);
    this.copying = backup.copying;
    this.log = backup.log;
    this.parked = backup.parked;
  }

  /** Of a huge unit its parts too, in order. */
  apply(unit: Unit, heads: ReadonlyMap<string, HeadState>, parts: readonly Unit[]): void {
    for (const [name, head] of heads) this.heads.set(name, head);
    for (const piece of [unit, ...parts]) this.#take(piece, unit);
    this.log = unit.log;
    this.parked = unit.parked;
    this.times.push({ log: unit.log, at: unit.at });
  }

  /** The unit itself, or one of its parts. */
  #take(piece: Unit, { log, channels }: Unit): void {
    for (const [name, unitChannel] of piece.channels) {
      const { entries, keys, documents } = unitChannel.contents();
      const channel = this.channels.get(name) ?? { floor: 0, entries: [] };
      this.channels.set(name, channel);
      for (const [at, entry] of entries.entries()) {
        channel.entries.push({ entry, key: keys[at] ?? "", document: documents[at] });
      }
    }
    for (const id of this.documents.keys()) {
      if (piece.truncated.has(prefixOfDoc(id))) this.#add(id, log, null);
    }
    const baseOf = (name: string): UnitBase => must(channels.get(name), `channel ${name}`);
    const { documents } = piece;
    for (const at of documents.numbers()) {
      const from = documents.place(at);
      const document =
        from === NO_DOCUMENT
          ? null
          : resolved(new PackedDocument(documentAt(piece.block, from)), baseOf);
      this.#add(documents.id(at), log, document);
    }
  }

  /** As it stood at `log`. */
  document(id: DocId, log: LogNumber): KeptDocument | undefined {
    const versions = this.documents.get(id) ?? [];
    for (let at = versions.length - 1; at >= 0; at--) {
      const version = versions[at];
      if (version !== undefined && version.log <= log) return version.state ?? undefined;
    }
    return undefined;
  }

  #add(id: DocId, log: LogNumber, state: KeptDocument | null): void {
    const versions = this.documents.get(id) ?? [];
    versions.push({ log, state });
    this.documents.set(id, versions);
  }
}

function refill<Key, Value>(map: Map<Key, Value>, from: ReadonlyMap<Key, Value>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}
