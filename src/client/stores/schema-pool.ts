/** Schemas that come in messages are copies each time; the store knows one by its object. */
import type { TableSchema } from "../../model/table.js";
import type { EntryBatch, StoreUnit } from "./store.js";

/** Far more than the versions that one sync follows. */
const KNOWN_MAX = 1_000;

export class SchemaPool {
  readonly #known = new Map<string, TableSchema>();

  /** The object that an equal schema had before. */
  own(schema: TableSchema): TableSchema {
    const text = JSON.stringify(schema);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(text, schema);
    return schema;
  }

  ownBatches(batches: readonly EntryBatch[]): readonly EntryBatch[] {
    return batches.map((batch) => ({ ...batch, schema: this.own(batch.schema) }));
  }

  ownUnit(unit: StoreUnit): StoreUnit {
    return {
      ...unit,
      schemas: unit.schemas.map((schema) => this.own(schema)),
      batches: this.ownBatches(unit.batches),
    };
  }
}
