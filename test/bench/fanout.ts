/**
 * One channel for everybody: deliveries a second where it saturates, a burst, and CPU at a gentle rate; beside a minimal
 * `ws` server that writes the same pre-framed bytes with adaptive flush.
 */
import { lowest, median, ratioOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { onStand } from "./fan/stand.js";
import type { Loaded, Side, Stand } from "./fan/stand.js";
import type { Spread } from "./fan/spread.js";
import { pauseMs } from "./fan/time.js";

interface Sizes {
  readonly clients: number;
  readonly rates: readonly number[];
  readonly seconds: number;
  readonly burstClients: number;
  readonly bursts: number;
  readonly gentleSeconds: number;
}

const full: Sizes = {
  clients: 5_000,
  rates: [400, 600, 800, 1_000, 1_200, 1_600, 2_000, 2_600],
  seconds: 3,
  burstClients: 10_000,
  bursts: 3,
  gentleSeconds: 10,
};
const quick: Sizes = {
  ...full,
  rates: [600, 1_000, 1_600, 2_400],
  seconds: 1,
  bursts: 1,
  gentleSeconds: 2,
};

const GENTLE_RATE = 50;
const BURST_RATE = 100;

interface Measured {
  /** Deliveries a second. */
  readonly sustained: number;
  /** Server CPU, µs a delivery, at the highest rate and at the gentle one. */
  readonly cpuUs: number;
  readonly gentleCpuUs: number;
  readonly burst: { readonly p50: number; readonly p99: number };
  readonly rssAnonMb: number;
}

export const fanout: Bench = {
  name: "fanout",
  run: async (isQuick) => {
    const sizes = isQuick ? quick : full;
    const plain = await measure("plain", sizes);
    const ours = await measure("ours", sizes);
    const figure = figureOf(ours, plain);
    const reduced =
      "four rates of 1 s instead of eight of 3 s, one burst instead of three, 2 s at 50/s instead of 10 s";
    return isQuick ? { ...figure, reduced } : figure;
  },
};

async function measure(side: Side, sizes: Sizes): Promise<Measured> {
  const { clients, rates, seconds, burstClients, bursts, gentleSeconds } = sizes;
  const steady = await onStand({ side, clients, crowds: 2 }, async (stand) => {
    await stand.fill();
    const gentle = await loaded(stand, GENTLE_RATE, gentleSeconds);
    let best = { sustained: 0, cpuUs: 0 };
    for (const rate of rates) {
      const done = await loaded(stand, rate, seconds);
      const deliveries = done.shared.count;
      const sustained = Math.round(deliveries / done.seconds);
      if (sustained > best.sustained) best = { sustained, cpuUs: cpuUsOf(done) };
    }
    const { rssAnonMb } = stand.server.usage();
    return { ...best, gentleCpuUs: cpuUsOf(gentle), rssAnonMb };
  });
  const burst = await onStand({ side, clients: burstClients, crowds: 2 }, async (stand) => {
    await stand.fill();
    const spreads: Spread[] = [];
    for (let nth = 0; nth < bursts; nth += 1) {
      spreads.push((await loaded(stand, BURST_RATE, 1)).shared);
    }
    const middle = (part: number): number => median(spreads.map((spread) => spread.at(part)));
    return { p50: middle(0.5), p99: middle(0.99) };
  });
  return { ...steady, burst };
}

async function loaded(stand: Stand, shared: number, seconds: number): Promise<Loaded> {
  await pauseMs(300);
  const done = await stand.load({ shared, own: 0, seconds });
  const crowdShare = done.crowdCpuMs / done.seconds / 10;
  process.stderr.write(
    `  ${String(shared)}/s: ${String(Math.round(done.shared.count / done.seconds))} deliveries/s, ` +
      `p50 ${String(done.shared.at(0.5))} p99 ${String(done.shared.at(0.99))} ms, ` +
      `server ${String(Math.round(done.serverCpuMs / done.seconds / 10))} %, ` +
      `crowds ${String(Math.round(crowdShare))} % of a core\n`,
  );
  return done;
}

function cpuUsOf({ serverCpuMs, shared }: Loaded): number {
  return Number(((serverCpuMs * 1_000) / shared.count).toFixed(2));
}

function figureOf(ours: Measured, plain: Measured): Figure {
  const burst = (at: "p50" | "p99"): Variant => {
    const [figure, reference] = [ours.burst[at], plain.burst[at]];
    const name = `${at} ms of 100 messages to 10,000 in a second`;
    return { name, figure, reference, ratio: ratioOf(reference, figure), mark: 0.87 };
  };
  const variants: Variant[] = [
    {
      name: "deliveries/s",
      figure: ours.sustained,
      reference: plain.sustained,
      ratio: ratioOf(ours.sustained, plain.sustained),
      mark: 0.8,
    },
    burst("p50"),
    burst("p99"),
    {
      name: "µs of CPU a delivery at 50 messages/s",
      figure: ours.gentleCpuUs,
      reference: plain.gentleCpuUs,
      ratio: ratioOf(plain.gentleCpuUs, ours.gentleCpuUs),
    },
  ];
  const what = "a minimal ws server writing the same pre-framed bytes with adaptive flush";
  return {
    ...{ bench: "fanout", figure: ours.sustained, unit: "deliveries/s" },
    reference: { what, figure: plain.sustained },
    ratio: lowest(variants).ratio,
    ...ours.burst,
    cpuUsPerItem: ours.cpuUs,
    rssAnonMb: ours.rssAnonMb,
    variants,
  };
}
