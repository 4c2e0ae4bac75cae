/**
 * Decimal128 as text and as number (IEEE 754-2008, binary integer significand; BSON's "Decimal128" specification
 * for the text). One number has many encodings (1.0 and 1.00): the text tells them apart.
 */
export interface Decimal {
  readonly kind: "finite" | "infinite" | "nan";
  readonly isNegative: boolean;
  /** Of finite ones: value = significand × 10^exponent. */
  readonly significand: bigint;
  readonly exponent: number;
}

const EXPONENT_BIAS = 6176;
const SIGNIFICAND_MAX = 10n ** 34n - 1n;
/** The specification's bound for writing zeros instead of an exponent. */
const PLAIN_EXPONENT_MIN = -6;

const INFINITY_BITS = 0x7800_0000_0000_0000n;
const NAN_BITS = 0x7c00_0000_0000_0000n;
const SIGN_BIT = 0x8000_0000_0000_0000n;

/** `at` is where the 16 bytes begin. */
export function decimalAt(bytes: Buffer, at: number): Decimal {
  const low = bytes.readBigUInt64LE(at);
  const high = bytes.readBigUInt64LE(at + 8);
  const isNegative = high >> 63n === 1n;
  const special = Number((high >> 58n) & 0x1fn);
  const none = { isNegative, significand: 0n, exponent: 0 };
  if (special === 0x1e) return { kind: "infinite", ...none };
  if (special === 0x1f) return { kind: "nan", ...none };
  if (((high >> 61n) & 3n) === 3n) {
    // A significand that starts with binary 100 is beyond 34 digits: by the standard a zero.
    return { kind: "finite", ...none, exponent: Number((high >> 47n) & 0x3fffn) - EXPONENT_BIAS };
  }
  const significand = ((high & 0x1_ffff_ffff_ffffn) << 64n) | low;
  const exponent = Number((high >> 49n) & 0x3fffn) - EXPONENT_BIAS;
  const isZero = significand > SIGNIFICAND_MAX;
  return { kind: "finite", isNegative, significand: isZero ? 0n : significand, exponent };
}

/** The specification's text; undefined where the bytes hold more than it can tell (payloads, odd zeros). */
export function decimalText(bytes: Buffer, at: number): string | undefined {
  const decimal = decimalAt(bytes, at);
  const [low, high] = bitsOf(decimal);
  if (bytes.readBigUInt64LE(at) !== low || bytes.readBigUInt64LE(at + 8) !== high) return undefined;
  return textOf(decimal);
}

function bitsOf({ kind, isNegative, significand, exponent }: Decimal): readonly [bigint, bigint] {
  if (kind === "nan") return [0n, NAN_BITS];
  const sign = isNegative ? SIGN_BIT : 0n;
  if (kind === "infinite") return [0n, sign | INFINITY_BITS];
  const biased = BigInt(exponent + EXPONENT_BIAS);
  return [significand & 0xffff_ffff_ffff_ffffn, sign | (biased << 49n) | (significand >> 64n)];
}

function textOf({ kind, isNegative, significand, exponent }: Decimal): string {
  if (kind === "nan") return "NaN";
  const sign = isNegative ? "-" : "";
  if (kind === "infinite") return `${sign}Infinity`;
  const digits = significand.toString();
  const scientific = digits.length - 1 + exponent;
  if (exponent > 0 || scientific < PLAIN_EXPONENT_MIN) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const power = scientific < 0 ? String(scientific) : `+${String(scientific)}`;
    return `${sign}${digits.slice(0, 1)}${fraction}E${power}`;
  }
  if (exponent === 0) return sign + digits;
  const padded = digits.padStart(1 - exponent, "0");
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}
