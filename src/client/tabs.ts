/**
 * One sync for all tabs of a browser: the tab that leads holds the connection and writes the store, the others
 * read the same database and hear of changes. When the leader closes, crashes or freezes, another takes over
 * from the places in the store, so nothing is missed; one that wakes later finds that the store is not its
 * own inside its next transaction, and follows.
 */
import { AppError, errorText } from "../base/errors.js";
import type { Cast, WireCast } from "./client.js";
import { type ChannelChoice, channelNames, nameOf } from "./channel-choice.js";
import { Listeners } from "./listeners.js";
import type { SyncStatus } from "./status.js";
import type { SharedStore } from "./stores/store.js";
import type { Sync, SyncEvents, SyncOptions } from "./sync.js";
import { Election } from "./tab-election.js";
import { TabAsks } from "./tab-asks.js";
import { isLeaders, TabLine, type TabWord } from "./tab-messages.js";
import { TabWaits } from "./tab-waits.js";
import type { Wire } from "./wire.js";

export interface TabSync extends Sync {
  /** This tab holds the connection. */
  readonly leads: boolean;
}

export type TabSyncOptions = Pick<SyncOptions, "onFull"> & {
  /** Tabs with the same name share one sync. Default: the database's name; name the user where several sign in. */
  readonly name?: string;
};

const UNKNOWN: SyncStatus = {
  connection: { state: "connecting" },
  staleSources: new Map(),
  channels: new Map(),
};

/**
 * Follows the channels in whichever tab leads, together with what the other tabs want. Channels that no tab
 * wants stay in the store as they are. Errors: as `sync` of the cast.
 */
export function syncTabs(
  cast: Cast,
  store: SharedStore,
  channels: readonly ChannelChoice[],
  options: TabSyncOptions = {},
): TabSync {
  channelNames(channels);
  const shared = new SharedSync(cast, store, channels, options);
  shared.start();
  return shared;
}

class SharedSync implements TabSync {
  readonly #cast: Cast;
  readonly #store: SharedStore;
  readonly #options: TabSyncOptions;
  readonly #wire: Wire;
  readonly #line: TabLine;
  readonly #election: Election;
  readonly #asks: TabAsks;
  readonly #waits: TabWaits;
  readonly #listeners: Listeners<SyncEvents>;
  readonly #wanted = new Map<string, ChannelChoice>();
  /** What the other tabs said that they want, as far as this one has heard. */
  readonly #others = new Map<string, readonly ChannelChoice[]>();
  #status: SyncStatus = UNKNOWN;
  #sync: Sync | undefined;
  #stopped: Promise<void> | undefined;
  readonly #unwatch: () => void;

  constructor(
    cast: Cast,
    store: SharedStore,
    channels: readonly ChannelChoice[],
    options: TabSyncOptions,
  ) {
    this.#cast = cast;
    this.#store = store;
    this.#options = options;
    this.#wire = (cast as WireCast).wire;
    const { clock, random, log } = this.#wire;
    const name = `changecast:${options.name ?? store.name}`;
    const id = `${clock.now().toString(36)}-${random.next().toString(36).slice(2)}`;
    for (const choice of channels) this.#wanted.set(nameOf(choice), choice);
    this.#listeners = new Listeners(log);
    this.#waits = new TabWaits(() => this.#status);
    this.#line = new TabLine(name, id, (word, from) => {
      this.#heard(word, from);
    });
    this.#asks = new TabAsks(id, (word) => {
      this.#line.say(word);
    });
    this.#election = new Election({
      ...{ name, clock, random },
      ping: () => {
        this.#line.say({ t: "ping" });
      },
      lead: (lost) => this.#lead(lost),
      failed: (error) => {
        log.error("client.tab.lead.failed", { error: errorText(error) });
      },
    });
    this.#unwatch = whenShown(() => {
      this.#refresh();
    });
  }

  start(): void {
    this.#wire.open.add(this);
    this.#election.start();
    this.#sayWants();
  }

  get leads(): boolean {
    return this.#sync !== undefined;
  }

  get status(): SyncStatus {
    return this.#status;
  }

  ready(channels?: readonly string[]): Promise<void> {
    return this.#waits.ready(channels ?? [...this.#wanted.keys()]);
  }

  live(channels?: readonly string[]): Promise<void> {
    return this.#waits.live(channels ?? [...this.#wanted.keys()]);
  }

  async until(
    source: string,
    position: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#mustRun();
    await this.#asks.ask({ ask: "until", source, position }, signal);
  }

  attach(channels: readonly ChannelChoice[]): void {
    this.#mustRun();
    channelNames(channels);
    for (const choice of channels) this.#wanted.set(nameOf(choice), choice);
    this.#sayWants();
    this.#sync?.attach(channels);
  }

  async detach(channels: readonly string[]): Promise<void> {
    this.#mustRun();
    for (const name of channels) this.#wanted.delete(name);
    this.#sayWants();
    await this.#asks.ask({ ask: "detach", channels }, undefined);
  }

  on<Name extends keyof SyncEvents>(
    name: Name,
    listener: (value: SyncEvents[Name]) => void,
  ): () => void {
    return this.#listeners.on(name, listener);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  // -------------------------------------------------------------- while this tab leads

  async #lead(lost: AbortSignal): Promise<void> {
    const wanted = new Map(this.#wanted);
    for (const choices of this.#others.values()) {
      for (const choice of choices) wanted.set(nameOf(choice), choice);
    }
    const { onFull } = this.#options;
    const sync = this.#cast.sync(this.#store, [...wanted.values()], {
      others: "keep",
      ...(onFull === undefined ? {} : { onFull }),
    });
    this.#sync = sync;
    try {
      this.#begin(sync);
      await new Promise<void>((resolve) => {
        if (lost.aborted) resolve();
        lost.addEventListener("abort", () => {
          resolve();
        });
      });
    } finally {
      this.#sync = undefined;
      this.#asks.follow();
      await sync.stop();
    }
    // A new leader may have asked while this tab was not listening.
    this.#sayWants();
    this.#asks.again();
  }

  #begin(sync: Sync): void {
    sync.on("status", (status) => {
      this.#tellStatus(status);
    });
    sync.on("changed", (changes) => {
      this.#line.say({ t: "changed", changes });
      this.#listeners.tell("changed", changes);
    });
    sync.on("gap", (gap) => {
      this.#line.say({ t: "gap", gap });
      this.#listeners.tell("gap", gap);
    });
    this.#line.say({ t: "lead" });
    this.#asks.lead(sync, (names) => this.#leave(names, sync));
    this.#refresh();
  }

  #tellStatus(status: SyncStatus): void {
    if (this.#sync === undefined) return;
    if (status.trouble?.code === "CLIENT_STORE_TAKEN") {
      this.#election.yield();
      return;
    }
    this.#moved(status);
    this.#line.say({ t: "status", status });
  }

  /** What no other tab wants leaves the store. */
  async #leave(channels: readonly string[], sync: Sync): Promise<void> {
    const others = [...this.#others.values()].flatMap((choices) => channelNames(choices));
    const isWanted = new Set([...this.#wanted.keys(), ...others]);
    const leaving = channels.filter((name) => !isWanted.has(name));
    if (leaving.length > 0) await sync.detach(leaving);
  }

  // -------------------------------------------------------------- what other tabs say

  #heard(word: TabWord, from: string): void {
    if (isLeaders(word) && this.#sync === undefined) this.#election.heard();
    switch (word.t) {
      case "want":
        this.#others.set(from, word.channels);
        this.#serve(word.channels);
        return;
      case "bye":
        this.#others.delete(from);
        return;
      case "ping":
        if (this.#sync !== undefined) this.#line.say({ t: "pong" });
        return;
      case "ask":
        this.#asks.answer(word, from);
        return;
      case "answer":
        this.#asks.answered(word);
        return;
      case "pong":
        return;
      default:
        // Two leaders for a moment: the store decides, and what the other says is not ours.
        if (this.#sync === undefined) this.#follow(word);
    }
  }

  #follow(word: Extract<TabWord, { t: "lead" | "status" | "changed" | "gap" }>): void {
    switch (word.t) {
      case "lead":
        this.#sayWants();
        this.#asks.again();
        this.#refresh();
        return;
      case "status":
        this.#moved(word.status);
        return;
      case "changed":
        this.#store.heard(word.changes);
        this.#listeners.tell("changed", word.changes);
        return;
      case "gap":
        this.#listeners.tell("gap", word.gap);
    }
  }

  #serve(channels: readonly ChannelChoice[]): void {
    if (this.#sync === undefined) return;
    const known = this.#sync.status.channels;
    const fresh = channels.filter((choice) => !known.has(nameOf(choice)));
    if (fresh.length > 0) this.#sync.attach(fresh);
    this.#line.say({ t: "status", status: this.#sync.status });
  }

  #moved(status: SyncStatus): void {
    this.#status = status;
    this.#waits.look();
    this.#listeners.tell("status", status);
  }

  #sayWants(): void {
    if (!this.#isStopped && this.#sync === undefined)
      this.#line.say({ t: "want", channels: [...this.#wanted.values()] });
  }

  /** What a leader did before it went, or while this tab slept, may never have been heard: look again. */
  #refresh(): void {
    this.#sayWants();
    this.#store.lookAgain().catch((error: unknown) => {
      this.#wire.log.warn("client.tab.refresh.failed", { error: errorText(error) });
    });
  }

  get #isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  #mustRun(): void {
    if (this.#isStopped) throw new AppError("CLIENT_CLOSED", "this sync was stopped");
  }

  async #stop(): Promise<void> {
    this.#unwatch();
    this.#line.say({ t: "bye" });
    const closed = new AppError("CLIENT_CLOSED", "this sync was stopped");
    this.#waits.close(closed);
    this.#asks.close(closed);
    await this.#election.stop();
    this.#line.close();
    await this.#store.close();
    this.#wire.open.delete(this);
  }
}

/** Calls `shown` when the page is looked at again. Returns the way to stop it. */
function whenShown(shown: () => void): () => void {
  const { document } = globalThis as {
    readonly document?: EventTarget & { readonly visibilityState: string };
  };
  const look = (): void => {
    if (document?.visibilityState === "visible") shown();
  };
  const names = ["visibilitychange", "resume"];
  for (const name of names) document?.addEventListener(name, look);
  return () => {
    for (const name of names) document?.removeEventListener(name, look);
  };
}
