/** What a chunk of existing rows may look like. Pure: says the broken rule, or nothing. */
import type { ChunkRequest, CopyChunk } from "./connector.js";

/** Keys are bounded by their index; some compress well. */
const NEXT_CHARS_MAX = 256 * 1024;

export function chunkFault(chunk: CopyChunk, request: ChunkRequest): string | undefined {
  const { rows, hi, next } = chunk;
  const { name } = request.relation;
  if (rows.length > request.rowsMax) {
    return `a chunk of ${name} has ${rows.length} rows, asked for were ${request.rowsMax}`;
  }
  if (hi === "") return `a chunk of ${name} does not say its \`hi\``;
  if (next !== undefined && (next === request.after || next.length > NEXT_CHARS_MAX)) {
    return `\`next\` of a chunk of ${name} leads on, in at most ${NEXT_CHARS_MAX} characters`;
  }
  const identities = new Set<string>();
  for (const row of rows) {
    if (row.relation.name !== name) return `a chunk of ${name} has a row of ${row.relation.name}`;
    if (row.values.length !== row.relation.columns.length || row.values.includes(undefined)) {
      return `a row of a chunk of ${name} lacks a value`;
    }
    if (identities.has(row.identity)) return `a chunk of ${name} has a row twice`;
    identities.add(row.identity);
  }
  return undefined;
}
