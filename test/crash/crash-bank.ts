/** The database side of the crash tests: a bank that stays up while everything else is killed. */
import type { HoldsEvents, HoldsTables } from "../support/convergence-compare.js";

export interface CrashBank {
  /** The YAML below `listen`, `ops` and `log`; its source is named `bank`. */
  readonly config: string;
  /** `name` tells the writers of one bank apart. */
  writer(name: string): Promise<CrashWriter>;
  /** A transaction of about 20 MB: it comes in parts, and devices stage it. */
  writeHuge(): Promise<void>;
  /** Nobody writes: everything is there up to the position that it gives. */
  position(): Promise<string>;
  /** What differs between the database and a device. */
  compare(device: HoldsTables): Promise<string[]>;
  /** What differs between the database's history and that of a device. */
  audit(device: HoldsEvents): Promise<string[]>;
  close(): Promise<void>;
}

export interface CrashWriter {
  readonly committed: number;
  transaction(): Promise<void>;
  close(): Promise<void>;
}
