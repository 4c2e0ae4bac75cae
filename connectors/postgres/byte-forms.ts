/**
 * From the bytes of a value's text straight to its JSON form, for the types that most columns have: the same
 * forms as value-forms.ts makes, without a text in between. Each returns where the form ends, or NO_FORM where
 * the value is one that the other way has to take.
 */

/** Where `to` bytes of text may stand between the two places; the form goes to `into` from `at` on. */
export type ByteForm = (text: ByteText, into: Buffer, at: number) => number;

export interface ByteText {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

export const NO_FORM = -1;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PLAIN = 0x20;
/** Up to here every whole number is a safe one, whatever its sign. */
const SAFE_DIGITS = 15;

/** Numbers whose text is their form. */
export const sameBytes: ByteForm = ({ bytes, from, to }, into, at) => {
  let end = at;
  for (let n = from; n < to; n += 1) into[end++] = bytes[n] ?? 0;
  return end;
};

export const int64Bytes: ByteForm = (text, into, at) => {
  return text.to - text.from > SAFE_DIGITS ? NO_FORM : sameBytes(text, into, at);
};

/** Texts without anything to escape. */
export const quotedBytes: ByteForm = ({ bytes, from, to }, into, at) => {
  into[at] = QUOTE;
  let end = at + 1;
  for (let n = from; n < to; n += 1) {
    const byte = bytes[n] ?? 0;
    if (byte < FIRST_PLAIN || byte === QUOTE || byte === BACKSLASH) return NO_FORM;
    into[end++] = byte;
  }
  into[end] = QUOTE;
  return end + 1;
};

export const boolBytes: ByteForm = ({ bytes, from, to }, into, at) => {
  if (to - from !== 1) return NO_FORM;
  return at + into.write(bytes[from] === 0x74 ? "true" : "false", at, "latin1");
};

/** `2024-01-02 03:04:05.123456+00`: neither another offset, nor a year before Christ or of five digits. */
export const timestamptzBytes: ByteForm = ({ bytes, from, to }, into, at) => {
  const zone = to - 3;
  const isPlain =
    bytes[from + 10] === 0x20 &&
    bytes[zone] === 0x2b &&
    bytes[zone + 1] === 0x30 &&
    bytes[zone + 2] === 0x30;
  if (!isPlain) return NO_FORM;
  const end = quotedBytes({ bytes, from, to: zone }, into, at);
  if (end === NO_FORM) return NO_FORM;
  into[at + 11] = 0x54;
  into[end - 1] = 0x5a;
  into[end] = QUOTE;
  return end + 1;
};
