/**
 * Writing and reading bytes: little-endian numbers, varints up to 2^53, text and byte strings with their
 * length before them. Knows no format; whoever reads past the end gets a DamagedBytes.
 */
import { assert } from "../base/assert.js";
import { bufferOf } from "../base/bytes.js";

const FIRST_BYTES = 4096;

/** Longest text whose UTF-8 form surely fits a one-byte length (three bytes per UTF-16 unit). */
const SHORT_TEXT_MAX = 42;

/** Below it a loop over ASCII is faster than a call out of JavaScript. */
const LOOP_TEXT_MAX = 24;

/** The bytes are not what their writer wrote. Callers turn it into an error that says where. */
export class DamagedBytes extends Error {
  override readonly name = "DamagedBytes";
}

export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  /** Begins in `memory`, which is the writer's from now on. */
  constructor(memory: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)) {
    this.#buffer = memory;
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** A whole number in [0, 2^53). */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, () => `not a varint: ${value}`);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  text(value: string): void {
    const { length } = value;
    if (length > SHORT_TEXT_MAX) {
      this.varint(Buffer.byteLength(value, "utf8"));
      this.raw(value);
      return;
    }
    this.#reserve(1 + 3 * SHORT_TEXT_MAX);
    const at = this.#length + 1;
    const size = this.#ascii(value, at) ? length : this.#buffer.write(value, at, "utf8");
    this.#buffer[this.#length] = size;
    this.#length = at + size;
  }

  /** Without a length before it. */
  raw(value: Uint8Array | string): void {
    if (typeof value === "string") {
      this.#reserve(value.length * 3);
      this.#length += this.#buffer.write(value, this.#length, "utf8");
      return;
    }
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** Room for a `u32` that is known later; where it stands. */
  gap32(): number {
    this.#reserve(4);
    this.#length += 4;
    return this.#length - 4;
  }

  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  bytes(value: Uint8Array | string): void {
    this.varint(typeof value === "string" ? Buffer.byteLength(value, "utf8") : value.length);
    this.raw(value);
  }

  /** Overwrites what stands at `at`. */
  patchF64(at: number, value: number): void {
    this.#buffer.writeDoubleLE(value, at);
  }

  /** What was written so far, in place: valid until the next write. */
  view(from = 0, to = this.#length): Buffer {
    return this.#buffer.subarray(from, to);
  }

  /** A copy without slack, that nothing shares. */
  copy(): Buffer {
    const made = Buffer.allocUnsafeSlow(this.#length);
    this.#buffer.copy(made, 0, 0, this.#length);
    return made;
  }

  /** What it has written in: whoever takes it lets go of the writer. */
  memory(): Buffer {
    return this.#buffer;
  }

  /** Begins again in the same memory. */
  clear(): void {
    this.#length = 0;
  }

  /** Whether the text was short and plain, and now stands at `at`. */
  #ascii(value: string, at: number): boolean {
    if (value.length > LOOP_TEXT_MAX) return false;
    const buffer = this.#buffer;
    for (let n = 0; n < value.length; n += 1) {
      const code = value.charCodeAt(n);
      if (code > 0x7f) return false;
      buffer[at + n] = code;
    }
    return true;
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

export class ByteReader {
  readonly #buffer: Buffer;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#buffer = bufferOf(bytes);
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get isDone(): boolean {
    return this.#at === this.#buffer.length;
  }

  u8(): number {
    const value = this.#buffer[this.#at];
    if (value === undefined) throw new DamagedBytes(`ends at byte ${this.#at}`);
    this.#at += 1;
    return value;
  }

  f64(): number {
    const from = this.#take(8);
    return this.#buffer.readDoubleLE(from);
  }

  u32(): number {
    const from = this.#take(4);
    return this.#buffer.readUInt32LE(from);
  }

  varint(): number {
    const first = this.#buffer[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new DamagedBytes(`no number at byte ${this.#at}`);
  }

  text(): string {
    const size = this.varint();
    const from = this.#take(size);
    return this.#buffer.toString("utf8", from, from + size);
  }

  /** Goes past a text or byte string. */
  skip(): void {
    this.#take(this.varint());
  }

  /** Goes past `size` bytes. */
  pass(size: number): void {
    this.#take(size);
  }

  /** What stands between two places. */
  slice(from: number, to: number): Buffer {
    return this.#buffer.subarray(from, to);
  }

  /** A view into the bytes that are read. */
  bytes(): Buffer {
    const size = this.varint();
    const from = this.#take(size);
    return this.#buffer.subarray(from, from + size);
  }

  #take(size: number): number {
    const from = this.#at;
    if (from + size > this.#buffer.length) throw new DamagedBytes(`ends inside byte ${from}`);
    this.#at = from + size;
    return from;
  }
}
