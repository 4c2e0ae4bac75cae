/**
 * `npm run demo`: a shop on Postgres (`-- --source mongodb`, `-- --source both` for others), two stores' devices that
 * follow it, and a view of what happens, until Ctrl-C. `npm run demo -- --once` makes 2,000 changes, kills what can
 * be killed half way, and exits 0 only when every row of every device is as the database has it.
 */
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { Latencies } from "./latencies.js";
import { NumbersReader, type Numbers } from "./numbers.js";
import { pause } from "./pause.js";
import { STORES } from "./shop.js";
import { View } from "./view.js";
import type { ShopTraffic } from "./shop-side.js";
import { modes, World } from "./world.js";

const CHANGES_ONCE = 2_000;
/** The service and a device are gone for as long as these changes take. */
const CHANGES_WHILE_DEAD = 200;
/** A hundred transactions a second at most: latency under a load that a laptop hardly feels. */
const WRITE_EVERY_MS_ONCE = 3;
const WRITE_EVERY_MS_LIVE = 40;
const NUMBERS_EVERY_MS = 500;
/** So that the writer's line fits into 80 columns. */
const KINDS_SHOWN = 5;

const { values: options } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    source: { type: "string", default: "postgres" },
  },
});
const mode = modes.find((each) => each === options.source);
if (mode === undefined) throw new Error(`--source is one of ${modes.join(", ")}`);
const startedAt = performance.now();
const end = new AbortController();
let failure: string | undefined;
const world = new World(mode, end.signal, fail);
let numbers: Numbers | undefined;
/** One per database. */
let writers: readonly ShopTraffic[] = [];
let turn = 0;
const view = new View(lines);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (end.signal.aborted) {
      world.killAll();
      view.stop();
      process.exit(128 + constants.signals[signal]);
    }
    if (options.once) failure = `stopped by ${signal}`;
    end.abort(new Error(`stopped by ${signal}`));
  });
}

try {
  await start();
  await (options.once ? runOnce() : runLive());
} catch (error) {
  if (!end.signal.aborted) {
    failure ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
} finally {
  view.stop();
  const databases = world.sides.map(({ title }) => title.replace(/ .*/, "")).join(", ");
  view.note(`stopping: clients, Changecast, ${databases}`);
  await world.stop();
}
if (failure === undefined) world.removeFiles();
else view.note(`failed: ${failure}\nlogs are in ${world.folder}`);
process.exit(failure === undefined ? 0 : 1);

function fail(reason: string): void {
  failure ??= reason;
  end.abort(new Error(reason));
}

async function start(): Promise<void> {
  for (const side of world.sides) {
    view.note(`starting ${side.title}`);
    await side.start();
    view.note(`${side.title} holds a shop with ${String(STORES.length)} stores`);
  }
  view.note(`starting Changecast with ${world.config}`);
  await world.startService();
  for (const { name, channels } of world.devices) {
    view.note(`starting the device ${name}: an SQLite file that follows ${channels.join(", ")}`);
  }
  for (const device of world.devices) device.start();
  await world.until("all devices are live", allLive);
  await lookAtPage();
  writers = await Promise.all(world.sides.map((side) => side.traffic(Number(options.seed))));
}

async function lookAtPage(): Promise<void> {
  if (world.pageUrl === undefined) return;
  const page = await fetch(world.pageUrl);
  if (!page.ok) throw new Error(`the page at ${world.pageUrl} answers ${String(page.status)}`);
}

async function runLive(): Promise<void> {
  if (world.pageUrl !== undefined) view.note(`the shop in a browser: ${world.pageUrl}`);
  view.note(`try in another terminal: npx changecast tail store:1 --url ${world.serviceUrl}`);
  view.note("");
  view.start();
  const reading = readNumbers();
  while (!end.signal.aborted) {
    await writeOne();
    await pause(WRITE_EVERY_MS_LIVE);
  }
  await reading;
}

async function runOnce(): Promise<void> {
  view.start();
  const reading = readNumbers();
  const [victim] = world.devices;
  await writeUntil(CHANGES_ONCE / 2);
  view.note(`killing Changecast (-9) and the device ${victim?.name ?? ""} (-9); writing goes on`);
  await Promise.all([world.killService(), victim?.kill()]);
  await writeUntil(CHANGES_ONCE / 2 + CHANGES_WHILE_DEAD);
  view.note("starting both again");
  world.restartService();
  victim?.start();
  await writeUntil(CHANGES_ONCE);
  view.note(`${String(changes())} changes are written; waiting for the devices`);
  await world.serviceReady();
  await world.until("all devices are live", allLive);
  await world.allReached();
  // The last measured latencies come with the next word of each device.
  await pause(NUMBERS_EVERY_MS);
  view.stop();
  const equal = await compareAll();
  tellLatencies();
  if (!equal) failure = "a device differs from the database";
  else view.note("every row of every device is as the database has it");
  end.abort(new Error("done"));
  await reading;
}

async function compareAll(): Promise<boolean> {
  let equal = true;
  for (const { name, file, channels } of world.devices) {
    for (const side of world.sides) {
      for (const { table, rows, differences } of await side.compare(file, channels)) {
        const verdict = differences.length === 0 ? "equal" : "DIFFERENT";
        const columns = [name.padEnd(10), table.padEnd(12), String(rows).padStart(5), verdict];
        view.note(`  ${columns.join(" ")}`);
        for (const difference of differences) view.note(`    ${difference}`);
        if (differences.length > 0) equal = false;
      }
    }
  }
  return equal;
}

function tellLatencies(): void {
  for (const { name, latencies } of world.devices) {
    view.note(
      `commit to store, ${name}: p50 / p99 ${latencies.text} of ${String(latencies.count)} changes`,
    );
  }
}

async function writeUntil(count: number): Promise<void> {
  while (changes() < count) {
    end.signal.throwIfAborted();
    await writeOne();
    await pause(WRITE_EVERY_MS_ONCE);
  }
}

/** The databases take turns. */
async function writeOne(): Promise<void> {
  const writer = writers[turn % writers.length];
  turn += 1;
  await writer?.step();
}

function changes(): number {
  return writers.reduce((sum, writer) => sum + writer.changes, 0);
}

async function readNumbers(): Promise<void> {
  const reader = new NumbersReader(world.sides, world.opsUrl);
  while (!end.signal.aborted) {
    numbers = await reader.read();
    await pause(NUMBERS_EVERY_MS);
  }
}

function allLive(): boolean {
  return world.devices.every(({ state }) => state === "live");
}

// ---------------------------------------------------------------- the view

/** The first line alone must do where there is no terminal. */
function lines(): string[] {
  return [
    ...[summaryLine(), "", ...sourceLines(), journalLine(), writerLine(), ""],
    ...[...deviceLines(), ""],
  ];
}

function summaryLine(): string {
  const seconds = Math.floor((performance.now() - startedAt) / 1_000);
  const clock = `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, "0")}`;
  const states = world.devices.map(({ name, state }) => `${name} ${state}`).join(", ");
  const rate = numbers === undefined ? "–" : numbers.entriesPerSecond.toFixed(0);
  const written = `${String(changes())} changes written, ${rate} entries/s`;
  return `${clock}  ${written}, p50 / p99 ${allLatencies().text}; ${states}`;
}

function sourceLines(): string[] {
  if (numbers === undefined) return ["source    Changecast does not answer"];
  return numbers.sources.map(({ source, state, progress, ageMs }) => {
    const age = ageMs === undefined ? "not yet at its head" : `at its head ${seconds(ageMs)} ago`;
    return `source    ${source} ${state}, ${progress}, ${age}`;
  });
}

function journalLine(): string {
  if (numbers === undefined) return "journal   –";
  const { logNumber, entriesPerSecond } = numbers;
  return `journal   log number ${String(logNumber)}, ${entriesPerSecond.toFixed(0)} entries/s`;
}

function writerLine(): string {
  const done = writers.flatMap((writer) => [...writer.done]).sort(([, a], [, b]) => b - a);
  const often = done.slice(0, KINDS_SHOWN).map(([kind, count]) => `${kind} ${String(count)}`);
  const rest = done.slice(KINDS_SHOWN).reduce((sum, [, count]) => sum + count, 0);
  return `writer    ${[...often, ...(rest > 0 ? [`others ${String(rest)}`] : [])].join(", ")}`;
}

function deviceLines(): string[] {
  return world.devices.flatMap(({ name, channels, state, rows, latencies }) => [
    `${name.padEnd(10)}${state}; follows ${channels.join(", ")}; p50 / p99 ${latencies.text}`,
    `          ${Object.entries(rows)
      .map(([table, count]) => `${table} ${String(count)}`)
      .join("  ")}`,
  ]);
}

function allLatencies(): Latencies {
  return Latencies.merged(world.devices.map(({ latencies }) => latencies));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
