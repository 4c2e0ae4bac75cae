/** How fast a backlog of MongoDB becomes durable: stream, rules, journal; beside raw batches that are only counted. */
import type { Timestamp } from "mongodb";
import { ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure } from "./figure.js";
import { eventually, MongodbBenchWorld, type Usage } from "./mongodb-world.js";

export const ingestMongodb: Bench = {
  name: "ingest-mongodb",
  run: async (isQuick) => {
    const documents = isQuick ? 50_000 : 300_000;
    const figure = await measure(documents);
    return isQuick
      ? { ...figure, reduced: "50,000 inserts and as many updates instead of 300,000" }
      : figure;
  },
};

async function measure(documents: number): Promise<Figure> {
  const world = await MongodbBenchWorld.open();
  try {
    const program = await world.program();
    await program.stop();
    const { operationTime } = await world.server.client.db("admin").command({ ping: 1 });
    const { t, i } = operationTime as Timestamp;
    await world.insert(documents);
    await world.update(documents);
    const changes = 2 * documents;
    const place = [String(t), String(i + 1), String(changes)];
    // The first reading warms the server's cache; the slower of the others is not taken.
    const plain: Usage[] = [];
    for (let round = 0; round < 2; round += 1) {
      plain.push(await world.counted("mongodb-counter.js", ...place));
    }
    const ours = await ingest(program, changes);
    const rate = ({ ms }: Pick<Usage, "ms">): number => Math.round((changes / ms) * 1_000);
    const figure = rate(ours);
    const reference = {
      what: "raw batches read and counted in Node",
      figure: Math.max(...plain.map(rate)),
    };
    return {
      ...{ bench: "ingest-mongodb", figure, unit: "changes/s", reference },
      ratio: ratioOf(figure, reference.figure),
      cpuUsPerItem: Number(((ours.cpuMs * 1_000) / changes).toFixed(1)),
      rssAnonMb: ours.rssAnonMb,
    };
  } finally {
    await world.close();
  }
}

/** From the opened stream until everything is durable. */
async function ingest(
  program: Awaited<ReturnType<MongodbBenchWorld["program"]>>,
  changes: number,
): Promise<Usage> {
  const logged = program.log.length;
  program.start();
  await eventually("the session", async () => program.log.slice(logged).includes("source.opened"));
  const pid = program.pid ?? 0;
  const before = usageOf(pid).cpuMs;
  const startedAt = performance.now();
  let rssAnonMb = 0;
  await eventually("the end of the backlog", async () => {
    rssAnonMb = Math.max(rssAnonMb, usageOf(pid).rssAnonMb);
    return ((await program.metric("changecast_entries_total")) ?? 0) >= changes;
  });
  const ms = performance.now() - startedAt;
  const { cpuMs } = usageOf(pid);
  await program.stop();
  return { ms, cpuMs: cpuMs - before, rssAnonMb };
}
