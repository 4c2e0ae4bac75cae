/**
 * The writer's small durable things: positions, facts, schemas, hiding. They are loaded at the start,
 * checked when an append begins and shown when it is durable.
 */
import { assert } from "../base/assert.js";
import type { SourcePosition } from "../model/position.js";
import type { TableSchema } from "../model/table.js";
import { Hiding } from "./hiding.js";
import type { HidingMark } from "./hiding.js";
import type { AppendFacts, LogNumber } from "./journal.js";
import { SchemaRegistry } from "./schema-registry.js";

export interface LoadedFacts {
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly facts: ReadonlyMap<string, string>;
  readonly schemas: Iterable<TableSchema>;
  readonly hiding: Iterable<readonly [string, HidingMark]>;
}

export class WriterFacts {
  readonly #positions: Map<string, SourcePosition>;
  readonly #facts: Map<string, string>;
  /** Positions of appends that are not durable yet. */
  readonly #begun: Map<string, SourcePosition>;
  readonly schemas: SchemaRegistry;
  /** As of the last append that was begun. */
  readonly hiding: Hiding;

  constructor(loaded: LoadedFacts) {
    this.#positions = new Map(loaded.positions);
    this.#begun = new Map(loaded.positions);
    this.#facts = new Map(loaded.facts);
    this.schemas = new SchemaRegistry(loaded.schemas);
    this.hiding = new Hiding(loaded.hiding);
  }

  position(source: string): SourcePosition | undefined {
    return this.#positions.get(source);
  }

  fact(name: string): string | undefined {
    return this.#facts.get(name);
  }

  factNames(prefix: string): readonly string[] {
    return [...this.#facts.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  /** An append begins; `log` is the first log number for which what it hides is hidden. */
  begin(after: AppendFacts, log: LogNumber): void {
    for (const [source, next] of after.positions) {
      const known = this.#begun.get(source);
      const goesOn =
        known === undefined ||
        next.generation > known.generation ||
        (next.generation === known.generation && next.position >= known.position);
      assert(goesOn, () => {
        const from = `${known?.generation ?? 0}/${known?.position ?? ""}`;
        return `source ${source} goes back from ${from} to ${next.generation}/${next.position}`;
      });
      this.#begun.set(source, next);
    }
    for (const [rule, version] of after.hiding ?? []) this.hiding.set(rule, { version, from: log });
  }

  /** The append is durable. */
  end(after: AppendFacts): void {
    for (const [source, position] of after.positions) this.#positions.set(source, position);
    for (const [name, value] of after.facts) {
      if (value === null) this.#facts.delete(name);
      else this.#facts.set(name, value);
    }
  }
}
