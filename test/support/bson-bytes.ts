/** BSON written by hand, byte by byte: values that a library would refuse, or would alter. */

/** A type and the bytes of a value. */
export interface RawValue {
  readonly type: number;
  readonly bytes: Buffer;
}

export type RawField = readonly [name: string | Buffer, value: RawValue];

export function rawDocument(fields: readonly RawField[]): Buffer {
  const parts = fields.map(([name, { type, bytes }]) =>
    Buffer.concat([Buffer.of(type), Buffer.from(name), Buffer.of(0), bytes]),
  );
  const body = Buffer.concat(parts);
  return Buffer.concat([int32Bytes(body.length + 5), body, Buffer.of(0)]);
}

export function rawArray(items: readonly RawValue[]): Buffer {
  return rawDocument(items.map((item, index) => [String(index), item]));
}

export const raw = {
  double: (value: number): RawValue => ({ type: 0x01, bytes: doubleBytes(value) }),
  text: (value: string | Buffer): RawValue => ({ type: 0x02, bytes: textBytes(value) }),
  document: (fields: readonly RawField[]): RawValue => ({ type: 0x03, bytes: rawDocument(fields) }),
  array: (items: readonly RawValue[]): RawValue => ({ type: 0x04, bytes: rawArray(items) }),
  binary: (bytes: Buffer, subType: number): RawValue => ({
    type: 0x05,
    bytes: Buffer.concat([int32Bytes(bytes.length), Buffer.of(subType), bytes]),
  }),
  undefined: { type: 0x06, bytes: Buffer.alloc(0) },
  objectId: (hex: string): RawValue => ({ type: 0x07, bytes: Buffer.from(hex, "hex") }),
  bool: (value: boolean): RawValue => ({ type: 0x08, bytes: Buffer.of(value ? 1 : 0) }),
  date: (ms: bigint): RawValue => ({ type: 0x09, bytes: int64Bytes(ms) }),
  null: { type: 0x0a, bytes: Buffer.alloc(0) },
  regex: (pattern: string, options: string): RawValue => ({
    type: 0x0b,
    bytes: Buffer.from(`${pattern}\0${options}\0`),
  }),
  dbPointer: (name: string, hex: string): RawValue => ({
    type: 0x0c,
    bytes: Buffer.concat([textBytes(name), Buffer.from(hex, "hex")]),
  }),
  code: (text: string): RawValue => ({ type: 0x0d, bytes: textBytes(text) }),
  symbol: (text: string): RawValue => ({ type: 0x0e, bytes: textBytes(text) }),
  codeWithScope: (text: string, scope: readonly RawField[]): RawValue => {
    const body = Buffer.concat([textBytes(text), rawDocument(scope)]);
    return { type: 0x0f, bytes: Buffer.concat([int32Bytes(body.length + 4), body]) };
  },
  int32: (value: number): RawValue => ({ type: 0x10, bytes: int32Bytes(value) }),
  timestamp: (seconds: number, increment: number): RawValue => ({
    type: 0x11,
    bytes: int64Bytes(BigInt.asIntN(64, (BigInt(seconds) << 32n) | BigInt(increment))),
  }),
  int64: (value: bigint): RawValue => ({ type: 0x12, bytes: int64Bytes(value) }),
  /** The 16 bytes as one number in hexadecimal, its highest digit first. */
  decimal128: (hex: string): RawValue => ({ type: 0x13, bytes: Buffer.from(hex, "hex").reverse() }),
  minKey: { type: 0xff, bytes: Buffer.alloc(0) },
  maxKey: { type: 0x7f, bytes: Buffer.alloc(0) },
} as const;

export function int32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

export function int64Bytes(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

export function doubleBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function textBytes(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([int32Bytes(bytes.length + 1), bytes, Buffer.of(0)]);
}
