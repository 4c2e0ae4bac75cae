/**
 * A bank under load, the program and devices as processes that can be killed at any instant, and a look at
 * everything in between: the load rests, the devices settle, and each file must equal the database.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bankChannels } from "../support/convergence-rules.js";
import { Program } from "../support/end-to-end-program.js";
import { pause } from "../support/postgres-machine.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { CrashBank, CrashWriter } from "./crash-bank.js";
import { CrashDevice } from "./crash-device.js";

const REACHED_MS_MAX = 20_000;

export class CrashWorld {
  readonly program: Program;
  /** The first has all channels. */
  readonly devices: readonly [CrashDevice, CrashDevice];
  readonly #bank: CrashBank;
  readonly #random: SeededRandom;
  readonly #folder: string;
  readonly #writers: Promise<void>[] = [];
  #gate: Promise<void> | undefined;
  #open: () => void = () => undefined;
  #isOver = false;
  #busy = 0;
  #committed = 0;

  private constructor(bank: CrashBank, program: Program, random: SeededRandom) {
    this.program = program;
    this.#bank = bank;
    this.#random = random;
    this.#folder = mkdtempSync(join(tmpdir(), "changecast-crash-"));
    const at = { folder: this.#folder, url: program.url };
    this.devices = [
      new CrashDevice("whole", [...bankChannels, "trail", "ledger"], at),
      new CrashDevice("some", ["region:1", "very-rich", "tag:red", "shelf:1"], at),
    ];
  }

  /** The bank's rows are there; nothing runs yet, and nothing is written. */
  static async create(bank: CrashBank, random: SeededRandom): Promise<CrashWorld> {
    return new CrashWorld(bank, await Program.create(bank.config), random);
  }

  /** Transactions that the writers have committed. */
  get committed(): number {
    return this.#committed;
  }

  /** The program and devices run, whatever ran before. */
  async up(): Promise<void> {
    if (!this.program.isRunning) this.program.start();
    await this.program.ready();
    for (const device of this.devices) if (!device.isRunning) device.start();
  }

  startWriters(): void {
    for (const name of ["a", "b"]) this.#writers.push(this.#write(name));
  }

  /** Resolves when no transaction is open; the writers wait until `go`. */
  async rest(): Promise<void> {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
    while (this.#busy > 0) await pause(2);
  }

  go(): void {
    this.#gate = undefined;
    this.#open();
  }

  /** Resolves when the failpoint in it has ended the process. */
  async reached(part: Pick<CrashDevice, "ended" | "isRunning">, what: string): Promise<void> {
    await Promise.race([part.ended(), pause(REACHED_MS_MAX)]);
    if (part.isRunning) throw new Error(`${what}: nothing passed there`);
  }

  /** Everything runs again, and every file equals the database; the writers go on afterwards. */
  async compare(): Promise<void> {
    await this.up();
    await this.rest();
    const position = await this.#bank.position();
    const wrong: string[] = [];
    for (const device of this.devices) {
      await device.settle(position);
      wrong.push(...(await device.look((file) => this.#bank.compare(file))));
    }
    const [whole] = this.devices;
    wrong.push(...(await whole.look((file) => this.#bank.audit(file))));
    if (wrong.length > 0) throw new Error(`${wrong.join("\n")}\n${this.program.logTail()}`);
    this.go();
  }

  async writeHuge(): Promise<void> {
    await this.#bank.writeHuge();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.go();
    await Promise.allSettled(this.#writers);
    for (const device of this.devices) await device.kill();
    await this.program.close();
    await this.#bank.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #write(name: string): Promise<void> {
    const writer = await this.#bank.writer(name);
    try {
      while (!this.#isOver) await this.#transaction(writer);
    } finally {
      await writer.close();
    }
  }

  async #transaction(writer: CrashWriter): Promise<void> {
    await this.#gate;
    this.#busy += 1;
    await writer.transaction();
    this.#busy -= 1;
    await pause(this.#random.below(6));
    this.#committed = Math.max(this.#committed, writer.committed);
  }
}
