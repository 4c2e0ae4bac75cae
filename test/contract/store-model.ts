/**
 * Random units against a naive model: documents move between channels of a small world; channels are
 * attached, loaded page by page, caught up, replaced, staged and detached in any order. Whenever every
 * attached channel is brought to one log number, the store must hold exactly the documents of these
 * channels. A failure prints the seed.
 */
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/client/stores/store.js";
import type { WireEntry } from "../../src/protocol/frames.js";
import { batch, products, rowText, type StoreSubject, unit } from "./store.contract.js";

const CHANNELS = ["a", "b", "c"];
const KEYS = 8;
const ROUNDS = 60;
/** Random trials of each store. */
export const SEEDS = 25;

interface WorldEntry {
  readonly serial: number;
  readonly entry: WireEntry;
  /** Undefined for a truncation. */
  readonly key: number | undefined;
}

interface Attached {
  serial: number;
  ready: boolean;
}

export function storeModelContract(create: () => Promise<StoreSubject>, seeds: number): void {
  describe("random units", () => {
    it.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
      "leave exactly the documents of the attached channels (seed %i)",
      async (seed) => {
        const subject = await create();
        try {
          await new Trial(subject, seed).run();
        } finally {
          await subject.close();
        }
      },
    );
  });
}

class Trial {
  readonly #subject: StoreSubject;
  readonly #world: World;
  readonly #random: () => number;
  readonly #attached = new Map<string, Attached>();
  #store: Store;

  constructor(subject: StoreSubject, seed: number) {
    this.#subject = subject;
    this.#store = subject.store;
    this.#random = generator(seed);
    this.#world = new World(this.#random);
  }

  async run(): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let count = this.#pick(4); count > 0; count -= 1) this.#world.transact();
      await this.#act();
    }
    for (const channel of this.#attached.values()) channel.ready = true;
    await this.#commit();
  }

  async #act(): Promise<void> {
    const channel = CHANNELS[this.#pick(CHANNELS.length)] ?? "a";
    const attached = this.#attached.get(channel);
    const dice = this.#random();
    if (attached === undefined) {
      if (dice < 0.6) this.#attached.set(channel, { serial: 0, ready: false });
    } else if (dice < 0.08) {
      this.#attached.delete(channel);
      await this.#store.detach([channel]);
    } else if (!attached.ready && dice < 0.6) {
      await this.#page(channel, attached);
    } else if (dice < 0.68) {
      this.#store = this.#subject.again();
      await this.#store.open();
    } else {
      if (dice > 0.85) for (const each of this.#attached.values()) each.ready = true;
      await this.#commit();
    }
  }

  async #page(channel: string, attached: Attached): Promise<void> {
    const due = this.#world.delta(channel, attached.serial);
    const page = due.slice(0, 1 + this.#pick(5));
    const last = page[page.length - 1];
    const isWhole = page.length === due.length;
    const to = isWhole || last === undefined ? this.#world.head(channel) : last.serial;
    const place = { epoch: 1, serial: to, log: this.#world.log, run: "r" };
    await this.#store.apply(
      unit(
        this.#world.log,
        [{ channel, place, ready: false }],
        batch(channel, products, ...page.map(({ entry }) => entry)),
      ),
    );
    attached.serial = to;
  }

  /** Brings all ready channels to the world's log number, in one of the ways a server may. */
  async #commit(): Promise<void> {
    const at = this.#world.log;
    const steps = [];
    const batches = [];
    for (const [channel, attached] of this.#attached) {
      if (!attached.ready) continue;
      const isSnapshot = this.#random() < 0.15;
      const after = isSnapshot ? 0 : attached.serial;
      const isLive = !isSnapshot && this.#random() < 0.5;
      const due = isLive ? this.#world.since(channel, after) : this.#world.delta(channel, after);
      const entries = due.map(({ entry }) => entry);
      const head = this.#world.head(channel);
      const staged = this.#random() < 0.3 ? this.#pick(entries.length + 1) : 0;
      if (staged > 0) {
        const half = this.#pick(staged);
        await this.#store.stage([batch(channel, products, ...entries.slice(0, half))]);
        await this.#store.stage([batch(channel, products, ...entries.slice(half, staged))]);
      }
      batches.push(batch(channel, products, ...entries.slice(staged)));
      steps.push({
        channel,
        place: { epoch: 1, serial: head, log: at, run: "r" },
        ready: true,
        ...(isSnapshot ? { replace: "all" as const } : {}),
        ...(staged > 0 ? { staged: true } : {}),
      });
      attached.serial = head;
    }
    if (steps.length === 0) return;
    if (this.#random() < 0.5) batches.reverse();
    await this.#store.apply(unit(at, steps, ...batches));
    if ([...this.#attached.values()].every(({ ready }) => ready)) await this.#compare();
  }

  async #compare(): Promise<void> {
    const rows = await this.#subject.rows(products);
    const held = rows.map((row) => rowText(row, "=")).sort();
    expect(held).toEqual(this.#world.documentsOf([...this.#attached.keys()]));
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

/** Documents, and the entries that a server would keep of them. */
class World {
  readonly #random: () => number;
  readonly #documents = new Map<number, { name: string; channels: readonly string[] }>();
  readonly #entries = new Map<string, WorldEntry[]>(CHANNELS.map((channel) => [channel, []]));
  #log = 0;
  #index = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get log(): number {
    return this.#log;
  }

  head(channel: string): number {
    return this.since(channel, 0).length;
  }

  since(channel: string, serial: number): readonly WorldEntry[] {
    return (this.#entries.get(channel) ?? []).slice(serial);
  }

  /** The newest entry per key and what a truncation leaves, in serial order. */
  delta(channel: string, serial: number): readonly WorldEntry[] {
    const newest = new Map<number | undefined, WorldEntry>();
    for (const entry of this.since(channel, serial)) {
      if (entry.key === undefined) newest.clear();
      newest.delete(entry.key);
      newest.set(entry.key, entry);
    }
    return [...newest.values()];
  }

  documentsOf(channels: readonly string[]): string[] {
    return [...this.#documents]
      .filter(([, document]) => document.channels.some((channel) => channels.includes(channel)))
      .map(([key, { name }]) => `${key}=${name}`)
      .sort();
  }

  /** One commit unit of a few changes. */
  transact(): void {
    this.#log += 1;
    this.#index = 0;
    if (this.#random() < 0.03) {
      for (const channel of CHANNELS) this.#add(channel, undefined, "t");
      this.#documents.clear();
      return;
    }
    for (let count = 1 + Math.floor(this.#random() * 4); count > 0; count -= 1) {
      const key = Math.floor(this.#random() * KEYS);
      this.#change(key, this.#random() < 0.2 ? [] : CHANNELS.filter(() => this.#random() < 0.5));
    }
  }

  #change(key: number, channels: readonly string[]): void {
    const before = this.#documents.get(key);
    const name = `${key} at ${this.#log}.${this.#index}`;
    for (const channel of before?.channels ?? []) {
      if (channels.includes(channel)) this.#add(channel, key, "u", name);
      else this.#add(channel, key, channels.length > 0 ? "m" : "d");
    }
    for (const channel of channels) {
      if (before?.channels.includes(channel) !== true) this.#add(channel, key, "i", name);
    }
    if (channels.length === 0) this.#documents.delete(key);
    else this.#documents.set(key, { name, channels });
    this.#index += 1;
  }

  #add(channel: string, key: number | undefined, op: WireEntry[3], name?: string): void {
    const entries = this.#entries.get(channel) ?? [];
    const serial = entries.length + 1;
    const values = key === undefined ? [] : name === undefined ? [key] : [key, name];
    entries.push({ serial, key, entry: [serial, this.#log, this.#index, op, ...values] });
  }
}

/** Mulberry32: the same numbers for the same seed everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
