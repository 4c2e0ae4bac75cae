/** A client of the convergence test: follows channels of the bank, and whatever can happen to it does. */
import type { Gap } from "../../src/client/feed-sink.js";
import type { HoldsEvents } from "./convergence-compare.js";
import type { SeededRandom } from "./seeded-random.js";

export interface DeviceOptions {
  readonly name: string;
  readonly folder: string;
  /** Where clients connect. */
  readonly port: number;
  readonly channels: readonly string[];
}

export interface BankDevice extends HoldsEvents {
  readonly channels: ReadonlySet<string>;
  /** What was seen after a transaction of the store and must never be. */
  readonly violations: readonly string[];
  readonly gaps: readonly Gap[];
  /** Transactions after which the money was counted. */
  readonly counted: number;
  readonly isHere: boolean;
  /** The server's content is whole from now on: each transaction of the store can be looked at. */
  contentIsWhole(): void;
  arrive(): Promise<void>;
  vanish(): Promise<void>;
  /** Away, and whatever it held is lost. */
  forget(): Promise<void>;
  cut(): void;
  mend(): Promise<void>;
  /** Follows one channel more, or one less. */
  toggle(channel: string): Promise<void>;
  /** Something that only happens to this kind of client; answers what it was. */
  readonly disturb?: (random: SeededRandom) => Promise<string>;
  live(): Promise<void>;
  until(position: string, ms: number): Promise<void>;
  /** For a person who looks for the reason. */
  statusText(): Promise<string>;
  close(): Promise<void>;
}

/** Violations told of one device: the others say the same. */
export const VIOLATIONS_MAX = 5;
