/**
 * Places in the write-ahead log. A position outside this connector is the place as 16 hexadecimal digits,
 * so that text order is log order. Position p means what a slot's confirmed_flush_lsn means: every
 * commit that is written below p has been seen, none at or above it.
 */

const POSTGRES_FORM = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;
const POSITION_FORM = /^[0-9A-Fa-f]{16}$/;

/** `16/B374D848` as Postgres prints it. */
export function parseLsn(text: string): bigint {
  const found = POSTGRES_FORM.exec(text);
  if (found === null) throw new RangeError(`not a WAL position: ${text}`);
  return (BigInt(`0x${found[1] ?? ""}`) << 32n) | BigInt(`0x${found[2] ?? ""}`);
}

export function lsnText(lsn: bigint): string {
  const high = (lsn >> 32n).toString(16).toUpperCase();
  return `${high}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

export function positionOf(lsn: bigint): string {
  return lsn.toString(16).toUpperCase().padStart(16, "0");
}

export function lsnOf(position: string): bigint {
  return BigInt(`0x${position}`);
}

/** What people write, in either form; undefined if it is neither. */
export function parsePosition(text: string): string | undefined {
  if (POSITION_FORM.test(text)) return text.toUpperCase();
  return POSTGRES_FORM.test(text) ? positionOf(parseLsn(text)) : undefined;
}

/** Just behind a commit that is written at `commitLsn`: above it, and at or below everything after it. */
export function positionAfter(commitLsn: bigint): string {
  return positionOf(commitLsn + 1n);
}
