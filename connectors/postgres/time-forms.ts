/** From Postgres' texts of times (DateStyle ISO, IntervalStyle iso_8601) to ISO 8601. */

const BEFORE_CHRIST = " BC";

export function dateForm(text: string): string {
  return `"${astronomical(text)}"`;
}

/** `2024-01-02 03:04:05.123456`, also with ` BC` behind. */
export function timestampForm(text: string): string {
  return `"${astronomical(text).replace(" ", "T")}"`;
}

/** As `timestamp` with an offset; ours is UTC, written Z. */
export function timestamptzForm(text: string): string {
  return `"${isoOffset(astronomical(text).replace(" ", "T"))}"`;
}

export function timetzForm(text: string): string {
  return `"${isoOffset(text)}"`;
}

/** The session prints ISO 8601 durations: `P1Y2M-3DT4H5M6.789S`. */
export function intervalForm(text: string): string {
  return `"${text}"`;
}

/** ISO 8601 counts years with a year 0: 1 BC is 0000, 44 BC is -0043. */
function astronomical(text: string): string {
  if (!text.endsWith(BEFORE_CHRIST)) return text;
  const plain = text.slice(0, -BEFORE_CHRIST.length);
  const end = plain.indexOf("-");
  const year = Number(plain.slice(0, end)) - 1;
  const digits = String(year).padStart(4, "0");
  return `${year === 0 ? "" : "-"}${digits}${plain.slice(end)}`;
}

/** `+00` → Z, `+05` → +05:00; others stay. */
function isoOffset(text: string): string {
  // Nearly all: the session's time zone is UTC.
  if (text.endsWith("+00")) return `${text.slice(0, -3)}Z`;
  if (/[+-]00(:00)?$/.test(text)) return text.replace(/[+-]00(:00)?$/, "Z");
  return /[+-]\d\d$/.test(text) ? `${text}:00` : text;
}
