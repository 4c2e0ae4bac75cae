/**
 * Milliseconds since 1970 as `Date.toISOString` writes them, for years of four digits. Dates of one collection lie
 * close together: the day is looked up in the calendar once for all that follow on it.
 */

const DAY_MS = 86_400_000;

const TWO_DIGITS = Array.from({ length: 100 }, (_, each) => String(each).padStart(2, "0"));
const MILLISECONDS = Array.from(
  { length: 1000 },
  (_, each) => `.${String(each).padStart(3, "0")}Z`,
);

let knownDay = 0;
let knownText = "1970-01-01T";

export function isoText(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== knownDay) {
    knownText = new Date(day * DAY_MS).toISOString().slice(0, 11);
    knownDay = day;
  }
  const rest = ms - day * DAY_MS;
  const seconds = Math.floor(rest / 1000);
  const minutes = Math.floor(seconds / 60);
  const hour = TWO_DIGITS[Math.floor(minutes / 60)] ?? "";
  const minute = TWO_DIGITS[minutes % 60] ?? "";
  const second = TWO_DIGITS[seconds % 60] ?? "";
  return `${knownText}${hour}:${minute}:${second}${MILLISECONDS[rest % 1000] ?? ""}`;
}
