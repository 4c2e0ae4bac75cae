/** How long a document takes from its acknowledged write to a client, beside the driver's own `watch()` on the same writes. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { ratioOf, type Bench, type Figure } from "./figure.js";
import { eventually, forked, MongodbBenchWorld } from "./mongodb-world.js";

const WRITES_PER_SECOND = 500;
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
  const children: ChildProcess[] = [];
  try {
    const program = await world.program();
    const { url } = world.server;
    const count = String(documents);
    const watcher = forked("mongodb-watcher.js", url, count);
    const follower = forked("mongodb-follower.js", program.url, count);
    children.push(watcher, follower);
    await Promise.all([once(watcher, "message"), once(follower, "message")]);
    const writer = forked("mongodb-writer.js", url, count, String(WRITES_PER_SECOND));
    children.push(writer);
    const [written, watched, followed] = await Promise.all(
      [writer, watcher, follower].map(timesOf),
    );
    await eventually("the end of the children", async () =>
      children.every(({ exitCode }) => exitCode !== null),
    );
    const ours = latencies(written, followed);
    const plain = latencies(written, watched);
    const figure = percentile(ours, 0.5);
    const reference = {
      what: "p50 of watch() in Node, same writes",
      figure: percentile(plain, 0.5),
    };
    return {
      ...{ bench: "latency-mongodb", figure, unit: "ms", reference },
      ratio: ratioOf(reference.figure, figure),
      ...{ p50: figure, p99: percentile(ours, 0.99) },
    };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await world.close();
  }
}

async function timesOf(child: ChildProcess): Promise<ReadonlyMap<number, number>> {
  const [word] = (await once(child, "message")) as [Word];
  if (!("seen" in word)) throw new Error("a child of the bench told nothing");
  return new Map(word.seen);
}

/** A change can be seen before its writer hears of it. */
function latencies(
  written: ReadonlyMap<number, number> | undefined,
  seen: ReadonlyMap<number, number> | undefined,
): number[] {
  const times: number[] = [];
  for (const [id, at] of written ?? []) {
    if (id < WARM_WRITES) continue;
    const until = seen?.get(id);
    if (until === undefined) throw new Error(`the document ${String(id)} was never seen`);
    times.push(until - at);
  }
  return times.sort((a, b) => a - b);
}

function percentile(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2));
}
