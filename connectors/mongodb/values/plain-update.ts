/**
 * The usual `updateDescription`, in one pass over its bytes: whole fields are set or removed, and no path has a
 * dot, so that there is one reading. Any other is for update-forms.ts.
 */
import { ABSENT, type FieldPatch } from "../../../src/model/change.js";
import { bsonType, documentEnd, int32At, isNamed, nameEnd, valueEnd } from "./bson-layout.js";
import type { FieldNames } from "./field-names.js";
import type { UpdateForms } from "./forms.js";
import { formOf } from "./value-form.js";

const DOT = 0x2e;
const EMPTY_BYTES = 5;

const NO_PATCHES: ReadonlyMap<number, FieldPatch> = new Map();
const NOTHING_UNTOLD: readonly number[] = [];

interface Plain {
  readonly bytes: Buffer;
  readonly names: FieldNames;
  readonly values: (string | undefined)[];
}

/** Undefined where it is not a plain one. */
export function formsOfPlainUpdate(
  bytes: Buffer,
  start: number,
  names: FieldNames,
): UpdateForms | undefined {
  const plain = { bytes, names, values: new Array<string | undefined>(names.count) };
  plain.values.fill(undefined);
  const limit = documentEnd(bytes, start) - 1;
  for (let at = start + 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const end = nameEnd(bytes, at + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    const isList = type === bsonType.document || type === bsonType.array;
    if (isList && !takePart(plain, at + 1, end)) return undefined;
    at = next;
  }
  return { values: plain.values, patches: NO_PATCHES, untold: NOTHING_UNTOLD };
}

/** What it does not know (`truncatedArrays`, what servers add one day) is plain only where it is empty. */
function takePart(plain: Plain, from: number, end: number): boolean {
  const { bytes } = plain;
  if (isNamed(UPDATED_FIELDS, bytes, from, end)) return setFields(plain, end + 1);
  if (int32At(bytes, end + 1) === EMPTY_BYTES) return true;
  return isNamed(REMOVED_FIELDS, bytes, from, end) && removeFields(plain, end + 1);
}

const UPDATED_FIELDS = Buffer.from("updatedFields");
const REMOVED_FIELDS = Buffer.from("removedFields");

function setFields({ bytes, names, values }: Plain, start: number): boolean {
  const limit = documentEnd(bytes, start) - 1;
  for (let at = start + 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const end = nameEnd(bytes, at + 1);
    const next = valueEnd(bytes, type, end + 1, limit);
    if (hasDot(bytes, at + 1, end)) return false;
    const place = names.placeOf(bytes, at + 1, end);
    if (place >= 0) values[place] = formOf(bytes, type, end + 1);
    at = next;
  }
  return true;
}

function removeFields({ bytes, names, values }: Plain, start: number): boolean {
  const limit = documentEnd(bytes, start) - 1;
  for (let at = start + 4; at < limit;) {
    const type = bytes[at] ?? 0;
    const value = nameEnd(bytes, at + 1) + 1;
    const next = valueEnd(bytes, type, value, limit);
    if (type !== bsonType.string) return false;
    const [from, end] = [value + 4, next - 1];
    if (hasDot(bytes, from, end)) return false;
    const place = names.placeOf(bytes, from, end);
    if (place >= 0) values[place] = ABSENT;
    at = next;
  }
  return true;
}

function hasDot(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at += 1) if (bytes[at] === DOT) return true;
  return false;
}
