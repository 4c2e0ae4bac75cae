/**
 * The seeds of a random test: 1 to `count`, or those that CHANGECAST_SEEDS lists (numbers, commas between).
 * CHANGECAST_SEEDS_MAX runs fewer of the fixed ones.
 */
export function chosenSeeds(count: number, more: readonly number[] = []): number[] {
  const given = (process.env["CHANGECAST_SEEDS"] ?? "").split(",").filter((text) => text !== "");
  if (given.length > 0) return given.map(Number);
  const most = Number(process.env["CHANGECAST_SEEDS_MAX"] ?? count);
  const length = Math.min(count, most);
  return [...Array.from({ length }, (_, at) => at + 1), ...more];
}
