/** The database side of the convergence test: a bank, who writes to it, and what can go wrong with it. */
import type { HoldsEvents, HoldsTables } from "./convergence-compare.js";
import type { Program } from "./end-to-end-program.js";
import type { SeededRandom } from "./seeded-random.js";

export interface Written {
  readonly committed: number;
  readonly rolledBack: number;
}

export interface WriteOptions {
  readonly name: string;
  readonly random: SeededRandom;
  /** Writes until it says no. */
  readonly isOn: () => boolean;
}

export interface SideFault {
  /** Out of 100: how often it is drawn. */
  readonly weight: number;
  readonly name: string;
  run(): Promise<void>;
}

export interface BankSide {
  /** The YAML below `listen`, `ops` and `log`; its source is named `bank`. */
  readonly config: string;
  readonly faults: readonly SideFault[];
  /** What the trail holds now surely came before the program's stream. */
  begin(): Promise<void>;
  /** Waits until the program's stream has surely begun; what the trail holds then may be missing in it. */
  begun(program: Program, isOn: () => boolean): Promise<void>;
  write(options: WriteOptions): Promise<Written>;
  /** Nothing is broken any more. */
  mend(): void;
  /** Nobody writes any more: everything up to the position that it gives must reach the clients. */
  settle(): Promise<string>;
  /** What differs between the database and the device. */
  compare(device: HoldsTables): Promise<string[]>;
  /** What differs between the database's history and that of the device. */
  audit(device: HoldsEvents): Promise<string[]>;
  close(): Promise<void>;
}
