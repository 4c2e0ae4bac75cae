/**
 * One run of the convergence test: a bank with rows in it, the program as a child process, clients, and a
 * time in which writers write and everything that can fail does, all as the seed has it. Then rest, and
 * every store must hold what the database does (bank-side.ts has the databases).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BankDevice, DeviceOptions } from "./bank-device.js";
import type { BankSide, Written } from "./bank-side.js";
import { Device } from "./convergence-device.js";
import { bankChannels, moneyChannels } from "./convergence-rules.js";
import { Program } from "./end-to-end-program.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import { SeededRandom } from "./seeded-random.js";

export interface RunOptions {
  readonly seed: number;
  /** Makes the bank; the name is fit for a database. */
  readonly bank: (name: string, random: SeededRandom) => Promise<BankSide>;
  /** Makes a client that is not here yet; an SQLite file of this process without it. */
  readonly device?: (options: DeviceOptions) => Promise<BankDevice>;
  /** How long it is written to and disturbed. */
  readonly ms: number;
  /** Nothing fails until the content is whole for the first time, so that all of the time is looked at. */
  readonly calmCopy?: boolean;
}

export interface RunReport {
  readonly transactions: number;
  readonly rolledBack: number;
  /** Commits at clients after which the money was counted. */
  readonly counted: number;
  readonly faults: readonly string[];
}

/** Written to without faults before the end until the money was counted so often more, for a while: a store that is behind commits seldom. */
const LAST_COUNTS = 6;
const COUNTING_MS = 1_000;
const COUNTING_MS_MAX = 60_000;

/** Throws an error that says what differs. */
export async function runConvergence(options: RunOptions): Promise<RunReport> {
  const run = new ConvergenceRun(options);
  try {
    return await run.run();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`${cause}\n\n${await run.story()}`, { cause: error });
  } finally {
    await run.close();
  }
}

class ConvergenceRun {
  readonly #options: RunOptions;
  readonly #random: SeededRandom;
  readonly #folder = mkdtempSync(join(tmpdir(), "changecast-convergence-"));
  readonly #devices: BankDevice[] = [];
  readonly #faults: string[] = [];
  readonly #startedAt = performance.now();
  #side: BankSide | undefined;
  #program: Program | undefined;
  #isCopied = false;
  #isWriting = true;
  #chaosEnded: Promise<void> = Promise.resolve();

  constructor(options: RunOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<RunReport> {
    await this.#prepare();
    const { side } = this;
    const isOn = (): boolean => this.#isWriting;
    const writing = Promise.all(["a", "b"].map((name) => this.#write(name)));
    // Heard where they are awaited.
    writing.catch(() => undefined);
    await side.begin();
    const begun = side.begun(this.program, isOn);
    begun.catch(() => undefined);
    this.program.start();
    await this.program.ready();
    for (const device of this.#devices) await device.arrive();
    if (this.#options.calmCopy === true) await this.#untilCopied();
    const chaos = this.#chaos();
    this.#chaosEnded = chaos.catch(() => undefined);
    await begun;
    await chaos;
    this.#isWriting = false;
    const written = await writing;
    await this.#settle();
    await this.#compare();
    return {
      transactions: sumOf(written, ({ committed }) => committed),
      rolledBack: sumOf(written, ({ rolledBack }) => rolledBack),
      counted: this.#counted,
      faults: this.#faults,
    };
  }

  get #counted(): number {
    return sumOf(this.#devices, ({ counted }) => counted);
  }

  get side(): BankSide {
    if (this.#side === undefined) throw new Error("there is no bank yet");
    return this.#side;
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error("there is no program yet");
    return this.#program;
  }

  /** For a person who looks for the reason. */
  async story(): Promise<string> {
    const devices = await Promise.all(this.#devices.map((device) => device.statusText()));
    return [
      `faults: ${this.#faults.join("; ")}`,
      ...devices.map((text) => `  ${text}`),
      `log of the program (whole: CHANGECAST_KEEP=1):`,
      this.#program?.logTail() ?? "",
    ].join("\n");
  }

  async close(): Promise<void> {
    this.#isWriting = false;
    // A server that is being restarted is up again for the next run.
    await this.#chaosEnded;
    for (const device of this.#devices) await device.close();
    if (process.env["CHANGECAST_KEEP"] === undefined) await this.#program?.close();
    else {
      await this.#program?.kill();
      process.stderr.write(`kept: ${this.#program?.folder ?? ""} ${this.#folder}\n`);
    }
    await this.#side?.close();
    if (process.env["CHANGECAST_KEEP"] === undefined) rmSync(this.#folder, { recursive: true });
  }

  // ---------------------------------------------------------------- before

  async #prepare(): Promise<void> {
    const name = `bank_${String(this.#options.seed)}_${Date.now().toString(36)}`;
    this.#side = await this.#options.bank(name, this.#random);
    this.#program = await Program.create(this.#side.config);
    await this.#makeDevices(this.#program.port);
  }

  /** One with all the money, one with overlapping rules, one with some channels, one with events. */
  async #makeDevices(port: number): Promise<void> {
    const few = bankChannels.filter(() => this.#random.below(2) === 0);
    const lists: readonly (readonly [string, readonly string[]])[] = [
      ["banker", [...moneyChannels, "rich", "shelf:0"]],
      ["overlap", ["region:1", "very-rich", "tag:red", "tag:green", "shelf:1", "shelf:2"]],
      ["some", few.length === 0 ? ["lengths"] : few],
      ["auditor", ["trail", "ledger", "lengths", ...moneyChannels]],
    ];
    const create = this.#options.device ?? ((options) => Device.create(options));
    for (const [name, channels] of lists) {
      this.#devices.push(await create({ name, folder: this.#folder, port, channels }));
    }
  }

  #write(name: string): Promise<Written> {
    const random = new SeededRandom(this.#options.seed * 31 + name.charCodeAt(0));
    return this.side.write({ name, random, isOn: () => this.#isWriting });
  }

  // ---------------------------------------------------------------- faults

  async #chaos(): Promise<void> {
    const end = performance.now() + this.#options.ms;
    const copied = this.#untilCopied().catch(() => undefined);
    while (performance.now() < end) {
      await pause(50 + this.#random.below(350));
      await this.#fault();
    }
    this.#tell("rest");
    this.side.mend();
    if (!this.program.isRunning) this.program.start();
    await this.program.ready();
    for (const device of this.#devices) {
      await device.mend();
      await device.arrive();
    }
    await copied;
    // A device that went away meanwhile waited no more.
    await this.#untilCopied();
    const wanted = this.#counted + LAST_COUNTS;
    const until = performance.now() + COUNTING_MS_MAX;
    do await pause(COUNTING_MS);
    while (this.#counted < wanted && performance.now() < until);
  }

  /** From then on every transaction of a store keeps what every transaction of the database keeps. */
  async #untilCopied(): Promise<void> {
    if (this.#isCopied) return;
    const [device] = this.#devices;
    await device?.live();
    this.#isCopied = true;
    for (const each of this.#devices) each.contentIsWhole();
    this.#tell("copied");
  }

  async #fault(): Promise<void> {
    const device = this.#random.pick(this.#devices);
    if (device === undefined) return;
    if (device.disturb !== undefined && this.#random.below(2) === 0) {
      this.#tell(`${device.name} ${await device.disturb(this.#random)}`);
      return;
    }
    let draw = this.#random.below(100);
    for (const fault of this.side.faults) {
      if (draw < fault.weight) {
        this.#tell(fault.name);
        await fault.run();
        return;
      }
      draw -= fault.weight;
    }
    if (draw < 16) await this.#crash();
    else if (draw < 36) await this.#comeOrGo(device);
    else if (draw < 43) await this.#startAnew(device);
    else if (draw < 60) await this.#cutDevice(device);
    else if (device.name !== "auditor") await this.#toggle(device);
  }

  async #crash(): Promise<void> {
    this.#tell("kill -9");
    await this.program.kill();
    await pause(this.#random.below(150));
    this.program.start();
    // Sometimes the next fault comes before it serves.
    if (this.#random.below(3) > 0) await this.program.ready();
  }

  async #comeOrGo(device: BankDevice): Promise<void> {
    this.#tell(`${device.name} ${device.isHere ? "goes" : "comes"}`);
    if (device.isHere) await device.vanish();
    else await device.arrive();
  }

  async #startAnew(device: BankDevice): Promise<void> {
    this.#tell(`${device.name} anew`);
    await device.forget();
    await device.arrive();
  }

  async #cutDevice(device: BankDevice): Promise<void> {
    this.#tell(`${device.name} cut`);
    device.cut();
    await pause(this.#random.below(200));
    await device.mend();
  }

  async #toggle(device: BankDevice): Promise<void> {
    const channel = this.#random.pick(bankChannels) ?? "vaults";
    this.#tell(`${device.name} ${device.channels.has(channel) ? "-" : "+"}${channel}`);
    await device.toggle(channel);
  }

  #tell(what: string): void {
    const at = Math.round(performance.now() - this.#startedAt);
    this.#faults.push(`${String(at)} ms ${what}`);
  }

  // ---------------------------------------------------------------- after

  async #settle(): Promise<void> {
    const position = await this.side.settle();
    this.#tell(`all written, up to ${position}`);
    for (const device of this.#devices) {
      try {
        await device.until(position, PATIENCE_MS);
        await device.live();
      } catch (error) {
        throw new Error(`${device.name} does not reach ${position}`, { cause: error });
      }
    }
  }

  async #compare(): Promise<void> {
    const wrong: string[] = [];
    for (const device of this.#devices) {
      wrong.push(...device.violations);
      wrong.push(...(await this.side.compare(device)));
      if (device.gaps.length > 0) wrong.push(`${device.name} was told of a gap`);
    }
    const auditor = this.#devices.find(({ name }) => name === "auditor");
    if (auditor !== undefined) wrong.push(...(await this.side.audit(auditor)));
    wrong.push(...(await this.#parked()));
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
  }

  /** Nothing in this workload is beyond the rules. */
  async #parked(): Promise<string[]> {
    const parked = await this.program.metric("changecast_parked_documents");
    return parked === 0 ? [] : [`${String(parked)} documents are parked`];
  }
}

function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
