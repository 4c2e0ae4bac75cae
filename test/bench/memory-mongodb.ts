/**
 * What Changecast takes in memory while it copies a large collection, and while many changes a second follow for a
 * while; beside a smaller one under the same changes in the same run.
 */
import { pauseMs } from "./fan/time.js";
import { ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { eventually, MongodbBenchWorld } from "./mongodb-world.js";

const CHANGES_PER_SECOND = 10_000;
/** In each bulk of writes. */
const TICK_MS = 100;
const SAMPLE_MS = 50;

interface Memory {
  /** The most of anonymous memory that was seen, in MB. */
  readonly copying: number;
  readonly changing: number;
  readonly cpuMs: number;
  /** How far it was behind when the last change was written. */
  readonly behindMs: number;
}

export const memoryMongodb: Bench = {
  name: "memory-mongodb",
  run: async (isQuick) => {
    const [documents, seconds] = isQuick ? [200_000, 10] : [1_000_000, 60];
    const [few, briefly] = isQuick ? [50_000, 5] : [100_000, 10];
    const small = await measure(few, briefly);
    const large = await measure(documents, seconds);
    const figure = Math.max(large.copying, large.changing);
    const reference = Math.max(small.copying, small.changing);
    const told: Figure = {
      ...{ bench: "memory-mongodb", figure, unit: "MB of anonymous memory" },
      reference: {
        what: `MB with ${String(few)} documents and ${String(briefly)} s of changes`,
        figure: reference,
      },
      ratio: ratioOf(reference, figure),
      cpuUsPerItem: Math.round((large.cpuMs * 1_000) / (documents + seconds * CHANGES_PER_SECOND)),
      rssAnonMb: figure,
      variants: [
        variant("while it copies", large.copying, small.copying),
        variant(
          `under 10,000 changes/s, ${String(large.behindMs)} ms behind at their end`,
          large.changing,
          small.changing,
        ),
      ],
    };
    return isQuick
      ? { ...told, reduced: "200,000 documents and 10 s instead of 1,000,000 and 60 s" }
      : told;
  },
};

function variant(name: string, figure: number, reference: number): Variant {
  return { name, figure, reference, ratio: ratioOf(reference, figure) };
}

async function measure(documents: number, seconds: number): Promise<Memory> {
  const world = await MongodbBenchWorld.open();
  let peak = 0;
  let pid: number | undefined;
  const sampler = setInterval(() => {
    if (pid !== undefined) peak = Math.max(peak, usageOf(pid).rssAnonMb);
  }, SAMPLE_MS);
  try {
    await world.insert(documents);
    const program = await world.program((started) => (pid = started.pid));
    const copying = peak;
    peak = 0;
    const before = (await program.metric("changecast_entries_total")) ?? 0;
    const changes = seconds * CHANGES_PER_SECOND;
    await change(world, changes, documents);
    const writtenAt = performance.now();
    await eventually("the end of the changes", async () => {
      return ((await program.metric("changecast_entries_total")) ?? 0) >= before + changes;
    });
    const behindMs = Math.round(performance.now() - writtenAt);
    const { cpuMs } = usageOf(program.pid ?? 0);
    pid = undefined;
    await program.stop();
    return { copying, changing: peak, cpuMs, behindMs };
  } finally {
    clearInterval(sampler);
    await world.close();
  }
}

/** At a steady pace, over all documents in turn. */
async function change(world: MongodbBenchWorld, count: number, documents: number): Promise<void> {
  const each = (CHANGES_PER_SECOND * TICK_MS) / 1_000;
  const startedAt = performance.now();
  for (let from = 0; from < count; from += each) {
    const dueIn = startedAt + (from / each) * TICK_MS - performance.now();
    if (dueIn > 0) await pauseMs(dueIn);
    await world.change(from, each, documents);
  }
}
