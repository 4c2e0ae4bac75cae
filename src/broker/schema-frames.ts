/**
 * The `schema` frames of all tables and versions, made once. Versions are never redefined, so nothing here
 * is ever dropped; there are as many as the rules had shapes.
 */
import type { JournalReader } from "../journal/journal.js";
import type { ChannelEntry } from "../model/entry.js";
import { encodeServerFrame } from "../protocol/codec.js";
import { encodeLine } from "./wire-message.js";

/** Names a table's schema: `version:table`. */
export type SchemaKey = string;

export class SchemaFrames {
  readonly #reader: JournalReader;
  readonly #known = new Map<SchemaKey, Uint8Array>();
  readonly #loading = new Map<SchemaKey, Promise<void>>();
  /** The keys of table and version alone, as lists that are shared. */
  readonly #lists = new Map<string, Map<number, readonly SchemaKey[]>>();

  constructor(reader: JournalReader) {
    this.#reader = reader;
  }

  /** The frame's line; undefined before it was loaded. */
  find(key: SchemaKey): Uint8Array | undefined {
    return this.#known.get(key);
  }

  /** The schemas that `entries` follow. */
  keysOf(entries: readonly ChannelEntry[]): readonly SchemaKey[] {
    const [first] = entries;
    if (first === undefined) return [];
    const { table, schema } = first;
    if (entries.every((entry) => entry.table === table && entry.schema === schema)) {
      return this.#listOf(table, schema);
    }
    const keys = new Set<SchemaKey>();
    addSchemaKeys(entries, keys);
    return [...keys];
  }

  #listOf(table: string, version: number): readonly SchemaKey[] {
    let versions = this.#lists.get(table);
    if (versions === undefined) {
      versions = new Map();
      this.#lists.set(table, versions);
    }
    let list = versions.get(version);
    if (list === undefined) {
      list = [`${version}:${table}`];
      versions.set(version, list);
    }
    return list;
  }

  /** After it `find` answers for every key. */
  async load(keys: Iterable<SchemaKey>): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const key of keys) {
      if (this.#known.has(key)) continue;
      const wait = this.#loading.get(key) ?? this.#fetch(key);
      this.#loading.set(key, wait);
      waits.push(wait);
    }
    if (waits.length > 0) await Promise.all(waits);
  }

  async #fetch(key: SchemaKey): Promise<void> {
    const colon = key.indexOf(":");
    try {
      const schema = await this.#reader.schema(key.slice(colon + 1), Number(key.slice(0, colon)));
      this.#known.set(key, encodeLine(encodeServerFrame({ t: "schema", ...schema })));
    } finally {
      this.#loading.delete(key);
    }
  }
}

/** The schemas that `entries` follow, added to `keys`. */
export function addSchemaKeys(entries: readonly ChannelEntry[], keys: Set<SchemaKey>): void {
  let last: ChannelEntry | undefined;
  for (const entry of entries) {
    if (last?.table === entry.table && last.schema === entry.schema) continue;
    keys.add(`${entry.schema}:${entry.table}`);
    last = entry;
  }
}
