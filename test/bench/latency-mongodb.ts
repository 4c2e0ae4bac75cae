/** How long a document takes from its acknowledged write to a client, beside the driver's own `watch()` on the same writes. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { ratioOf, type Bench, type Figure } from "./figure.js";
import { eventually, forked, MongodbBenchWorld } from "./mongodb-world.js";

const WRITES_PER_SECOND = 500;
/** What the median may take beyond the reference. */
const BEYOND_MS = 2;
/** Not measured: programs are slow until they are compiled. */
const WARM_WRITES = 2 * WRITES_PER_SECOND;

type Word = { readonly ready: true } | { readonly seen: readonly (readonly [number, number])[] };

export const latencyMongodb: Bench = {
  name: "latency-mongodb",
  run: async (isQuick) => {
    const seconds = isQuick ? 10 : 30;
    const figure = await measure(WARM_WRITES + seconds * WRITES_PER_SECOND);
    return isQuick ? { ...figure, reduced: "10 s instead of 30" } : figure;
  },
};

async function measure(documents: number): Promise<Figure> {
  const world = await MongodbBenchWorld.open();
  try {
    // Ours comes first: what the server has warmed up by then is the reference's gain.
    const program = await world.program();
    const ours = await latencies(world, { script: "mongodb-follower.js", url: program.url }, [
      0,
      documents,
    ]);
    await program.stop();
    const { url } = world.server;
    const plain = await latencies(world, { script: "mongodb-watcher.js", url }, [
      documents,
      documents,
    ]);
    const figure = percentile(ours, 0.5);
    const reference = {
      what: "p50 of watch() in Node, the same writes in its turn",
      figure: percentile(plain, 0.5),
    };
    const allowed = Number((reference.figure + BEYOND_MS).toFixed(2));
    const ratio = ratioOf(allowed, figure);
    const name = "p50 ms, of the reference's and two more";
    return {
      ...{ bench: "latency-mongodb", figure, unit: "ms", reference, ratio },
      ...{ p50: figure, p99: percentile(ours, 0.99) },
      variants: [{ name, figure, reference: allowed, ratio, mark: 1 }],
    };
  } finally {
    await world.close();
  }
}

/** Of one reader alone beside the writer: from each acknowledgement until the document was seen, sorted. */
async function latencies(
  { server }: MongodbBenchWorld,
  reader: { readonly script: string; readonly url: string },
  [first, count]: readonly [number, number],
): Promise<readonly number[]> {
  const children: ChildProcess[] = [];
  try {
    const watching = forked(reader.script, reader.url, String(count));
    children.push(watching);
    await once(watching, "message");
    const range = [String(first), String(count), String(WRITES_PER_SECOND)];
    const writing = forked("mongodb-writer.js", server.url, ...range);
    children.push(writing);
    const [written, seen] = await Promise.all([writing, watching].map(timesOf));
    await eventually("the end of the children", async () =>
      children.every(({ exitCode }) => exitCode !== null),
    );
    return between(written, seen, first + WARM_WRITES);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

async function timesOf(child: ChildProcess): Promise<ReadonlyMap<number, number>> {
  const [word] = (await once(child, "message")) as [Word];
  if (!("seen" in word)) throw new Error("a child of the bench told nothing");
  return new Map(word.seen);
}

/** A change can be seen before its writer hears of it. */
function between(
  written: ReadonlyMap<number, number> | undefined,
  seen: ReadonlyMap<number, number> | undefined,
  from: number,
): readonly number[] {
  const times: number[] = [];
  for (const [id, at] of written ?? []) {
    if (id < from) continue;
    const until = seen?.get(id);
    if (until === undefined) throw new Error(`the document ${String(id)} was never seen`);
    times.push(until - at);
  }
  return times.sort((a, b) => a - b);
}

function percentile(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2));
}
