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

/** A failure names its seed, and the command that repeats it. `file`: of the test. */
export async function ofSeed(file: string, seed: number, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const again = `CHANGECAST_SEEDS=${String(seed)} npm test -- ${file}`;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${String(seed)}, again with: ${again}\n${reason}`, { cause: error });
  }
}
