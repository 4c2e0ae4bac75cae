/** How fast a backlog of Postgres becomes durable: slot, rules, journal; beside the stream read and counted alone. */
import { median, ratioOf } from "./figure.js";
import type { Bench, Figure } from "./figure.js";
import { IngestWorld, itemValues } from "./ingest-world.js";
import type { Reading } from "./ingest-world.js";

const ROWS_PER_TRANSACTION = 1_000;

interface Backlog {
  readonly rows: number;
  /** Before the slots are made. */
  prepare(world: IngestWorld): Promise<void>;
  /** Writes the backlog. */
  write(world: IngestWorld): Promise<void>;
}

export const ingest: Bench = {
  name: "ingest",
  run: async (isQuick) => {
    const rows = isQuick ? 100_000 : 500_000;
    const backlog = { rows, prepare: async () => undefined, write: inserted(rows) };
    const figure = await measure("ingest", backlog, isQuick);
    return isQuick ? { ...figure, reduced: "100,000 rows instead of 500,000, one round" } : figure;
  },
};

export const ingestSmall: Bench = {
  name: "ingest-small",
  run: async (isQuick) => {
    const rows = isQuick ? 20_000 : 100_000;
    const figure = await measure(
      "ingest-small",
      { rows, prepare: inserted(rows), write: updated(rows) },
      isQuick,
    );
    return isQuick
      ? { ...figure, reduced: "20,000 updates instead of 100,000, one round" }
      : figure;
  },
};

/** Reference and ours take turns. */
async function measure(name: string, backlog: Backlog, isQuick: boolean): Promise<Figure> {
  const rounds = isQuick ? 1 : 3;
  const world = await IngestWorld.open();
  try {
    await backlog.prepare(world);
    const readers = [];
    for (let round = 0; round < rounds; round += 1) {
      readers.push({ slot: await world.slot(), ours: await world.program() });
    }
    await backlog.write(world);
    const end = await world.head();
    const plain: Reading[] = [];
    const ours: Reading[] = [];
    for (const reader of readers) {
      plain.push(await world.count(reader.slot, backlog.rows));
      ours.push(await world.ingest(reader.ours, end));
    }
    return figureOf(name, backlog.rows, { ours, plain });
  } finally {
    await world.close();
  }
}

function figureOf(
  bench: string,
  rows: number,
  { ours, plain }: Readonly<Record<"ours" | "plain", readonly Reading[]>>,
): Figure {
  const rate = (readings: readonly Reading[]): number =>
    Math.round(median(readings.map(({ seconds }) => rows / seconds)));
  const figure = rate(ours);
  const what = "the same stream read and counted in Node";
  const reference = { what, figure: rate(plain) };
  return {
    ...{ bench, figure, unit: "rows/s", reference, ratio: ratioOf(figure, reference.figure) },
    cpuUsPerItem: Math.round((median(ours.map(({ cpuMs }) => cpuMs)) * 1_000) / rows),
    rssAnonMb: median(ours.map(({ rssAnonMb }) => rssAnonMb)),
  };
}

export function inserted(rows: number): (world: IngestWorld) => Promise<void> {
  return async ({ server }) => {
    // A procedure may commit between its statements; a script of one statement is not one transaction.
    await server.exec(`create or replace procedure fill(rows int) language plpgsql as $$
      begin for base in 0 .. rows - 1 by ${String(ROWS_PER_TRANSACTION)} loop
        insert into items select i, ${itemValues}
          from generate_series(base + 1, base + ${String(ROWS_PER_TRANSACTION)}) i;
        commit; end loop; end $$`);
    await server.exec(`call fill(${String(rows)})`);
  };
}

function updated(rows: number): (world: IngestWorld) => Promise<void> {
  return async ({ server }) => {
    await server.exec(`create or replace procedure touch(rows int) language plpgsql as $$
      begin for one in 1 .. rows loop
        update items set quantity = quantity + 1 where id = one;
        commit; end loop; end $$`);
    await server.exec(`call touch(${String(rows)})`);
  };
}
