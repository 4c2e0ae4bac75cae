/**
 * The bytes of a block, format 2. All numbers little-endian; `v` is a varint, `s` a text and `b` a byte
 * string, each with its length as `v` before it; `d` bytes with their length as u32.
 *
 *     crc u32 over all that follows · format u8 · kind u8 · log f64 · at f64 · index v · items …
 *
 * `log` is 0 and `index` the place of the first entry in its unit in a part of a huge unit, whose channels
 * say ordinals of the unit where a block says serials, and epoch 0. An item begins with its tag:
 *
 *     change      flags u8 · [rule name · relation name · identity s] · [document d]
 *                 · [left v · (channel · unresolved u8 · serial v)…]
 *                 · count v · (channel · op u8 · table name · schema v · [body b])…
 *     truncation  rule name · relation name · count v · (channel · table name · schema v)…
 *     gap         count v · (channel · table name · schema v)…
 *     counts      channel · written v · count v · (rule name · relation name · table name · documents v)…
 *     hiding      rule name · version v
 *     schema      TableSchema as JSON s
 *     position    source s · generation v · position s
 *     parked      documents v
 *     unit        id s · parts v                       (the commit of a huge unit)
 *     unitChannel name s · kind u8 · epoch v · from v · to v · written v · counts as above
 *
 * A `name` is a number `v`; the number after the last known one defines it, and its text `s` follows. A
 * `channel` likewise, with name s · kind u8 · epoch v · serial before the block v. An entry's serial is one
 * above the entry before it in its channel, its index one above the entry before it in the block. The body
 * of an entry whose op carries SHARED is the body of the change's document. `left` lists the places in `state`
 * channels that the document had before the change and has no more: a write-back need not look for them.
 * `unresolved` marks an ordinal of a huge unit.
 */
import type { Op } from "../model/entry.js";
import type { ChannelKind } from "../model/table.js";

export const BLOCK_FORMAT = 2;

export const BlockKind = { block: 0, part: 1, commit: 2 } as const;

export const ItemTag = {
  change: 1,
  truncation: 2,
  gap: 3,
  counts: 4,
  hiding: 5,
  schema: 6,
  position: 7,
  parked: 8,
  unit: 9,
  unitChannel: 10,
} as const;

export const ChangeFlag = { document: 1, state: 2, wasParked: 4, left: 8 } as const;

export const SHARED_BODY = 0x80;

/** Where the fields of the header stand. */
export const HeaderAt = { crc: 0, format: 4, kind: 5, log: 6, at: 14 } as const;

export const ops: readonly Op[] = ["i", "u", "d", "m", "t", "g"];

export const kinds: readonly ChannelKind[] = ["state", "events"];

/** Whether an entry with this op shows a row; otherwise its body, if any, is a key. */
export function showsRow(op: Op): boolean {
  return op === "i" || op === "u";
}
