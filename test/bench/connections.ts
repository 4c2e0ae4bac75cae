/** What an idle session with one attachment costs in anonymous memory, beside the same socket in plain `ws`. */
import { ratioOf } from "./figure.js";
import type { Bench, Figure } from "./figure.js";
import { onStand } from "./fan/stand.js";
import type { Side } from "./fan/stand.js";
import { pauseMs } from "./fan/time.js";

const CLIENTS = 10_000;
/** So many are there before, so that what the process needs anyway is not counted. */
const FIRST = 1_000;
const BOUND_BYTES = 3_072;
const SETTLE_MS = 2_000;

export const connections: Bench = {
  name: "connections",
  run: async () => {
    const plain = await measure("plain");
    const ours = await measure("ours");
    return figureOf(ours, plain);
  },
};

interface Measured {
  /** Anonymous bytes a session. */
  readonly bytes: number;
  readonly cpuUs: number;
  readonly rssAnonMb: number;
}

async function measure(side: Side): Promise<Measured> {
  return onStand({ side, clients: CLIENTS, owners: FIRST + CLIENTS }, async (stand) => {
    const anonymousKb = async (): Promise<number> => {
      await pauseMs(SETTLE_MS);
      for (let times = 0; times < 3; times += 1) await stand.server.ask("collect");
      await pauseMs(SETTLE_MS / 4);
      return stand.server.usage().rssAnonKb;
    };
    await stand.addCrowd({ count: FIRST, first: 0, has: "own" });
    const before = await anonymousKb();
    const cpuBefore = stand.server.usage().cpuMs;
    for (let first = FIRST; first < FIRST + CLIENTS; first += CLIENTS / 2) {
      await stand.addCrowd({ count: CLIENTS / 2, first, has: "own" });
    }
    const { cpuMs, rssAnonMb } = stand.server.usage();
    const after = await anonymousKb();
    const bytes = Math.round(((after - before) * 1_024) / CLIENTS);
    process.stderr.write(`  ${side}: ${String(bytes)} bytes a session\n`);
    return { bytes, cpuUs: Math.round(((cpuMs - cpuBefore) * 1_000) / CLIENTS), rssAnonMb };
  });
}

/** The ratio is of what a session may cost in all, so that one below plain `ws` has a sensible one too. */
function figureOf(ours: Measured, plain: Measured): Figure {
  const allowed = plain.bytes + BOUND_BYTES;
  const ratio = ratioOf(allowed, ours.bytes);
  const what = `plain ws, ${String(plain.bytes)}, and ${String(BOUND_BYTES)} more`;
  return {
    ...{ bench: "connections", figure: ours.bytes, unit: "bytes a session" },
    ...{ reference: { what, figure: allowed }, ratio },
    cpuUsPerItem: ours.cpuUs,
    rssAnonMb: ours.rssAnonMb,
    variants: [
      {
        name: "bytes a session, of those allowed",
        ...{ figure: ours.bytes, reference: allowed, ratio, mark: 1 },
      },
      {
        name: "bytes a session beside plain ws",
        figure: ours.bytes,
        reference: plain.bytes,
        ratio: ratioOf(plain.bytes, ours.bytes),
      },
    ],
  };
}
