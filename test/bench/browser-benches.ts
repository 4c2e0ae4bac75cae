/** Benches of the client in Chromium: `idb-apply`, `wasm-apply`, `idb-live`, `start`. */
import type { Page } from "playwright-core";
import type { BenchPage } from "../browser/bench-page.js";
import { Browser } from "../support/browser.js";
import type { Bench, Figure } from "./figure.js";
import { median, ratioOf } from "./figure.js";

const ROWS = 100_000;
const ROWS_QUICK = 20_000;
const ROUNDS = 3;
const STARTS = 7;
const LIVE_PER_SECOND = 1_000;
const LIVE_SECONDS = 20;
const LIVE_SECONDS_QUICK = 5;

const idbApply = firstLoad("idb-apply", {
  bare: "bare",
  ours: "apply",
  what: "put in transactions of 5,000",
});

const wasmApply = firstLoad("wasm-apply", {
  bare: "sqliteBare",
  ours: "sqliteApply",
  what: "one insert a row, prepared, in transactions of 5,000",
});

const idbLive: Bench = {
  name: "idb-live",
  run: (isQuick) =>
    withPage(async (page): Promise<Figure> => {
      await call(page, "apply", ROWS_QUICK);
      const seconds = isQuick ? LIVE_SECONDS_QUICK : LIVE_SECONDS;
      const debug = await page.context().newCDPSession(page);
      await debug.send("Performance.enable");
      const busy = async (): Promise<number> => {
        const { metrics } = await debug.send("Performance.getMetrics");
        return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
      };
      const [before, began] = [await busy(), performance.now()];
      const latencies = [...(await call(page, "live", LIVE_PER_SECOND, seconds))];
      const share = (await busy()) - before;
      const wall = (performance.now() - began) / 1_000;
      latencies.sort((a, b) => a - b);
      const at = (part: number): number =>
        Number((latencies[Math.floor(latencies.length * part)] ?? 0).toFixed(1));
      return {
        bench: "idb-live",
        figure: at(0.99),
        unit: "ms p99",
        reference: { what: "bound, ms", figure: 50 },
        ratio: ratioOf(50, at(0.99)),
        ...{ p50: at(0.5), p99: at(0.99) },
        variants: [
          {
            name: "main thread busy, share of 0.25",
            figure: Number((share / wall).toFixed(3)),
            reference: 0.25,
            ratio: ratioOf(0.25, share / wall),
            mark: 1,
          },
        ],
        ...(isQuick ? { reduced: `${String(seconds)} s` } : {}),
      };
    }),
};

const start: Bench = {
  name: "start",
  run: (isQuick) =>
    withPage(async (page): Promise<Figure> => {
      const rows = isQuick ? ROWS_QUICK : ROWS;
      await call(page, "apply", rows);
      const [ours, bare]: [number[], number[]] = [[], []];
      for (let round = 0; round < STARTS; round += 1) {
        await page.reload();
        bare.push(await call(page, "bareStart"));
        await page.reload();
        ours.push(await call(page, "start"));
      }
      const more = median(ours) - median(bare);
      return {
        bench: "start",
        figure: Number(median(ours).toFixed(1)),
        unit: "ms",
        reference: { what: "opening and one read, ms", figure: Number(median(bare).toFixed(1)) },
        ratio: ratioOf(30, Math.max(1, more)),
        ...(isQuick ? { reduced: `${String(rows)} rows` } : {}),
      };
    }),
};

export const browserBenches: readonly Bench[] = [idbApply, wasmApply, idbLive, start];

/** Rows that were parsed from the wire, into an empty store. */
function firstLoad(
  bench: string,
  calls: {
    readonly bare: "bare" | "sqliteBare";
    readonly ours: "apply" | "sqliteApply";
    /** What the reference does. */
    readonly what: string;
  },
): Bench {
  const run = (isQuick: boolean): Promise<Figure> =>
    withPage(async (page) => {
      const rows = isQuick ? ROWS_QUICK : ROWS;
      const ours: number[] = [];
      const bare: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        bare.push(rows / (await call(page, calls.bare, rows)));
        ours.push(rows / (await call(page, calls.ours, rows)));
      }
      const [figure, reference] = [median(ours) * 1_000, median(bare) * 1_000];
      return {
        bench,
        figure: Math.round(figure),
        unit: "rows/s",
        reference: { what: calls.what, figure: Math.round(reference) },
        ratio: ratioOf(figure, reference),
        ...(isQuick ? { reduced: `${String(rows)} rows` } : {}),
      };
    });
  return { name: bench, run };
}

async function withPage(run: (page: Page) => Promise<Figure>): Promise<Figure> {
  const browser = await Browser.start("test/browser/bench-page.ts", {
    "/sqlite-worker.js": "test/browser/sqlite-worker.ts",
    "/sqlite-bare-worker.js": "test/browser/sqlite-bare-worker.ts",
  });
  try {
    return await run(await browser.open());
  } finally {
    await browser.close();
  }
}

function call<Name extends keyof BenchPage>(
  page: Page,
  name: Name,
  ...args: Parameters<BenchPage[Name]>
): Promise<Awaited<ReturnType<BenchPage[Name]>>> {
  const run = async ([called, given]: readonly [string, readonly number[]]): Promise<unknown> => {
    const scope = globalThis as unknown as { page?: Record<string, unknown> };
    while (scope.page === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    return (scope.page[called] as (...values: readonly number[]) => unknown)(...given);
  };
  return page.evaluate(run, [name, args] as const) as Promise<Awaited<ReturnType<BenchPage[Name]>>>;
}
