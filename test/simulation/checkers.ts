/**
 * Who looks at a simulation: one checker per invariant, each on its own, told of everything that crosses a
 * boundary. The first violation ends the run.
 */
import type { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import type { TransactionBatch } from "../../src/model/change.js";
import type { KeptChannel, StoreUnit } from "../../src/client/stores/store.js";
import type { ClientFrame, ServerFrame } from "../../src/protocol/frames.js";
import type { Device } from "./device.js";
import type { JournalModel } from "./journal-model.js";
import type { Connection, ConnectionWatch } from "./network.js";
import type { RuleSet, Shop } from "./shop.js";
import type { Scheduler } from "./scheduler.js";

/** Where a source session began. */
export interface Opened {
  readonly history: string;
  readonly after: string;
}

export interface Gap {
  readonly channel: string;
  readonly from: number;
  readonly to: number;
}

/** What a checker may look at. */
export interface Scene {
  readonly shop: Shop;
  readonly disk: MemoryDisk;
  readonly model: JournalModel;
  readonly scheduler: Scheduler;
}

export type Violated = (what: string) => void;

/** Each method is told of one kind of thing; a checker has those that it needs. */
export interface Checker {
  opened?(generation: number, at: Opened): void;
  yielded?(batch: TransactionBatch): void;
  /** The source may forget what came up to the position. */
  acknowledged?(history: string, position: string): void;
  /** An append is on the disk. */
  durable?(append: MemoryAppend, set: RuleSet): void;
  /** The way back to what it knows now, for when the disk is put back too. */
  save?(): () => void;
  said?(connection: Connection, frame: ClientFrame): void;
  sent?(connection: Connection, frame: ServerFrame): void;
  heard?(connection: Connection, frame: ServerFrame): void;
  waiting?(connection: Connection, bytes: number): void;
  applied?(device: Device, unit: StoreUnit): void;
  reopened?(device: Device, kept: readonly KeptChannel[]): void;
  detached?(device: Device, channels: readonly string[]): void;
  gap?(device: Device, gap: Gap): void;
  /** Everything has come to rest. */
  settled?(devices: readonly Device[], set: RuleSet): void;
}

export type MakeChecker = (scene: Scene, violated: Violated) => Checker;

export interface Violation {
  readonly checker: string;
  readonly what: string;
}

export class Checkers {
  #violation: Violation | undefined;
  readonly #scene: Scene;
  readonly #list: readonly Checker[];

  /** `makers` by the name of the invariant. */
  constructor(scene: Scene, makers: ReadonlyMap<string, MakeChecker>) {
    this.#scene = scene;
    this.#list = [...makers].map(([checker, make]) =>
      make(scene, (what) => {
        this.violated(checker, what);
      }),
    );
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  violated(checker: string, what: string): void {
    this.#violation ??= { checker, what };
  }

  opened(generation: number, at: Opened): void {
    for (const checker of this.#list) checker.opened?.(generation, at);
  }

  yielded(batch: TransactionBatch): void {
    for (const checker of this.#list) checker.yielded?.(batch);
  }

  acknowledged(history: string, position: string): void {
    for (const checker of this.#list) checker.acknowledged?.(history, position);
  }

  durable(append: MemoryAppend, set: RuleSet): void {
    this.#scene.model.durable(append);
    for (const checker of this.#list) checker.durable?.(append, set);
  }

  /** A copy of the disk is made; the result takes the checkers back to it. */
  save(): () => void {
    const { model, disk } = this.#scene;
    const { log } = disk;
    const back = this.#list.map((checker) => checker.save?.());
    return () => {
      model.restored(log);
      for (const restore of back) restore?.();
    };
  }

  /** Follows one connection. */
  watch(connection: Connection): ConnectionWatch {
    const underWay: (readonly ServerFrame[])[] = [];
    return {
      said: (text) => {
        for (const frame of framesOf<ClientFrame>(text)) {
          for (const checker of this.#list) checker.said?.(connection, frame);
        }
      },
      sent: (text) => {
        const frames = framesOf<ServerFrame>(text);
        underWay.push(frames);
        for (const frame of frames) {
          for (const checker of this.#list) checker.sent?.(connection, frame);
        }
      },
      heard: () => {
        for (const frame of underWay.shift() ?? []) {
          for (const checker of this.#list) checker.heard?.(connection, frame);
        }
      },
      waiting: (bytes) => {
        for (const checker of this.#list) checker.waiting?.(connection, bytes);
      },
    };
  }

  applied(device: Device, unit: StoreUnit): void {
    for (const checker of this.#list) checker.applied?.(device, unit);
  }

  reopened(device: Device, kept: readonly KeptChannel[]): void {
    for (const checker of this.#list) checker.reopened?.(device, kept);
  }

  detached(device: Device, channels: readonly string[]): void {
    for (const checker of this.#list) checker.detached?.(device, channels);
  }

  gap(device: Device, gap: Gap): void {
    for (const checker of this.#list) checker.gap?.(device, gap);
  }

  settled(devices: readonly Device[], set: RuleSet): void {
    for (const checker of this.#list) checker.settled?.(devices, set);
  }
}

/** Without the codec's checks: they are what is looked at. */
function framesOf<Frame>(text: string): Frame[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Frame);
}
