/** The versions of each table's schema, for ever. New ones wait for the next append to become durable. */
import type { TableSchema } from "../model/table.js";
import type { TableShape } from "./journal.js";

export class SchemaRegistry {
  readonly #tables = new Map<string, TableSchema[]>();
  readonly #versions = new Map<string, number>();
  #fresh: TableSchema[] = [];

  constructor(schemas: Iterable<TableSchema>) {
    for (const schema of schemas) this.add(schema);
  }

  /** One that is durable already. */
  add(schema: TableSchema): void {
    const versions = this.#tables.get(schema.table) ?? [];
    this.#tables.set(schema.table, versions);
    versions[schema.version - 1] = schema;
    this.#versions.set(fingerprint(schema.table, schema), schema.version);
  }

  version(table: string, shape: TableShape): number {
    const known = this.#versions.get(fingerprint(table, shape));
    if (known !== undefined) return known;
    const { kind, columns, key } = shape;
    const schema = { table, version: this.newest(table) + 1, kind, columns, key };
    this.add(schema);
    this.#fresh.push(schema);
    return schema.version;
  }

  /** 0 where the table has none. */
  newest(table: string): number {
    return this.#tables.get(table)?.length ?? 0;
  }

  find(table: string, version: number): TableSchema | undefined {
    return this.#tables.get(table)?.[version - 1];
  }

  /** Those that no append has taken yet. */
  takeFresh(): readonly TableSchema[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}

function fingerprint(table: string, { kind, columns, key }: TableShape): string {
  const told = columns.map(({ name, type, of, native }) => [name, type, of ?? "", native ?? ""]);
  return JSON.stringify([table, kind, told, key]);
}
