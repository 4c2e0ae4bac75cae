/**
 * 5,000 sessions with a channel of their own each and a shared one: what a broadcast to everybody does to those who only
 * wait for their own message; beside the same load in plain `ws`.
 */
import { lowest, ratioOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { onStand } from "./fan/stand.js";
import type { Loaded, Side } from "./fan/stand.js";
import { pauseMs } from "./fan/time.js";

const CLIENTS = 5_000;
const OWN_RATE = 5_000;
const SHARED_RATE = 5;

export const channels: Bench = {
  name: "channels",
  run: async (isQuick) => {
    const seconds = isQuick ? 5 : 20;
    const plain = await measure("plain", seconds);
    const ours = await measure("ours", seconds);
    const figure = figureOf(ours, plain);
    return isQuick ? { ...figure, reduced: "5 s instead of 20 s" } : figure;
  },
};

interface Measured extends Loaded {
  readonly rssAnonMb: number;
}

async function measure(side: Side, seconds: number): Promise<Measured> {
  return onStand({ side, clients: CLIENTS, owners: CLIENTS, crowds: 2 }, async (stand) => {
    await stand.fill();
    // What is compiled and what is grown for it is there when it counts.
    await stand.load({ shared: SHARED_RATE, own: OWN_RATE, seconds: 1 });
    await pauseMs(500);
    const loaded = await stand.load({ shared: SHARED_RATE, own: OWN_RATE, seconds });
    const text = (name: "own" | "shared"): string =>
      `${name} p50 ${String(loaded[name].at(0.5))} p99 ${String(loaded[name].at(0.99))} ms`;
    const share = Math.round(loaded.crowdCpuMs / loaded.seconds / 10);
    process.stderr.write(
      `  ${side}: ${text("own")}, ${text("shared")}, crowds ${String(share)} % of a core\n`,
    );
    return { ...loaded, rssAnonMb: stand.server.usage().rssAnonMb };
  });
}

function figureOf(ours: Measured, plain: Measured): Figure {
  const variantOf = (name: "own" | "shared", part: number, mark?: number): Variant => {
    const [figure, reference] = [ours[name].at(part), plain[name].at(part)];
    const what = `${name} channel, p${String(part * 100)} ms`;
    const ratio = ratioOf(reference, figure);
    return { name: what, figure, reference, ratio, ...(mark === undefined ? {} : { mark }) };
  };
  const variants = [
    variantOf("own", 0.99, 0.5),
    variantOf("own", 0.5),
    variantOf("shared", 0.99),
    variantOf("shared", 0.5),
  ];
  const { figure, reference, ratio } = lowest(variants);
  const what = "the same load in plain ws, p99 of own channels";
  const deliveries = ours.own.count + ours.shared.count;
  return {
    ...{ bench: "channels", figure, unit: "ms", reference: { what, figure: reference }, ratio },
    ...{ p50: ours.own.at(0.5), p99: ours.own.at(0.99) },
    cpuUsPerItem: Number(((ours.serverCpuMs * 1_000) / deliveries).toFixed(2)),
    rssAnonMb: ours.rssAnonMb,
    variants,
  };
}
