/**
 * 10,000 sessions are cut at once and come back at once with their places, having missed 50 messages; beside as many
 * plain `ws` sockets that only reconnect. A bystander has a message every 20 ms meanwhile. The process that serves them has a
 * journal and no database at all.
 */
import { lowest, median, ratioOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import type { FarProcess } from "./fan/far-process.js";
import { onStand } from "./fan/stand.js";
import type { Side, Stand } from "./fan/stand.js";
import { pauseMs, sharedNow } from "./fan/time.js";

const CLIENTS = 10_000;
const MISSED = 50;
const BYSTANDER_RATE = 50;
const BYSTANDER_MS_MAX = 100;
const CAUGHT_UP = 0.95;
/** For so long the bystander is watched from the storm's beginning. */
const BYSTANDER_S = 3;

interface Storm {
  /** Milliseconds until 95 % were back and held everything. */
  readonly backMs: number;
  readonly bystanderP99: number;
  readonly bystanderP50: number;
  readonly cpuUs: number;
  readonly rssAnonMb: number;
}

export const storm: Bench = {
  name: "storm",
  run: async (isQuick) => {
    const rounds = isQuick ? 2 : 5;
    const plain = await measure("plain", rounds);
    const ours = await measure("ours", rounds);
    const figure = figureOf(ours, plain);
    return isQuick ? { ...figure, reduced: "two rounds instead of five" } : figure;
  },
};

async function measure(side: Side, rounds: number): Promise<Storm> {
  return onStand({ side, clients: CLIENTS, owners: 1 }, async (stand) => {
    const bystander = await stand.addCrowd({ count: 1, first: 0, has: "own" });
    for (let half = 0; half < 2; half += 1) {
      await stand.addCrowd({ count: CLIENTS / 2, first: 0, has: "shared" });
    }
    const storms: Storm[] = [];
    for (let round = 0; round < rounds; round += 1) storms.push(await strike(stand, bystander));
    const middle = (name: keyof Storm): number => median(storms.map((one) => one[name]));
    return {
      backMs: middle("backMs"),
      bystanderP50: middle("bystanderP50"),
      bystanderP99: middle("bystanderP99"),
      cpuUs: middle("cpuUs"),
      rssAnonMb: middle("rssAnonMb"),
    };
  });
}

async function strike(stand: Stand, bystander: FarProcess): Promise<Storm> {
  const crowds = stand.crowds.filter((crowd) => crowd !== bystander);
  await Promise.all(crowds.map((crowd) => crowd.ask("cut")));
  await stand.publish({ shared: MISSED * 2, own: 0, seconds: 0.5 });
  await pauseMs(1_000);
  await bystander.ask("watch");
  const before = stand.server.usage().cpuMs;
  const byTheWay = stand.publish({ shared: 0, own: BYSTANDER_RATE, seconds: BYSTANDER_S });
  const startedAt = sharedNow();
  const back = (await Promise.all(crowds.map((one) => one.ask<number[]>("reopen")))).flat();
  const { cpuMs, rssAnonMb } = stand.server.usage();
  await byTheWay;
  await stand.settled(stand.crowds.slice(0, 1));
  const { own } = await stand.latencies([bystander]);
  const sorted = back.map((at) => at - startedAt).sort((a, b) => a - b);
  const backMs = Math.round(sorted[Math.floor(sorted.length * CAUGHT_UP)] ?? 0);
  const [bystanderP50, bystanderP99] = [own.at(0.5), own.at(0.99)];
  const cpuUs = Math.round(((cpuMs - before) * 1_000) / CLIENTS);
  process.stderr.write(
    `  95 % back in ${String(backMs)} ms, ${String(cpuUs)} µs of CPU each; ` +
      `bystander p50 ${String(bystanderP50)} p99 ${String(bystanderP99)} ms\n`,
  );
  return { backMs, bystanderP50, bystanderP99, cpuUs, rssAnonMb };
}

function figureOf(ours: Storm, plain: Storm): Figure {
  const variants: Variant[] = [
    {
      name: "ms until 95 % are back and hold everything",
      figure: ours.backMs,
      reference: plain.backMs,
      ratio: ratioOf(plain.backMs, ours.backMs),
      mark: 0.714,
    },
    {
      name: "a bystander's p99 in ms, of those allowed",
      figure: ours.bystanderP99,
      reference: BYSTANDER_MS_MAX,
      ratio: ratioOf(BYSTANDER_MS_MAX, ours.bystanderP99),
      mark: 1,
    },
    {
      name: "µs of CPU a session of the server",
      figure: ours.cpuUs,
      reference: plain.cpuUs,
      ratio: ratioOf(plain.cpuUs, ours.cpuUs),
    },
  ];
  return {
    ...{ bench: "storm", figure: ours.backMs, unit: "ms" },
    reference: { what: "bare reconnect of as many ws sockets", figure: plain.backMs },
    ratio: lowest(variants).ratio,
    ...{ p50: ours.bystanderP50, p99: ours.bystanderP99 },
    cpuUsPerItem: ours.cpuUs,
    rssAnonMb: ours.rssAnonMb,
    variants,
  };
}
