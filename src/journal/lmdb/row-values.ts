/** The values of the derived tables (see lmdb-journal.ts for the tables). Varints as in byte-io.ts. */
import type { ChannelEntry } from "../../model/entry.js";
import { kinds, ops } from "../block-format.js";
import { ByteReader, ByteWriter, DamagedBytes } from "../byte-io.js";
import { feedIdOf } from "../document-key.js";
import type { DocId, FeedId } from "../document-key.js";
import type { HeadState } from "../head-state.js";
import type { RowKey } from "../row-key.js";
import type { ShownRow } from "./shown-rows.js";

/** A head as it is kept: the writer's part, and what retention did to the channel. */
export interface HeadRow extends HeadState {
  readonly floor: number;
  /** Bytes of `written` that are trimmed. */
  readonly trimmed: number;
  /** A row of the channel was deleted some day: only then its deletion may have to go when it comes back. */
  readonly hasDeletions: boolean;
}

/** A row of the channel index. */
export type IndexRow =
  | {
      readonly kind: "document";
      readonly place: IndexPlace;
      readonly op: ChannelEntry["op"];
      readonly id: DocId;
    }
  | { readonly kind: "entry"; readonly entry: ChannelEntry };

interface IndexPlace {
  readonly serial: number;
  readonly log: number;
  readonly index: number;
}

/** The op's number carries this bit where the row names a document instead of holding a body. */
const NAMES_DOCUMENT = 0x80;

/** The kind's number carries this bit where the channel has had deletions. */
const HAS_DELETIONS = 0x80;

const scratch = new ByteWriter(Buffer.allocUnsafeSlow(512));

/** A row that shows the document of this id, and holds no body of its own. Valid until the next is encoded. */
export function encodeShownRow({ op, log, index }: ShownRow, id: Buffer): Buffer {
  scratch.clear();
  scratch.u8(ops.indexOf(op) | NAMES_DOCUMENT);
  scratch.varint(log);
  scratch.varint(index);
  scratch.bytes(id);
  return scratch.view();
}

/** A row that holds its body. */
export function encodeEntryRow(entry: ChannelEntry): Buffer {
  scratch.clear();
  scratch.u8(ops.indexOf(entry.op));
  scratch.varint(entry.log);
  scratch.varint(entry.index);
  scratch.text(entry.table);
  scratch.varint(entry.schema);
  scratch.bytes(entry.body);
  return scratch.copy();
}

export function decodeIndexRow(serial: number, value: Buffer): IndexRow {
  const reader = new ByteReader(value);
  const code = reader.u8();
  const op = ops[code & ~NAMES_DOCUMENT];
  if (op === undefined) throw new DamagedBytes(`op ${code} of a row of a channel`);
  const place = { serial, log: reader.varint(), index: reader.varint() };
  if ((code & NAMES_DOCUMENT) !== 0) return { kind: "document", place, op, id: reader.text() };
  const entry = { ...place, op, table: reader.text(), schema: reader.varint() };
  return { kind: "entry", entry: { ...entry, body: reader.bytes() } };
}

/** A row that shows a document, read into the same object for one row after the other. */
export class ShownPlace {
  op: ChannelEntry["op"] = "i";
  log = 0;
  index = 0;

  /** False where the row holds its body instead. Sets `key` to the document's. Throws DamagedBytes. */
  read(value: Buffer, key: RowKey): boolean {
    const reader = new ByteReader(value);
    const code = reader.u8();
    if ((code & NAMES_DOCUMENT) === 0) return false;
    const op = ops[code & ~NAMES_DOCUMENT];
    if (op === undefined) throw new DamagedBytes(`op ${code} of a row of a channel`);
    this.op = op;
    this.log = reader.varint();
    this.index = reader.varint();
    const size = reader.varint();
    const from = reader.at;
    reader.pass(size);
    key.setIdBytes(value, from, from + size);
    return true;
  }
}

/** The log number of a row, without the rest. */
export function indexRowLog(value: Buffer): number {
  return new ByteReader(value, 1).varint();
}

export function encodeHead(head: HeadRow): Buffer {
  scratch.clear();
  scratch.u8(kinds.indexOf(head.kind) | (head.hasDeletions ? HAS_DELETIONS : 0));
  scratch.varint(head.epoch);
  scratch.varint(head.serial);
  scratch.varint(head.written);
  scratch.varint(head.floor);
  scratch.varint(head.trimmed);
  scratch.varint(head.feeds.size);
  for (const [feed, count] of head.feeds) {
    scratch.text(feed);
    scratch.varint(count);
  }
  return scratch.copy();
}

export function decodeHead(value: Buffer): HeadRow {
  const reader = new ByteReader(value);
  const code = reader.u8();
  const hasDeletions = (code & HAS_DELETIONS) !== 0;
  const kind = kinds[code & ~HAS_DELETIONS];
  if (kind === undefined) throw new DamagedBytes("the kind of a channel");
  const epoch = reader.varint();
  const serial = reader.varint();
  const written = reader.varint();
  const floor = reader.varint();
  const trimmed = reader.varint();
  const feeds = new Map<FeedId, number>();
  for (let left = reader.varint(); left > 0; left--) {
    const [rule = "", relation = "", table = ""] = reader.text().split("\0");
    feeds.set(feedIdOf(rule, relation, table), reader.varint());
  }
  return { kind, epoch, serial, written, floor, trimmed, hasDeletions, feeds };
}
