/** A lap as it was read, with its frames: made when the first session wants them, shared by all that get the lap. */
import type { Lap } from "../journal/journal.js";
import { encodeChanges } from "../protocol/wire-entries.js";
import { addSchemaKeys } from "./schema-frames.js";
import type { SchemaKey } from "./schema-frames.js";

export class LapContents {
  readonly lap: Lap;
  /** Those that its entries follow. */
  readonly schemas: ReadonlySet<SchemaKey>;
  readonly #lines = new Map<number, readonly Uint8Array[]>();

  constructor(lap: Lap) {
    this.lap = lap;
    const schemas = new Set<SchemaKey>();
    for (const { entries } of lap.channels) addSchemaKeys(entries, schemas);
    this.schemas = schemas;
  }

  /** The `changes` frames of the nth channel. */
  linesOf(nth: number): readonly Uint8Array[] {
    const known = this.#lines.get(nth);
    if (known !== undefined) return known;
    const part = this.lap.channels[nth];
    const isEmpty = part === undefined || part.entries.length === 0;
    const lines = isEmpty ? [] : encodeChanges(part.channel, part.entries);
    this.#lines.set(nth, lines);
    return lines;
  }
}
