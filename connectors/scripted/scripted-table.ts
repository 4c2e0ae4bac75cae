/** One table of a scripted source: its rows now, what a write makes of them, and how it is copied. */
import type { Relation, RenewChange, RowChange, Values } from "../../src/model/change.js";
import type { Column } from "../../src/model/table.js";

export type Cell = string | number | boolean | null | readonly Cell[];

export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** What tells rows apart in the stream; the key where it is left out. */
  readonly identity?: readonly string[];
  readonly uniqueKeys?: readonly (readonly string[])[];
  /** Columns that an update leaves out unless it sets them, as Postgres does with long values. */
  readonly lazy?: readonly string[];
  /** The column whose value names the partition of a row. */
  readonly partitionBy?: string;
}

export interface TextPatch {
  readonly column: string;
  readonly at: number;
  readonly char: string;
}

export type Row = Readonly<Record<string, Cell>>;

export interface StoredRow {
  readonly identity: string;
  readonly values: readonly string[];
  readonly leaf: string | undefined;
}

export class ScriptedTable {
  readonly relation: Relation;
  readonly #definition: TableDefinition;
  readonly #rows: Map<string, StoredRow>;

  /** `rows`: those of an earlier form of the table, by column name; a new column begins as null. */
  constructor(definition: TableDefinition, earlier?: ScriptedTable) {
    this.#definition = definition;
    this.relation = relationOf(definition);
    this.#rows = new Map();
    for (const row of earlier?.rows() ?? []) {
      const values = this.relation.columns.map(
        ({ name }) => row.values[earlier?.placeOf(name) ?? -1] ?? "null",
      );
      this.#store(values);
    }
  }

  rows(): readonly StoredRow[] {
    return [...this.#rows.values()];
  }

  placeOf(column: string): number {
    return this.relation.columns.findIndex(({ name }) => name === column);
  }

  insert(row: Row): RowChange {
    const values = this.relation.columns.map(({ name }) => JSON.stringify(row[name] ?? null));
    const stored = this.#store(values);
    return this.#change("insert", stored, stored.values);
  }

  /** Undefined where no row has the key. */
  update(key: readonly Cell[], set: Row): RowChange | undefined {
    const before = this.#find(key);
    if (before === undefined) return undefined;
    const values = this.relation.columns.map(({ name }, at) =>
      name in set ? JSON.stringify(set[name]) : (before.values[at] ?? "null"),
    );
    this.#rows.delete(before.identity);
    const after = this.#store(values);
    const { lazy = [] } = this.#definition;
    const told = this.relation.columns.map(({ name }, at) =>
      lazy.includes(name) && !(name in set) ? undefined : values[at],
    );
    const change = this.#change("update", after, told);
    if (after.identity === before.identity) return change;
    return { ...change, previous: before.identity };
  }

  /** Undefined where no row has the key, or its text is too short. */
  patch(key: readonly Cell[], { column, at, char }: TextPatch): RowChange | undefined {
    const before = this.#find(key);
    const place = this.placeOf(column);
    const patch = (form: string): string | undefined => {
      const text: unknown = JSON.parse(form);
      if (typeof text !== "string" || at >= text.length) return undefined;
      return JSON.stringify(text.slice(0, at) + char + text.slice(at + 1));
    };
    const form = before === undefined ? undefined : patch(before.values[place] ?? "null");
    if (before === undefined || form === undefined) return undefined;
    const after = this.#store(before.values.with(place, form));
    const change = this.#change("update", after, after.values.map(untoldAt(place)));
    return { ...change, patches: new Map([[place, patch]]) };
  }

  delete(key: readonly Cell[]): RowChange | undefined {
    const before = this.#find(key);
    if (before === undefined) return undefined;
    this.#rows.delete(before.identity);
    const told = this.relation.columns.map(({ name }, at) =>
      this.relation.identity.includes(name) ? before.values[at] : undefined,
    );
    return this.#change("delete", before, told);
  }

  truncate(leaf: string | undefined): void {
    for (const row of this.rows()) {
      if (leaf === undefined || row.leaf === leaf) this.#rows.delete(row.identity);
    }
  }

  renew(rows: readonly Row[]): RenewChange {
    this.#rows.clear();
    for (const row of rows) this.insert(row);
    return { op: "renew", relation: this.relation };
  }

  /** Rows in the order of their identity, after one of them. */
  page(after: string | undefined, limit: number): readonly StoredRow[] {
    return this.rows()
      .filter(({ identity }) => after === undefined || identity > after)
      .sort((a, b) => (a.identity < b.identity ? -1 : 1))
      .slice(0, limit);
  }

  #store(values: readonly string[]): StoredRow {
    const pick = (columns: readonly string[]): string =>
      `[${columns.map((column) => values[this.placeOf(column)] ?? "null").join(",")}]`;
    const { partitionBy } = this.#definition;
    const partition = partitionBy === undefined ? undefined : values[this.placeOf(partitionBy)];
    const leaf = partition === undefined ? undefined : `${this.relation.name}/${partition}`;
    const stored = { identity: pick(this.relation.identity), values, leaf };
    this.#rows.set(stored.identity, stored);
    return stored;
  }

  #find(key: readonly Cell[]): StoredRow | undefined {
    const places = this.#definition.key.map((column) => this.placeOf(column));
    const wanted = key.map((cell) => JSON.stringify(cell));
    const isIt = (row: StoredRow): boolean =>
      places.every((place, at) => row.values[place] === wanted[at]);
    const direct = this.#rows.get(`[${wanted.join(",")}]`);
    if (direct !== undefined && isIt(direct)) return direct;
    return this.rows().find(isIt);
  }

  #change(op: RowChange["op"], row: StoredRow, values: Values): RowChange {
    const { identity, leaf } = row;
    const change = { op, relation: this.relation, identity, values };
    return leaf === undefined ? change : { ...change, leaf };
  }
}

function untoldAt(place: number): (form: string, at: number) => string | undefined {
  return (form, at) => (at === place ? undefined : form);
}

function relationOf(definition: TableDefinition): Relation {
  const { name, columns, key, identity = key, uniqueKeys = [key] } = definition;
  const fingerprint = JSON.stringify([name, columns, key, identity, uniqueKeys]);
  return { name, columns, identity, primaryKey: key, uniqueKeys, fingerprint };
}
