/**
 * `npm run simulate -- [--seeds N] [--from SEED] [--actions N]`: many simulations, on two threads.
 * `npm run simulate -- --seed SEED [--actions N]`: one, with its story.
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { repeatCommand, simulate } from "./simulate.js";

const THREADS = 2;
/** Seeds that a thread takes at a time. */
const BATCH = 50;
/** Failures that are shown before it stops. */
const SHOWN_MAX = 5;
const PROGRESS_MS = 2_000;

/** What threads are told. */
interface Order {
  readonly from: number;
  readonly count: number;
}

interface Report {
  readonly steps: number;
  readonly units: number;
  readonly failures: readonly string[];
}

async function runBatch({ from, count }: Order, actions: number | undefined): Promise<Report> {
  let steps = 0;
  let units = 0;
  const failures: string[] = [];
  for (let seed = from; seed < from + count; seed += 1) {
    const result = await simulate({ seed, ...(actions === undefined ? {} : { actions }) });
    steps += result.steps;
    units += result.units;
    const { violation } = result;
    if (violation === undefined) continue;
    const again = repeatCommand(seed, result.actions);
    failures.push(`seed ${seed}: ${violation.checker}: ${violation.what}\n  ${again}`);
  }
  return { steps, units, failures };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function one(seed: number, actions: number | undefined): Promise<void> {
  const result = await simulate({ seed, ...(actions === undefined ? {} : { actions }) });
  for (const line of result.story) say(line);
  say(`${result.actions} actions, ${result.steps} steps, ${result.units} units`);
  if (result.violation === undefined) return;
  say(`${result.violation.checker}: ${result.violation.what}`);
  process.exitCode = 1;
}

class Tally {
  readonly #count: number;
  readonly #began = performance.now();
  #next: number;
  readonly #end: number;
  #done = 0;
  #steps = 0;
  #units = 0;
  #failures = 0;
  #toldAt = this.#began;

  constructor(from: number, count: number) {
    this.#count = count;
    this.#next = from;
    this.#end = from + count;
  }

  /** Undefined: there is nothing more to do. */
  order(): Order | undefined {
    if (this.#next >= this.#end || this.#failures >= SHOWN_MAX) return undefined;
    const order = { from: this.#next, count: Math.min(BATCH, this.#end - this.#next) };
    this.#next += order.count;
    return order;
  }

  add({ count }: Order, { steps, units, failures }: Report): void {
    this.#done += count;
    this.#steps += steps;
    this.#units += units;
    this.#failures += failures.length;
    for (const failure of failures) say(failure);
    if (performance.now() - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = performance.now();
    say(`${this.#done} of ${this.#count}`);
  }

  end(): void {
    const seconds = ((performance.now() - this.#began) / 1_000).toFixed(1);
    say(`${this.#done} seeds, ${this.#steps} steps, ${this.#units} units in ${seconds} s`);
    say(`${this.#failures} failed`);
    if (this.#failures > 0) process.exitCode = 1;
  }
}

async function many(tally: Tally, actions: number | undefined): Promise<void> {
  await Promise.all(
    Array.from({ length: THREADS }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { actions } });
      const failed = once(worker, "error").then(([error]) => {
        throw error as Error;
      });
      for (let order = tally.order(); order !== undefined; order = tally.order()) {
        const told = once(worker, "message");
        worker.postMessage(order);
        const [report] = (await Promise.race([told, failed])) as [Report];
        tally.add(order, report);
      }
      await worker.terminate();
    }),
  );
  tally.end();
}

if (isMainThread) {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "10000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      actions: { type: "string" },
    },
  });
  const actions = values.actions === undefined ? undefined : Number(values.actions);
  if (values.seed !== undefined) await one(Number(values.seed), actions);
  else await many(new Tally(Number(values.from), Number(values.seeds)), actions);
} else {
  const { actions } = workerData as { readonly actions: number | undefined };
  parentPort?.on("message", (order: Order) => {
    runBatch(order, actions).then(
      (report) => parentPort?.postMessage(report),
      (error: unknown) => {
        throw error;
      },
    );
  });
}
