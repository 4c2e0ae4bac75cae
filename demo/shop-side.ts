/** One database of the demo: how it comes to life, who writes to it, and whether a device is as it says. */
import type pg from "pg";
import type { Compared } from "./compare.js";

/** One transaction or write after the other, from a seed. */
export interface ShopTraffic {
  /** How often each kind came. */
  readonly done: ReadonlyMap<string, number>;
  /** Rows or documents inserted, updated and deleted. */
  readonly changes: number;
  step(): Promise<void>;
}

export interface ShopSide {
  /** Its name in the configuration. */
  readonly source: string;
  /** With its version, once it runs. */
  readonly title: string;
  /** What the configuration takes from the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts it, with a shop in it. */
  start(): Promise<void>;
  traffic(seed: number): Promise<ShopTraffic>;
  /** A session for the shop's page, where it has one. */
  readonly pageClient?: () => Promise<pg.Client | undefined>;
  /** Where it stands now, as clients can wait for it. */
  position(): Promise<string>;
  /** Its own view of how far it was read, for people. */
  progress(): Promise<string>;
  /** Nobody may be writing. */
  compare(file: string, channels: readonly string[]): Promise<readonly Compared[]>;
  /** Leaves nothing behind; may be called twice. */
  stop(): Promise<void>;
}

/** What a side needs of the demo. */
export interface SideContext {
  readonly folder: string;
  /** Every wait ends with it. */
  readonly end: AbortSignal;
  /** Is told when the server ended that should not. */
  readonly onFailed: (reason: string) => void;
}
