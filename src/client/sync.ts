/**
 * Keeps a store in step with channels: opens it, applies units, tells what changed. Tables that cannot be
 * kept refuse their channels; the others go on.
 */
import { AppError } from "../base/errors.js";
import type { TableSchema } from "../model/table.js";
import { beginning, type ChannelChoice, channelNames, nameOf } from "./channel-choice.js";
import type { FeedUnit, Gap } from "./feed-sink.js";
import { Follower, nothingHeld } from "./follower.js";
import { causeOf, type SyncStatus } from "./status.js";
import type { EntryBatch, KeptChannel, Store, StoreChanges, StoreUnit } from "./stores/store.js";
import type { Wire } from "./wire.js";

/** Entries of ready channels in memory, as the wire counts them; above it they are staged (PROTOCOL.md, section 6). */
const COLLECT_BYTES_MAX = 16 * 1024 * 1024;

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

interface Leaving {
  readonly channels: readonly string[];
  readonly resolve: () => void;
}

/** Stores that a sync uses now. */
const inUse = new WeakSet<Store>();

export class StoreSync extends Follower<SyncEvents> implements Sync {
  readonly collectBytesMax = COLLECT_BYTES_MAX;
  readonly #store: Store;
  readonly #options: SyncOptions;
  /** Asked for before the store was open. */
  #wanted: readonly ChannelChoice[];
  #isOpen = false;
  /** Channels whose rows are to be removed, with who waits for it. */
  readonly #leaving = new Set<Leaving>();
  /** Those of them that lost their turn. */
  #late: readonly Leaving[] = [];

  constructor(store: Store, channels: readonly ChannelChoice[], options: SyncOptions, wire: Wire) {
    super(wire);
    this.#store = store;
    this.#options = options;
    this.#wanted = channels;
  }

  /** Once. Errors: CLIENT_STORE_IN_USE, CLIENT_CHANNEL_INVALID, CLIENT_CHANNEL_TAKEN. */
  start(): void {
    const names = channelNames(this.#wanted);
    if (inUse.has(this.#store)) {
      throw new AppError("CLIENT_STORE_IN_USE", "another sync uses the store");
    }
    this.wire.claim(this.feed, names);
    inUse.add(this.#store);
    this.feed.begin();
  }

  attach(channels: readonly ChannelChoice[]): void {
    this.mustRun();
    const names = channelNames(channels);
    this.wire.claim(this.feed, names);
    if (!this.#isOpen) {
      this.#wanted = [...this.#wanted, ...channels];
      return;
    }
    // One that was refused is tried again; one that follows stays.
    const known = this.feed.channels;
    const fresh = names.filter((name) => (known.get(name)?.state.name ?? "refused") === "refused");
    this.#add(fresh, channels, (name) => known.get(name)?.held);
  }

  async detach(channels: readonly string[]): Promise<void> {
    this.mustRun();
    this.#wanted = this.#wanted.filter((choice) => !channels.includes(nameOf(choice)));
    this.feed.remove(channels);
    this.wire.release(this.feed, channels);
    await new Promise<void>((resolve) => {
      const leaving = { channels, resolve };
      this.#leaving.add(leaving);
      this.feed.queue.push(0, () => this.#leave([leaving]));
      this.moved();
    });
  }

  // -------------------------------------------------------------- as the sink of its feed

  async prepare(): Promise<void> {
    if (!this.#isOpen) await this.#openStore();
    await this.#leave(this.#late);
  }

  failed(): void {
    this.#late = [...this.#leaving];
  }

  async take({ at, schemas, batches, channels }: FeedUnit): Promise<void> {
    const { unfit, refused } = await this.#refuseUnfit(schemas, batches);
    const isKept = ({ channel }: { readonly channel: string }): boolean => !refused.has(channel);
    const kept = batches.filter(isKept);
    this.#tell(
      await this.#apply({
        at,
        schemas: schemas.filter(({ table }) => !unfit.has(table)),
        batches: kept,
        channels: channels.filter(isKept),
      }),
    );
    for (const batch of kept) this.gapsOf(batch);
  }

  async stage(batches: readonly EntryBatch[]): Promise<void> {
    const { refused } = await this.#refuseUnfit([], batches);
    const kept = batches.filter(({ channel }) => !refused.has(channel));
    if (kept.length > 0) await this.#store.stage(kept);
  }

  unstage(channels: readonly string[]): Promise<void> {
    return this.#store.unstage(channels);
  }

  protected async ended(): Promise<void> {
    for (const { resolve } of this.#leaving) resolve();
    await this.#store.close();
    inUse.delete(this.#store);
  }

  #tell(changes: StoreChanges): void {
    if (changes.size > 0) this.listeners.tell("changed", changes);
  }

  #add(
    names: readonly string[],
    choices: readonly ChannelChoice[],
    held: (name: string) => KeptChannel | undefined,
  ): void {
    this.feed.add(
      names.map((name) => ({
        held: held(name) ?? nothingHeld(name),
        from: beginning(choices, name),
      })),
    );
    this.moved();
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
    const held = [...this.feed.channels.values()].map((channel) => channel.held);
    const names = this.#options.onFull?.(held) ?? [];
    if (names.length > 0) this.detach(names).catch(() => undefined);
  }

  async #openStore(): Promise<void> {
    const opened = await this.#store.open();
    const kept = new Map(opened.map((one) => [one.channel, one]));
    if (this.#options.others !== "keep") {
      const wanted = channelNames(this.#wanted);
      const others = [...kept.keys()].filter((name) => !wanted.includes(name));
      for (const name of others) kept.delete(name);
      if (others.length > 0) await this.#store.detach(others);
    }
    this.#isOpen = true;
    // The list may have grown meanwhile.
    this.#add(channelNames(this.#wanted), this.#wanted, (name) => kept.get(name));
  }

  /**
   * What fails is tried again. Each goes in its turn, not with one before it: between them a unit may wait that
   * still brings the channel.
   */
  async #leave(asked: readonly Leaving[]): Promise<void> {
    const leaving = asked.filter((one) => this.#leaving.has(one));
    if (!this.#isOpen || leaving.length === 0) return;
    this.#tell(await this.#store.detach(leaving.flatMap(({ channels }) => channels)));
    for (const one of leaving) {
      this.#leaving.delete(one);
      one.resolve();
    }
  }

  /** Refuses the channels that bring rows of tables which cannot be kept, and names both. */
  async #refuseUnfit(
    schemas: readonly TableSchema[],
    batches: readonly EntryBatch[],
  ): Promise<{
    readonly unfit: ReadonlyMap<string, AppError>;
    readonly refused: ReadonlySet<string>;
  }> {
    const unfit = new Map<string, AppError>();
    for (const schema of new Set([...schemas, ...batches.map((batch) => batch.schema)])) {
      try {
        await this.#store.check(schema);
      } catch (error) {
        if (!(error instanceof AppError) || !error.code.startsWith("CLIENT_TABLE_")) throw error;
        unfit.set(schema.table, error);
      }
    }
    const refused = new Set<string>();
    for (const { channel, schema } of batches) {
      const error = unfit.get(schema.table);
      if (error === undefined) continue;
      refused.add(channel);
      this.feed.refuse(channel, causeOf(error));
    }
    return { unfit, refused };
  }
}
