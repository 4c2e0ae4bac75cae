/** What an append changes in the tables of the blocks file, as rows: for LMDB, and as bytes for the write-ahead log. */
import { DamagedBytes, ByteReader, type ByteWriter } from "../byte-io.js";

/** Tables that appends change. The write-ahead log has their places in this list: new ones go to its end. */
const tables = ["meta", "blocks", "positions", "facts", "schemas", "hiding"] as const;

export type AppendTable = (typeof tables)[number];

export interface AppendRow {
  readonly table: AppendTable;
  readonly key: Buffer;
  /** Undefined: the row goes. */
  readonly value: Uint8Array | undefined;
}

export function writeRows(writer: ByteWriter, rows: readonly AppendRow[]): void {
  writer.varint(rows.length);
  for (const { table, key, value } of rows) {
    writer.u8(tables.indexOf(table));
    writer.bytes(key);
    writer.u8(value === undefined ? 0 : 1);
    if (value !== undefined) writer.bytes(value);
  }
}

/** Views into the bytes. Throws DamagedBytes. */
export function readRows(bytes: Buffer): AppendRow[] {
  const reader = new ByteReader(bytes);
  const count = reader.varint();
  return Array.from({ length: count }, () => {
    const table = tables[reader.u8()];
    if (table === undefined) throw new DamagedBytes(`no table before byte ${reader.at}`);
    const key = reader.bytes();
    return { table, key, value: reader.u8() === 0 ? undefined : reader.bytes() };
  });
}

export function bytesOf(rows: readonly AppendRow[]): number {
  return rows.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
}
