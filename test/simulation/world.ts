/**
 * One simulation: a scripted database, the writer, two gateways, devices and the network between, all of
 * one seed. Things happen for a while, with faults between any two steps; then everything is left in peace
 * and must come to rest where the tables are.
 */
import { AppError, errorText } from "../../src/base/errors.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import { SeededRandom } from "../support/seeded-random.js";
import { Checkers } from "./checkers.js";
import type { MakeChecker } from "./checkers.js";
import { Device } from "./device.js";
import { Gateway } from "./gateway.js";
import { JournalModel } from "./journal-model.js";
import { Life } from "./life.js";
import { Network } from "./network.js";
import type { NetworkParts } from "./network.js";
import { Scheduler } from "./scheduler.js";
import { allChannels, ruleSets, Shop, SOURCE } from "./shop.js";
import type { RuleSet } from "./shop.js";
import { Writer } from "./writer.js";
import type { WriterMutation } from "./writer.js";
import type { DeviceParts } from "./device.js";

const GATEWAYS = 2;
const DEVICES = 2;
/** Of so many seeds one has chains of writes behind its chunks. */
const CHAINED = 8;
/** A process that died is started again after this. */
const RESTART_MS_MAX = 60;

/** What a canary makes wrong. */
export interface Mutation {
  readonly writer?: WriterMutation;
  readonly network?: Partial<Pick<NetworkParts, "alter" | "shows">>;
  readonly device?: Partial<Pick<DeviceParts, "alter">>;
  /** `accepts`: takes every place for one of its own history. */
  readonly gateway?: { readonly accepts: boolean };
}

export interface WorldOptions {
  readonly seed: number;
  readonly makers: ReadonlyMap<string, MakeChecker>;
  readonly mutation?: Mutation;
}

export class World {
  readonly random: SeededRandom;
  readonly scheduler = new Scheduler();
  readonly disk = new MemoryDisk();
  readonly shop: Shop;
  readonly checkers: Checkers;
  readonly network: Network;
  readonly devices: readonly Device[];
  readonly gateways: (Gateway | undefined)[] = [];
  /** What was done, for a person who looks for the reason of a failure. */
  readonly story: string[] = [];
  readonly #mutation: Mutation;
  #writer: Writer | undefined;
  #set: RuleSet = ruleSets[0];
  #backup: { readonly disk: MemoryDisk; readonly back: () => void } | undefined;

  constructor({ seed, makers, mutation = {} }: WorldOptions) {
    const { scheduler, disk } = this;
    this.#mutation = mutation;
    const random = new SeededRandom(seed);
    this.random = random;
    // Drawn apart: all other seeds do what they always did.
    const chains = seed % CHAINED === 1 ? new SeededRandom(~seed) : undefined;
    this.shop = new Shop(random, scheduler, chains);
    const model = new JournalModel();
    const checkers = new Checkers({ shop: this.shop, disk, model, scheduler }, makers);
    this.checkers = checkers;
    this.shop.source.onRelease = (history, position) => {
      checkers.acknowledged(history, position);
    };
    const network = new Network({
      ...{ scheduler, random, watch: (connection) => checkers.watch(connection) },
      accept: (socket, connection) => {
        const gateway = random.pick(this.gateways);
        connection.host = gateway;
        return gateway?.accept(socket);
      },
      alter: (text) => text,
      shows: (bytes) => bytes,
      ...mutation.network,
    });
    this.network = network;
    this.devices = Array.from({ length: DEVICES }, (_, at) => {
      const name = `device ${at}`;
      const newLife = (): Life => new Life(scheduler, random);
      const parts = { name, random, network, checkers, newLife, alter: same, ...mutation.device };
      const channels = allChannels.filter(() => random.below(4) > 0);
      return new Device(parts, channels);
    });
  }

  get writer(): Writer | undefined {
    return this.#writer;
  }

  get set(): RuleSet {
    return this.#set;
  }

  tell(what: string): void {
    this.story.push(`${Math.round(this.scheduler.monotonic())} ms ${what}`);
  }

  /** Milliseconds until something is started again. */
  soon(): number {
    return this.random.below(RESTART_MS_MAX);
  }

  // ------------------------------------------------------------ processes

  startAll(): void {
    // A journal that was never written names no run, and no place can be kept in it.
    this.startWriter();
    for (let at = 0; at < GATEWAYS; at += 1) this.startGateway(at);
    for (const device of this.devices) device.start();
  }

  startWriter(): void {
    const life = new Life(this.scheduler, this.random);
    const { random, shop, disk, checkers } = this;
    const writer = new Writer({
      ...{ life, random, shop, disk, checkers, set: this.#set },
      mutate: this.#mutation.writer ?? {},
      released: (append) => {
        if (!life.isOver) this.#released(append);
      },
      ended: (error) => {
        this.#ended(writer, error);
      },
    });
    this.#writer = writer;
    for (const gateway of this.gateways) gateway?.runBegan(writer.journal.run);
    writer.start();
  }

  /** The writer dies now, and another one starts a while later. */
  restartWriter(meanwhile: () => void = () => undefined): void {
    if (this.#writer === undefined) return;
    this.#writer.kill();
    this.#writer = undefined;
    this.scheduler.after(this.soon(), () => {
      meanwhile();
      this.startWriter();
    });
  }

  startGateway(at: number): void {
    const life = new Life(this.scheduler, this.random);
    const { random, disk } = this;
    const failed = (error: unknown): void => {
      if (!life.isOver) this.checkers.violated("gateway", errorText(error));
    };
    const isGullible = this.#mutation.gateway?.accepts === true;
    this.gateways[at] = new Gateway({ life, random, disk, failed, isGullible });
  }

  killGateway(at: number): void {
    const gateway = this.gateways[at];
    if (gateway === undefined) return;
    gateway.kill();
    this.gateways[at] = undefined;
    for (const connection of this.network.connections) {
      if (connection.host === gateway) connection.orphan();
    }
  }

  /** Of the journal's files, with what the checkers know of them. */
  backUp(): void {
    this.#backup = { disk: this.disk.copy(), back: this.checkers.save() };
  }

  /** Every process that reads the journal stops, and begins again with the backup. */
  restore(): void {
    if (this.#backup === undefined || this.#writer === undefined) return;
    const backup = this.#backup;
    for (let at = 0; at < GATEWAYS; at += 1) this.killGateway(at);
    this.restartWriter(() => {
      this.disk.restore(backup.disk);
      backup.back();
      this.#backup = undefined;
      for (let at = 0; at < GATEWAYS; at += 1) this.startGateway(at);
    });
  }

  changeRules(set: RuleSet): void {
    this.#set = set;
    this.restartWriter();
  }

  #released(append: MemoryAppend): void {
    for (const gateway of this.gateways) gateway?.released(append);
  }

  /** Only what the disk was made to fail with ends the process. */
  #ended(writer: Writer, error: unknown): void {
    if (!(error instanceof AppError) || error.code !== "JOURNAL_WRITE_FAILED") {
      this.checkers.violated("writer", error instanceof Error ? `${error.stack}` : String(error));
    }
    if (this.#writer !== writer) return;
    this.#writer = undefined;
    this.tell("the writer ended, its disk failed");
    this.scheduler.after(this.soon(), () => {
      this.startWriter();
    });
  }

  // ------------------------------------------------------------ rest

  /** No more faults: whatever is broken is mended. */
  heal(): void {
    this.tell("peace");
    if (this.#writer !== undefined)
      Object.assign(this.#writer, { flushDelayMs: 0, failsSource: false });
    for (const device of this.devices) device.failsStore = false;
    for (const connection of this.network.connections) connection.slow(0);
  }

  /** What has not come to rest; undefined once everybody stands where the tables are. */
  get unrest(): string | undefined {
    const { source } = this.shop;
    const { disk } = this;
    const held = disk.positions.get(SOURCE);
    if (this.#writer?.hasOpened !== true) return "no writer reads the source";
    if (held?.memo !== source.history || held.position !== source.head) {
      return `the disk stands at ${JSON.stringify(held)}, the source at ${source.head}`;
    }
    if (disk.copying.length > 0) return `rules are copied: ${JSON.stringify(disk.copying)}`;
    for (const gateway of this.gateways) {
      const isThere = gateway?.isCaughtUp === true && gateway.reader.notice.log === disk.log;
      if (!isThere) return "a gateway is behind";
    }
    for (const device of this.devices) {
      const what = this.#unrestOf(device);
      if (what !== undefined) return `${device.name}: ${what}`;
    }
    return undefined;
  }

  #unrestOf(device: Device): string | undefined {
    const { sync, kept, channels } = device;
    if (sync === undefined) return "it does not run";
    // What a lost part of the journal left may stand at the same serial.
    if (device.isBusy) return "its store works";
    if (kept.size !== channels.size) return `it holds ${kept.size} channels of ${channels.size}`;
    const place = (channel: string): string => JSON.stringify(kept.get(channel)?.place);
    for (const channel of channels) {
      const head = this.disk.heads.get(channel)?.serial ?? 0;
      const held = kept.get(channel);
      if (held?.ready !== true || held.place.serial !== head) {
        return `${channel} stands at ${place(channel)} of ${head}`;
      }
    }
    const { channels: told } = sync.status;
    for (const channel of channels) {
      const state = told.get(channel)?.state ?? "unknown";
      if (state !== "live") return `${channel} is ${state} at ${place(channel)}`;
    }
    return undefined;
  }
}

function same<T>(value: T): T {
  return value;
}
