/** Durations and sizes as people write them in the YAML: "30d", "10m", "64MiB". */

const MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  TB: 1_000_000_000_000,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

export const DURATION_HELP = "a number and a unit of ms, s, m, h, d, e.g. 30d or 10m";
export const SIZE_HELP = "a number and a unit of B, KB, MB, GB, KiB, MiB, GiB, TiB, e.g. 64MiB";

/** Milliseconds; undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  return parseUnit(text, MS);
}

/** Bytes; undefined if it is no size. */
export function parseSize(text: string): number | undefined {
  return parseUnit(text, BYTES);
}

function parseUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const found = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text);
  const factor = Object.hasOwn(units, found?.[2] ?? "") ? units[found?.[2] ?? ""] : undefined;
  if (found === null || factor === undefined) return undefined;
  const value = Math.round(Number(found[1]) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}
