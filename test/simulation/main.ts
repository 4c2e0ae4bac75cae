/**
 * `npm run simulate -- [--seeds N] [--from SEED] [--actions N]`: many simulations, a process per core.
 * `npm run simulate -- --seed SEED [--actions N]`: one, with its story.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { repeatCommand, simulate } from "./simulate.js";

/** A world lives for milliseconds and leaves little behind; threads of the collector find every core busy. */
const NODE_FLAGS = ["--single-threaded-gc", "--min-semi-space-size=32", "--max-semi-space-size=32"];
/** Seeds that a process takes at a time. */
const BATCH = 50;
/** Failures of a batch, and of all, that are enough. */
const FAILURES_MAX = 5;
const PROGRESS_MS = 2_000;

/** What the processes are told. */
interface Order {
  readonly from: number;
  readonly count: number;
  readonly actions: number | undefined;
}

interface Report {
  readonly steps: number;
  readonly units: number;
  readonly failures: readonly string[];
}

async function runBatch({ from, count, actions }: Order): Promise<Report> {
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
    if (failures.length >= FAILURES_MAX) break;
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
  readonly #actions: number | undefined;
  readonly #began = performance.now();
  #next: number;
  readonly #end: number;
  #done = 0;
  #steps = 0;
  #units = 0;
  #failures = 0;
  #toldAt = this.#began;

  constructor({ from, count, actions }: Order) {
    this.#count = count;
    this.#actions = actions;
    this.#next = from;
    this.#end = from + count;
  }

  /** Undefined: there is nothing more to do. */
  order(): Order | undefined {
    if (this.#next >= this.#end || this.#failures >= FAILURES_MAX) return undefined;
    const count = Math.min(BATCH, this.#end - this.#next);
    const order = { from: this.#next, count, actions: this.#actions };
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

async function many(all: Order): Promise<void> {
  const tally = new Tally(all);
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      const worker = fork(new URL(import.meta.url), { execArgv: NODE_FLAGS });
      const ended = once(worker, "exit").then(([code]) => {
        throw new Error(`a process ended with ${String(code)} before its seeds did`);
      });
      for (let order = tally.order(); order !== undefined; order = tally.order()) {
        const told = once(worker, "message");
        worker.send(order);
        const [report] = (await Promise.race([told, ended])) as [Report];
        tally.add(order, report);
      }
      ended.catch(() => undefined);
      worker.disconnect();
    }),
  );
  tally.end();
}

/** A process of `many`: it ends when it is let go. */
function serve(): void {
  process.on("message", (order: Order) => {
    runBatch(order).then(
      (report) => process.send?.(report),
      (error: unknown) => {
        throw error;
      },
    );
  });
}

async function command(): Promise<void> {
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
  else await many({ from: Number(values.from), count: Number(values.seeds), actions });
}

if (process.send === undefined) await command();
else serve();
