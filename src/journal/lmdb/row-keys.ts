/** The keys of the derived tables: texts in UTF-8, parted by NUL, numbers big-endian so that they sort. */
import { assert } from "../../base/assert.js";
import { keyText } from "../document-order.js";
import type { FeedId } from "../document-key.js";

const NUMBER_BYTES = 8;
const HIGH = 2 ** 32;

/** A log number or serial as eight bytes. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(NUMBER_BYTES);
  writeNumber(key, value, 0);
  return key;
}

export function readNumber(key: Buffer, at = 0): number {
  return key.readUInt32BE(at) * HIGH + key.readUInt32BE(at + 4);
}

export function textKey(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/** `channel NUL serial`. */
export function indexKey(channel: string, serial: number): Buffer {
  const key = Buffer.allocUnsafe(Buffer.byteLength(channel) + 1 + NUMBER_BYTES);
  const size = key.write(channel, 0, "utf8");
  key[size] = 0;
  writeNumber(key, serial, size + 1);
  return key;
}

/** The same key for another serial, in place. */
export function renumber(key: Buffer, serial: number): Buffer {
  writeNumber(key, serial, key.length - NUMBER_BYTES);
  return key;
}

export function indexSerial(key: Buffer): number {
  return readNumber(key, key.length - NUMBER_BYTES);
}

/** `channel NUL table NUL key`: where the serial of a row's deletion is kept. */
export function rowKey(channel: string, table: string, key: string): Buffer {
  return Buffer.concat([Buffer.from(`${channel}\0${table}\0`, "utf8"), keyText(key)]);
}

/** The same, of `table NUL key`. */
export function rowKeyOf(channel: string, row: string): Buffer {
  const end = row.indexOf("\0");
  return rowKey(channel, row.slice(0, end), row.slice(end + 1));
}

/** `channel NUL table 0x01`: the serial of the table's last truncation. */
export function truncationKey(channel: string, table: string): Buffer {
  return Buffer.from(`${channel}\0${table}\x01`, "utf8");
}

/** `log channel NUL serial`: tombstones by age. */
export function tombstoneKey(log: number, channel: string, serial: number): Buffer {
  return Buffer.concat([numberKey(log), indexKey(channel, serial)]);
}

export function readTombstoneKey(key: Buffer): { log: number; channel: string; serial: number } {
  const channelEnd = key.length - NUMBER_BYTES - 1;
  return {
    log: readNumber(key),
    channel: key.toString("utf8", NUMBER_BYTES, channelEnd),
    serial: indexSerial(key),
  };
}

/** `rule NUL relation NUL table NUL channel`. */
export function feedKey(feed: FeedId, channel: string): Buffer {
  return Buffer.from(`${feed}\0${channel}`, "utf8");
}

export function feedChannel(key: Buffer): string {
  const text = key.toString("utf8");
  return text.slice(text.lastIndexOf("\0") + 1);
}

/** `unit NUL` and the part's number. */
export function partKey(unit: string, part: number): Buffer {
  return indexKey(unit, part);
}

/** `unit NUL` and the row key of a document. */
export function pendingKey(unit: string, docKey: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${unit}\0`, "utf8"), docKey]);
}

/** The first key after all that begin with `prefix`. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  const byte = end[last];
  assert(byte !== undefined && byte < 0xff, "a prefix whose last byte can be counted up");
  end[last] = byte + 1;
  return end;
}

/** The next possible key. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

function writeNumber(key: Buffer, value: number, at: number): void {
  key.writeUInt32BE(Math.floor(value / HIGH), at);
  key.writeUInt32BE(value % HIGH, at + 4);
}
