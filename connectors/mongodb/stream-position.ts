/**
 * Places in a change stream as texts whose order is the order of the stream:
 *
 *     <cluster time, 16 hex digits> - <resume token>      up to and with the change of this token
 *     <cluster time> - <token's beginning> ~ <ordinal>    the same, for a token that is too long, or whose
 *                                                         transaction is so large that its end was not known
 *     <cluster time> = <resume token>                     everything of this time and before it was shown
 *
 * A token is hexadecimal text in the server's own sort order; its time stands at its front (M-1). Without a
 * whole token reading goes on from the time (inclusive), and what was seen of that time is passed over.
 */
import { Timestamp } from "mongodb";

/** Positions have at most 1,024 characters; a token holds the whole `_id`. */
const TOKEN_CHARS_MAX = 900;
const TOKEN_BEGINNING_CHARS = 700;

const FORM = /^([0-9A-F]{16})([-=])([0-9A-F]*)(~[0-9]*)?$/;
const TOKEN = /^82([0-9A-F]{16})[0-9A-F]*$/i;
const TIME = /^(\d{1,10})[,:.](\d{1,10})$/;

/** Seconds and ordinal within the second, as 16 hex digits. */
export type ClusterTime = string;

export interface PlaceInStream {
  readonly time: ClusterTime;
  /** Every change of this time was shown. */
  readonly isTimeOver: boolean;
  /** Undefined where only the time is known. */
  readonly token: string | undefined;
}

export function placeOf(position: string): PlaceInStream {
  const found = FORM.exec(position);
  if (found === null) throw new RangeError(`not a position of a change stream: ${position}`);
  const [, time = "", kind, token = "", cut] = found;
  const isWhole = cut === undefined && token !== "";
  return { time, isTimeOver: kind === "=", token: isWhole ? token : undefined };
}

/** `ordinal` counts the changes of the time: it tells long tokens apart that begin alike. */
export function positionOfChange(time: ClusterTime, token: string, ordinal: number): string {
  if (token.length <= TOKEN_CHARS_MAX) return `${time}-${token}`;
  return `${time}-${token.slice(0, TOKEN_BEGINNING_CHARS)}~${String(ordinal).padStart(10, "0")}`;
}

/** Of a transaction whose end is not known yet: above its first change, which comes with the rest of it again. */
export function positionOfOpen(time: ClusterTime, firstToken: string): string {
  return `${time}-${firstToken.slice(0, TOKEN_BEGINNING_CHARS)}~`;
}

/** Nothing for us up to the token; `isTimeOver` where no change of its time can follow. */
export function positionOfIdle(token: string, isTimeOver: boolean): string {
  const time = timeOfToken(token);
  if (!isTimeOver) return positionOfChange(time, token, 0);
  return `${time}=${token.length <= TOKEN_CHARS_MAX ? token : ""}`;
}

/** What the stream has passed when it has shown all changes up to the time. */
export function positionThrough(time: ClusterTime): string {
  return `${time}=`;
}

export function timeOfToken(token: string): ClusterTime {
  const found = TOKEN.exec(token);
  if (found?.[1] === undefined) throw unknownToken();
  return found[1];
}

const KIND_OF_TOKEN = [0x38, 0x32] as const;

/** The time of the token whose text lies between `at` and `end`, as numbers. */
export function tokenTime(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly seconds: number; readonly increment: number } {
  const isKnown = bytes[at] === KIND_OF_TOKEN[0] && bytes[at + 1] === KIND_OF_TOKEN[1];
  if (!isKnown || end < at + 18) throw unknownToken();
  return { seconds: hexAt(bytes, at + 2), increment: hexAt(bytes, at + 10) };
}

/** Eight digits. */
function hexAt(bytes: Uint8Array, at: number): number {
  let number = 0;
  for (let digit = at; digit < at + 8; digit += 1) {
    const value = HEX_VALUES[bytes[digit] ?? 0] ?? -1;
    if (value < 0) throw unknownToken();
    number = number * 16 + value;
  }
  return number;
}

/** By character; −1 for what is no digit. */
const HEX_VALUES = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value += 1) {
  const text = value.toString(16);
  HEX_VALUES[text.charCodeAt(0)] = value;
  HEX_VALUES[text.toUpperCase().charCodeAt(0)] = value;
}

function unknownToken(): RangeError {
  return new RangeError("a resume token of a form that is not known");
}

export function timestampOf(time: ClusterTime): Timestamp {
  return new Timestamp({ t: secondsOf(time), i: Number.parseInt(time.slice(8), 16) });
}

export function timestampAfter(time: ClusterTime): Timestamp {
  return timestampOf(hexTime(BigInt(`0x${time}`) + 1n));
}

export function timeBefore(time: ClusterTime): ClusterTime {
  return hexTime(BigInt(`0x${time}`) - 1n);
}

export function timeOf(timestamp: Timestamp): ClusterTime {
  return hexTime((BigInt(timestamp.t) << 32n) | BigInt(timestamp.i));
}

export function hexTime(time: bigint): ClusterTime {
  return time.toString(16).toUpperCase().padStart(16, "0");
}

export function secondsOf(time: ClusterTime): number {
  return Number.parseInt(time.slice(0, 8), 16);
}

/** A position, a resume token, or a cluster time as `seconds,ordinal`; undefined if it is none of them. */
export function parsePosition(text: string): string | undefined {
  if (FORM.test(text)) return text;
  if (TOKEN.test(text)) return positionOfIdle(text.toUpperCase(), false);
  const [, seconds, ordinal] = TIME.exec(text) ?? [];
  if (seconds === undefined || ordinal === undefined) return undefined;
  const [high, low] = [BigInt(seconds), BigInt(ordinal)];
  return high >> 32n || low >> 32n ? undefined : positionThrough(hexTime((high << 32n) | low));
}
