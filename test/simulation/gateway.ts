/**
 * A gateway beside the writer: it reads the same disk, but learns of appends a while later, and holds the
 * sessions of devices. It outlives the writer and begins from the disk when it is restarted itself.
 */
import { Announcer } from "../../src/broker/announcer.js";
import { createContext } from "../../src/broker/create-context.js";
import { Reception } from "../../src/broker/reception.js";
import type { SessionSocket, SocketListener } from "../../src/broker/session-socket.js";
import type { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import type { SeededRandom } from "../support/seeded-random.js";
import { GatewayReader } from "./gateway-reader.js";
import { delayOf } from "./life.js";
import type { Life } from "./life.js";
import { SOURCE } from "./shop.js";

export interface GatewayParts {
  readonly life: Life;
  readonly random: SeededRandom;
  readonly disk: MemoryDisk;
  readonly failed: (error: unknown) => void;
  /** Wrong on purpose: it takes every place for one of its own history. */
  readonly isGullible: boolean;
}

/** Pages of a few rows, so that a catch-up takes several; some units are too much to be sent at once. */
const limits = { pageBytes: 120, deliveryBytesMax: 500 };

export class Gateway {
  readonly reader: GatewayReader;
  readonly #parts: GatewayParts;
  readonly #reception: Reception;
  /** What the writer told, in order, that has not come yet. */
  readonly #feed: (() => void)[] = [];
  #isMoving = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    const { life, random, disk, failed, isGullible } = parts;
    this.reader = new GatewayReader(disk, life, isGullible);
    const { context, failure } = createContext({
      ...{ reader: this.reader, sources: [SOURCE], clock: life, limits },
      parsePosition: (_source, text) => text,
    });
    failure.signal.addEventListener("abort", () => {
      failed(failure.signal.reason);
    });
    this.#reception = new Reception(context, random);
    context.hub.run(new AbortController().signal).catch(failed);
    const announcer = new Announcer(context);
    context.wheel.start(() => {
      announcer.tell().catch(failed);
    });
  }

  get isOver(): boolean {
    return this.#parts.life.isOver;
  }

  /** Nothing is on its way from the writer. */
  get isCaughtUp(): boolean {
    return this.#feed.length === 0;
  }

  kill(): void {
    this.#parts.life.kill();
    this.#feed.length = 0;
  }

  accept(socket: SessionSocket): SocketListener {
    const listener = this.#reception.open(socket);
    const { life } = this.#parts;
    const alive = (run: () => void): void => {
      if (!life.isOver) run();
    };
    return {
      onText: (text, bytes) => {
        alive(() => {
          listener.onText(text, bytes);
        });
      },
      onBinary: () => {
        alive(() => {
          listener.onBinary();
        });
      },
      onAlive: () => {
        alive(() => {
          listener.onAlive();
        });
      },
      onDrained: () => {
        alive(() => {
          listener.onDrained();
        });
      },
      onClosed: (code) => {
        alive(() => {
          listener.onClosed(code);
        });
      },
    };
  }

  /** The writer began a run. */
  runBegan(run: string): void {
    this.#tell(() => {
      this.reader.begin(run);
    });
  }

  released(append: MemoryAppend): void {
    this.#tell(() => {
      this.reader.release(append);
    });
  }

  #tell(what: () => void): void {
    this.#feed.push(what);
    this.#move();
  }

  #move(): void {
    if (this.#isMoving || this.#feed.length === 0) return;
    this.#isMoving = true;
    const { life, random } = this.#parts;
    life.after(delayOf(random), () => {
      this.#isMoving = false;
      this.#feed.shift()?.();
      this.#move();
    });
  }
}
