/**
 * Keeps a store in step with channels: opens it, applies units, tells what changed. Tables that cannot be
 * kept refuse their channels; the others go on.
 */
import type { Clock, Random } from "../base/clock.js";
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { TableSchema } from "../model/table.js";
import { Feed } from "./feed.js";
import type { FeedSink, FeedUnit, Gap } from "./feed-sink.js";
import { beginning, type ChannelChoice, channelNames, Follower, nothingHeld } from "./follower.js";
import type { SyncStatus } from "./status.js";
import type { EntryBatch, KeptChannel, Store, StoreChanges, StoreUnit } from "./stores/store.js";
import { TableFitness } from "./table-fitness.js";
import type { Wire } from "./wire.js";

/** Entries of ready channels in memory, as the wire counts them; above it they are staged (PROTOCOL.md, section 6). */
const COLLECT_BYTES_MAX = 8 * 1024 * 1024;

export interface SyncOptions {
  /**
   * Channels that the store holds from earlier and that are not in the list: `detach` (the default) removes
   * them and their rows, so that the store holds just what the list says; `keep` leaves them as they are,
   * not followed.
   */
  readonly others?: "detach" | "keep";
  /**
   * Called when the store has no room for a unit, with the channels it holds, in the order in which they
   * were attached: those that it names are detached, and the unit comes again. Without it, or where it
   * names none, the sync tries again until there is room.
   */
  readonly onFull?: (channels: readonly KeptChannel[]) => readonly string[];
}

export interface SyncEvents {
  status: SyncStatus;
  /** What a transaction of the store changed, per table, after it. */
  changed: StoreChanges;
  /** Entries of an `events` channel are lost to this client, or were to the server. */
  gap: Gap;
}

export interface Sync {
  /** Resolves when these channels (default: all) were whole once: at once where the store was so before, offline too. Rejects where one is refused. */
  ready(channels?: readonly string[]): Promise<void>;
  /** Resolves when these channels (default: all) follow the server. */
  live(channels?: readonly string[]): Promise<void>;
  readonly status: SyncStatus;
  /** Follows more channels, together. Errors: CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN. */
  attach(channels: readonly ChannelChoice[]): void;
  /** Removes channels and the rows that no other channel holds; resolves when the store has done so. */
  detach(channels: readonly string[]): Promise<void>;
  /**
   * Resolves when everything that the source had committed up to `position` (as its users write it, e.g.
   * `0/16B3748`) and that concerns this sync is in the store. Rejects with CLIENT_REQUEST_REFUSED (unknown
   * source, malformed position), CLIENT_CLOSED, or the signal's reason.
   */
  until(
    source: string,
    position: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
  /** Returns the way to stop it. What a listener throws is logged and goes no further. */
  on<Name extends keyof SyncEvents>(
    name: Name,
    listener: (value: SyncEvents[Name]) => void,
  ): () => void;
  /** Ends following; the store keeps its rows and places. Resolves when nothing is written any more. */
  stop(): Promise<void>;
}

export interface SyncParts {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What is to be stopped with the cast. */
  readonly open: Set<{ stop(): Promise<void> }>;
}

/** Stores that a sync uses now. */
const inUse = new WeakSet<Store>();

export class StoreSync implements Sync, FeedSink {
  readonly collectBytesMax = COLLECT_BYTES_MAX;
  readonly stage = (batches: readonly EntryBatch[]): Promise<void> => this.#stage(batches);
  readonly #store: Store;
  readonly #options: SyncOptions;
  readonly #wire: Wire;
  readonly #open: SyncParts["open"];
  readonly #feed: Feed;
  readonly #follower: Follower<SyncEvents>;
  /** Asked for before the store was open. */
  #wanted: readonly ChannelChoice[];
  #isOpen = false;
  #stopped: Promise<void> | undefined;
  /** Channels whose rows are to be removed, with who waits for it. */
  #leaving = new Map<string, (() => void)[]>();
  readonly #fitness: TableFitness;

  constructor(
    store: Store,
    channels: readonly ChannelChoice[],
    options: SyncOptions,
    parts: SyncParts,
  ) {
    const { wire, clock, random, log } = parts;
    this.#store = store;
    this.#fitness = new TableFitness(store);
    this.#options = options;
    this.#wire = wire;
    this.#open = parts.open;
    this.#wanted = channels;
    this.#feed = new Feed(wire, this, { clock, random, log });
    this.#follower = new Follower(wire, this.#feed, clock, log);
  }

  /** Once. Errors: CLIENT_STORE_IN_USE, CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN. */
  start(): void {
    const names = channelNames(this.#wanted);
    if (inUse.has(this.#store)) {
      throw new AppError(
        "CLIENT_STORE_IN_USE",
        "starting a sync: its store is used by another one",
      );
    }
    this.#wire.claim(this.#feed, names);
    inUse.add(this.#store);
    this.#feed.begin();
  }

  get status(): SyncStatus {
    return this.#follower.status;
  }

  ready(channels?: readonly string[]): Promise<void> {
    return this.#follower.ready(channels);
  }

  live(channels?: readonly string[]): Promise<void> {
    return this.#follower.live(channels);
  }

  until(
    source: string,
    position: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#follower.until(source, position, options.signal);
  }

  on<Name extends keyof SyncEvents>(
    name: Name,
    listener: (value: SyncEvents[Name]) => void,
  ): () => void {
    return this.#follower.listeners.on(name, listener);
  }

  attach(channels: readonly ChannelChoice[]): void {
    this.#mustRun();
    const names = channelNames(channels);
    this.#wire.claim(this.#feed, names);
    if (!this.#isOpen) {
      this.#wanted = [...this.#wanted, ...channels];
      return;
    }
    // One that was refused is tried again, and its tables are looked at again; one that follows stays.
    this.#fitness.forget();
    const known = this.#feed.channels;
    const fresh = names.filter((name) => {
      const state = known.get(name)?.state.name;
      return state === undefined || state === "refused";
    });
    this.#feed.add(
      fresh.map((name) => ({
        held: known.get(name)?.held ?? nothingHeld(name),
        from: beginning(channels, name),
      })),
    );
    this.moved();
  }

  detach(channels: readonly string[]): Promise<void> {
    this.#mustRun();
    const isLeaving = new Set(channels);
    this.#wanted = this.#wanted.filter(
      (choice) => !isLeaving.has(typeof choice === "string" ? choice : choice.channel),
    );
    this.#feed.remove(channels);
    this.#wire.release(this.#feed, channels);
    const done = Promise.all(
      [...isLeaving].map(
        (name) =>
          new Promise<void>((resolve) => {
            this.#leaving.set(name, [...(this.#leaving.get(name) ?? []), resolve]);
          }),
      ),
    );
    this.#feed.after(() => this.#leave());
    this.moved();
    return done.then(() => undefined);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  // -------------------------------------------------------------- as the sink of its feed

  async prepare(): Promise<void> {
    if (!this.#isOpen) await this.#openStore();
    await this.#leave();
  }

  async take(unit: FeedUnit): Promise<void> {
    const refused = await this.#refuseUnfit(
      [...unit.schemas, ...unit.batches.map(({ schema }) => schema)],
      unit.batches,
    );
    const changes = await this.#apply({
      at: unit.at,
      schemas: unit.schemas.filter(({ table }) => !this.#fitness.unfit.has(table)),
      batches: unit.batches.filter(({ channel }) => !refused.has(channel)),
      channels: unit.channels.filter(({ channel }) => !refused.has(channel)),
    });
    if (changes.size > 0) this.#follower.listeners.tell("changed", changes);
    for (const { channel, schema, entries } of unit.batches) {
      if (schema.kind === "state" || refused.has(channel)) continue;
      for (const [serial, , , op] of entries) {
        if (op === "g") this.gap({ channel, from: serial, to: serial });
      }
    }
    this.moved();
  }

  async unstage(channels: readonly string[]): Promise<void> {
    await this.#store.unstage(channels);
  }

  gap(gap: Gap): void {
    this.#follower.listeners.tell("gap", gap);
  }

  moved(): void {
    this.#follower.moved();
  }

  async #apply(unit: StoreUnit): Promise<StoreChanges> {
    try {
      return await this.#store.apply(unit);
    } catch (error) {
      if (error instanceof AppError && error.code === "CLIENT_STORE_FULL") this.#makeRoom();
      throw error;
    }
  }

  /** The channels leave before the unit is tried again: `prepare` sees to it. */
  #makeRoom(): void {
    const held = [...this.#feed.channels.values()].map((channel) => channel.held);
    const names = this.#options.onFull?.(held) ?? [];
    if (names.length > 0) this.detach(names).catch(() => undefined);
  }

  async #openStore(): Promise<void> {
    const kept = new Map<string, KeptChannel>();
    for (const channel of await this.#store.open()) kept.set(channel.channel, channel);
    const wanted = channelNames(this.#wanted);
    if (this.#options.others !== "keep") {
      const others = [...kept.keys()].filter((name) => !wanted.includes(name));
      if (others.length > 0) await this.#store.detach(others);
    }
    this.#isOpen = true;
    this.#feed.add(
      wanted.map((name) => ({
        held: kept.get(name) ?? nothingHeld(name),
        from: beginning(this.#wanted, name),
      })),
    );
    this.moved();
  }

  async #leave(): Promise<void> {
    if (!this.#isOpen || this.#leaving.size === 0) return;
    const leaving = this.#leaving;
    this.#leaving = new Map();
    try {
      const changes = await this.#store.detach([...leaving.keys()]);
      if (changes.size > 0) this.#follower.listeners.tell("changed", changes);
    } catch (error) {
      for (const [name, waiting] of leaving) {
        this.#leaving.set(name, [...waiting, ...(this.#leaving.get(name) ?? [])]);
      }
      throw error;
    }
    for (const waiting of leaving.values()) for (const resolve of waiting) resolve();
  }

  async #stage(batches: readonly EntryBatch[]): Promise<void> {
    const refused = await this.#refuseUnfit(
      batches.map(({ schema }) => schema),
      batches,
    );
    const kept = batches.filter(({ channel }) => !refused.has(channel));
    if (kept.length > 0) await this.#store.stage(kept);
  }

  /** Refuses the channels that bring rows of tables which cannot be kept, and names them. */
  async #refuseUnfit(
    schemas: readonly TableSchema[],
    batches: readonly EntryBatch[],
  ): Promise<ReadonlySet<string>> {
    for (const schema of schemas) await this.#fitness.look(schema);
    const refused = new Set<string>();
    for (const { channel, schema } of batches) {
      const error = this.#fitness.unfit.get(schema.table);
      if (error === undefined) continue;
      refused.add(channel);
      const { code, message, cure } = error;
      this.#feed.refuse(channel, { code, message, ...(cure === undefined ? {} : { cure }) });
    }
    return refused;
  }

  #mustRun(): void {
    if (this.#stopped !== undefined) throw new AppError("CLIENT_CLOSED", "this sync was stopped");
  }

  async #stop(): Promise<void> {
    // First: whoever waits for channels is told of the end, not that none is missing any more.
    this.#follower.stop();
    await this.#feed.stop();
    this.#wire.leave(this.#feed);
    for (const waiting of this.#leaving.values()) for (const resolve of waiting) resolve();
    await this.#store.close();
    inUse.delete(this.#store);
    this.#open.delete(this);
  }
}
