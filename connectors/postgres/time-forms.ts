/** From Postgres' texts of times (DateStyle ISO, IntervalStyle postgres) to ISO 8601. */

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

/** `1 year 2 mons -3 days +04:05:06.789` → `P1Y2M-3DT4H5M6.789S`. */
export function intervalForm(text: string): string {
  if (text.includes("infinity")) return `"${text}"`;
  const part = (unit: string): string | undefined => new RegExp(`(-?\\d+) ${unit}`).exec(text)?.[1];
  const years = part("year");
  const months = part("mon");
  const days = part("day");
  let date = "";
  if (years !== undefined) date += `${years}Y`;
  if (months !== undefined) date += `${months}M`;
  if (days !== undefined) date += `${days}D`;
  const clock = /([+-]?)(\d+):(\d+):(\d+)(\.\d+)?$/.exec(text);
  const time = clock === null ? "" : clockForm(clock);
  if (date === "" && time === "") return '"PT0S"';
  return `"P${date}${time === "" ? "" : `T${time}`}"`;
}

function clockForm([, sign, hours, minutes, seconds, fraction]: RegExpExecArray): string {
  const minus = sign === "-" ? "-" : "";
  let text = "";
  if (Number(hours) !== 0) text += `${minus}${Number(hours)}H`;
  if (Number(minutes) !== 0) text += `${minus}${Number(minutes)}M`;
  if (Number(seconds) !== 0 || fraction !== undefined) {
    text += `${minus}${Number(seconds)}${fraction ?? ""}S`;
  }
  return text;
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
  if (/[+-]00(:00)?$/.test(text)) return text.replace(/[+-]00(:00)?$/, "Z");
  return /[+-]\d\d$/.test(text) ? `${text}:00` : text;
}
