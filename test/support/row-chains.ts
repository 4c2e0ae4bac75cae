/**
 * Histories of one or two rows behind a chunk that was read and is on its way: what it shows under a key is then
 * not the row that stands there, or not the value that was changed since.
 */
import type { ScriptedSource, Write } from "../../connectors/scripted/scripted-source.js";
import type { SeededRandom } from "./seeded-random.js";

export interface ChainedRows {
  /** Its rows have one number as their key, `id`, and a text `note` of two characters or more. */
  readonly table: string;
  /** Numbers below it are keys that chains may use. */
  readonly keys: number;
}

/** Transactions; none where a chain finds no rows. */
export function rowChain(
  source: ScriptedSource,
  random: SeededRandom,
  { table, keys }: ChainedRows,
): Write[][] {
  const there = (source.table(table)?.rows() ?? []).map(({ values }) => Number(values[0]));
  const usable = there.filter((id) => id < keys);
  const one = random.pick(usable);
  const other = random.pick(usable.filter((id) => id !== one));
  const all = Array.from({ length: keys }, (_, id) => id);
  const free = random.pick(all.filter((id) => !there.includes(id)));
  if (one === undefined || other === undefined || free === undefined) return [];

  const move = (from: number, to: number): Write => ({
    ...{ update: table, key: [from], set: { id: to } },
  });
  const put = (id: number): Write => {
    const set = { column: "note", at: random.below(2), char: String(random.below(10)) };
    return { patch: table, key: [id], set };
  };
  const tell: Write = { update: table, key: [one], set: { note: `c${random.below(1_000)}c` } };
  const chains: readonly (readonly Write[])[] = [
    [{ delete: table, key: [other] }, move(one, other), put(other)],
    [move(one, free), move(other, one), move(free, other)],
    [move(one, free), put(free), move(free, one), put(one)],
    [put(one), tell, put(one)],
  ];
  const transactions: Write[][] = [];
  for (const write of random.pick(chains) ?? []) {
    if (transactions.length === 0 || random.below(2) === 0) transactions.push([]);
    transactions.at(-1)?.push(write);
  }
  return transactions;
}
