/**
 * An `_id` goes back to the server as it came. The driver would write some values otherwise than it read them:
 * `undefined` inside a document as null, a DBPointer as a document. But it lets an ObjectId write its own bytes.
 */
import { ObjectId } from "mongodb";
import { bsonType } from "./bson-layout.js";
import { elementOfId } from "./identity.js";

/** Never written. */
const NO_ID = "000000000000000000000000";

export class StoredId extends ObjectId {
  readonly #type: number;
  readonly #value: Uint8Array;

  /** Of a document, or of a `documentKey`. Its field is `_id` or a place in an array: names without the byte of the type. */
  constructor(document: Uint8Array) {
    super(NO_ID);
    const { bytes, type, at, end } = elementOfId(document);
    this.#type = type;
    this.#value = bytes.subarray(at, end);
  }

  /** The driver asks for the value, and has written the type and the name before it. */
  serializeInto(buffer: Uint8Array, index: number): number {
    let typeAt = index - 2;
    while (buffer[typeAt] !== bsonType.objectId) typeAt -= 1;
    buffer[typeAt] = this.#type;
    buffer.set(this.#value, index);
    return this.#value.length;
  }
}

/** `{_id: …}` of the document. */
export function keyOf(document: Uint8Array): Buffer {
  const { bytes, type, at, end } = elementOfId(document);
  const length = Buffer.alloc(4);
  const name = Buffer.from("_id\0");
  length.writeInt32LE(4 + 1 + name.length + (end - at) + 1);
  return Buffer.concat([...[length, Buffer.of(type), name, bytes.subarray(at, end), Buffer.of(0)]]);
}
