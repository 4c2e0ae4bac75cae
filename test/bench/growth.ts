/**
 * Whether a journal that is full of documents still takes changes as fast: updates from Postgres with more and
 * more documents in it. Nine of ten updates go to a tenth of the keys that is contiguous in key order; the same
 * with that tenth scattered, and with all keys alike, is reported without a mark.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { ratioOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { IngestWorld, itemValues } from "./ingest-world.js";

const MARK = 0.6;
const UPDATES_PER_TRANSACTION = 1_000;

/** Which row the update `n` changes, of `rows`: SQL over `random()`. */
const keys = {
  contiguous: (rows: number) => hot(rows, `floor(random() * ${String(rows / 10)})`),
  scattered: (rows: number) => hot(rows, `10 * floor(random() * ${String(rows / 10)})`),
  uniform: (rows: number) => `floor(random() * ${String(rows)})`,
} as const;

export const growth: Bench = { name: "growth", run: measure };

interface Grown {
  readonly rate: number;
  readonly rssAnonMb: number;
  readonly cpuUs: number;
  readonly diskBytes: number;
}

async function measure(isQuick: boolean): Promise<Figure> {
  const sizes = isQuick ? [10_000, 100_000] : [10_000, 1_000_000, 10_000_000];
  const updates = isQuick ? 40_000 : 200_000;
  const variants: Variant[] = [];
  let reference: Grown | undefined;
  let last: Grown | undefined;
  for (const rows of sizes) {
    const isLargest = rows === sizes.at(-1);
    const kinds = isLargest
      ? (["contiguous", "scattered", "uniform"] as const)
      : ["contiguous" as const];
    for (const [kind, grown] of await grow(rows, updates, kinds)) {
      reference ??= grown;
      if (kind === "contiguous") last = grown;
      const ratio = ratioOf(grown.rate, reference.rate);
      const name = `${String(rows)} documents, ${kind}, ${perDocument(grown, rows)} B of disk each, ${String(grown.rssAnonMb)} MB`;
      const told = { name, figure: grown.rate, reference: reference.rate, ratio };
      variants.push(kind === "contiguous" ? { ...told, mark: MARK } : told);
    }
  }
  const [figure, base] = [last?.rate ?? 0, reference?.rate ?? 0];
  const what = `the same with ${String(sizes[0])} documents`;
  return {
    ...{ bench: "growth", figure, unit: "updates/s", reference: { what, figure: base } },
    ...{ ratio: ratioOf(figure, base), variants },
    cpuUsPerItem: last?.cpuUs ?? 0,
    rssAnonMb: last?.rssAnonMb ?? 0,
    ...(isQuick
      ? { reduced: "100,000 documents at most instead of 10,000,000; 40,000 updates" }
      : {}),
  };
}

/** A journal with so many documents, which then takes the updates of each kind. */
async function grow<Kind extends keyof typeof keys>(
  rows: number,
  updates: number,
  kinds: readonly Kind[],
): Promise<(readonly [Kind, Grown])[]> {
  const world = await IngestWorld.open();
  try {
    await world.server.exec(
      `insert into items select i, ${itemValues} from generate_series(0, ${String(rows - 1)}) i`,
    );
    const ours = await world.program();
    const grown: (readonly [Kind, Grown])[] = [];
    for (const kind of kinds) {
      await world.server.exec(touches(keys[kind](rows), updates));
      // Else the database writes back what it was filled with while ours is measured.
      await world.server.exec("checkpoint");
      const reading = await world.ingest(ours, await world.head());
      grown.push([
        kind,
        {
          rate: Math.round(updates / reading.seconds),
          rssAnonMb: reading.rssAnonMb,
          cpuUs: Math.round((reading.cpuMs * 1_000) / updates),
          diskBytes: statSync(join(ours.program.folder, "journal", "derived.mdb")).size,
        },
      ]);
    }
    return grown;
  } finally {
    await world.close();
  }
}

function touches(key: string, updates: number): string {
  return `do $$ begin for batch in 1 .. ${String(updates / UPDATES_PER_TRANSACTION)} loop
      update items set quantity = quantity + 1 from (
        select distinct (${key})::bigint as id
          from generate_series(1, ${String(UPDATES_PER_TRANSACTION)})) as chosen
       where items.id = chosen.id;
      commit; end loop; end $$`;
}

/** Nine of ten go to the hot tenth. */
function hot(rows: number, tenth: string): string {
  return `case when random() < 0.9 then ${tenth} else floor(random() * ${String(rows)}) end`;
}

function perDocument({ diskBytes }: Grown, rows: number): string {
  return String(Math.round(diskBytes / rows));
}
