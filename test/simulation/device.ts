/**
 * A device: the client with a store that outlives its process. Each work of the store takes a while on both
 * sides of its local transaction and may fail before it.
 */
import type { Cast } from "../../src/client/client.js";
import { changecast } from "../../src/client/client.js";
import { AppError } from "../../src/base/errors.js";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import type { MemoryStore } from "../../src/client/stores/memory-store.js";
import type { EntryBatch, KeptChannel, Store, StoreUnit } from "../../src/client/stores/store.js";
import type { Sync } from "../../src/client/sync.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { Checkers } from "./checkers.js";
import type { Life } from "./life.js";
import type { Network } from "./network.js";

export interface DeviceParts {
  readonly name: string;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly checkers: Checkers;
  readonly newLife: () => Life;
  /** What becomes of the unit that the store has. */
  readonly alter: (unit: StoreUnit) => StoreUnit;
}

/** A channel's place as the store was last told, and whether it is whole. */
export type Kept = ReadonlyMap<string, KeptChannel>;

export class Device {
  readonly name: string;
  readonly store: MemoryStore = memoryStore();
  readonly channels: Set<string>;
  /** The next work of its store fails. */
  failsStore = false;
  /** What the store holds, as what was told to it says. */
  readonly kept = new Map<string, KeptChannel>();
  readonly #parts: DeviceParts;
  /** What the running process waits for from its store. */
  #calls: ReadonlySet<unknown> = new Set();
  #life: Life;
  #running: { readonly cast: Cast; readonly sync: Sync } | undefined;

  constructor(parts: DeviceParts, channels: readonly string[]) {
    this.name = parts.name;
    this.#parts = parts;
    this.channels = new Set(channels);
    this.#life = parts.newLife();
  }

  get life(): Life {
    return this.#life;
  }

  get sync(): Sync | undefined {
    return this.#running?.sync;
  }

  /** Its store has something to do. */
  get isBusy(): boolean {
    return this.#calls.size > 0;
  }

  start(): void {
    const { network, random } = this.#parts;
    const WebSocket = network.socketClass(this);
    const cast = changecast({ url: "ws://gateway/v1", WebSocket, clock: this.#life, random });
    const sync = cast.sync(this.#gated(this.#life), [...this.channels]);
    sync.on("gap", ({ channel, from, to }) => {
      this.#parts.checkers.gap(this, { channel, from, to });
    });
    this.#running = { cast, sync };
  }

  /** Gone at once, whatever it was doing; its store keeps what its last transaction left. */
  kill(): void {
    this.#life.kill();
    this.#running = undefined;
    for (const connection of this.#parts.network.connections) {
      if (connection.owner === this) connection.abandon();
    }
    this.#life = this.#parts.newLife();
  }

  attach(channel: string): void {
    this.channels.add(channel);
    this.sync?.attach([channel]);
  }

  detach(channel: string): void {
    this.channels.delete(channel);
    this.sync?.detach([channel]).catch(() => undefined);
  }

  /** The store as one process uses it. */
  #gated(life: Life): Store {
    const { store } = this;
    const { checkers, alter } = this.#parts;
    const calls = new Set<() => Promise<unknown>>();
    this.#calls = calls;
    const around = async <T>(work: () => Promise<T>): Promise<T> => {
      calls.add(work);
      try {
        await life.passes();
        if (this.failsStore) {
          this.failsStore = false;
          throw new AppError("CLIENT_STORE_FAILED", "the store failed");
        }
        const done = await work();
        await life.passes();
        return done;
      } finally {
        calls.delete(work);
      }
    };
    return {
      open: () =>
        around(async () => {
          const kept = await store.open();
          checkers.reopened(this, kept);
          return kept;
        }),
      check: (schema) => store.check(schema),
      apply: (unit) =>
        around(async () => {
          const changes = await store.apply(alter(unit));
          for (const { channel, place, ready } of unit.channels) {
            this.kept.set(channel, { channel, place, ready });
          }
          checkers.applied(this, unit);
          return changes;
        }),
      stage: (batches: readonly EntryBatch[]) => around(() => store.stage(batches)),
      unstage: (channels) => store.unstage(channels),
      detach: (channels) =>
        around(async () => {
          const changes = await store.detach(channels);
          for (const channel of channels) this.kept.delete(channel);
          checkers.detached(this, channels);
          return changes;
        }),
      watch: (tables, listener) => store.watch(tables, listener),
      close: () => store.close(),
    };
  }
}
