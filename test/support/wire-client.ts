/**
 * A client of the wire protocol as PROTOCOL.md describes it, over any way to send and receive text. Holds
 * rows per channel, applies what takes effect, and throws where a rule of the page is broken: a hole, a
 * commit that goes back, an entry before its schema. Knows nothing of src/client.
 */
import { encodeClientFrame, parseServerMessage } from "../../src/protocol/client-codec.js";
import type {
  AttachChannel,
  AttachedHow,
  ChangesFrame,
  ClientFrame,
  CommitFrame,
  PageFrame,
  ServerFrame,
  WireEntry,
} from "../../src/protocol/frames.js";
import type { Place } from "../../src/model/place.js";

export interface HeldChannel {
  stage: "attaching" | "loading" | "collecting" | "ready";
  request: number;
  epoch: number;
  serial: number;
  log: number;
  how: AttachedHow | undefined;
  replaces: boolean;
  isPaged: boolean;
  collected: { frame: ChangesFrame; entry: WireEntry }[];
  /** Rows by key; of events by serial. */
  rows: Map<number, string>;
  pages: number;
  entries: number;
}

export class WireClient {
  readonly frames: ServerFrame[] = [];
  readonly channels = new Map<string, HeldChannel>();
  run = "";
  at = 0;
  commits = 0;
  /** Called after each commit was applied. */
  onCommit: (client: WireClient, frame: CommitFrame) => void = () => undefined;
  readonly #send: (text: string) => void;
  readonly #schemas = new Set<string>();
  #waiting: { test: () => boolean; done: () => void; fail: (error: Error) => void }[] = [];
  #failure: Error | undefined;
  #nextId = 1;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  // ------------------------------------------------------------ asking

  say(...frames: ClientFrame[]): void {
    this.#send(frames.map(encodeClientFrame).join("\n"));
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** `rows` that the client holds already belong to a place in `from`. */
  attach(channels: readonly AttachChannel[]): number {
    const id = this.nextId();
    for (const { channel, from, loading } of channels) {
      const before = this.channels.get(channel);
      const isPlace = typeof from === "object" && "epoch" in from;
      this.channels.set(channel, {
        stage: "attaching",
        request: id,
        epoch: isPlace ? from.epoch : 0,
        serial: isPlace ? from.serial : 0,
        log: isPlace ? from.log : 0,
        how: undefined,
        replaces: false,
        isPaged: loading === true || !isPlace,
        collected: [],
        rows: new Map<number, string>(isPlace ? before?.rows : undefined),
        pages: 0,
        entries: 0,
      });
    }
    this.say({ t: "attach", id, channels });
    return id;
  }

  place(channel: string): Place {
    const held = this.held(channel);
    return { epoch: held.epoch, serial: held.serial, log: held.log, run: this.run };
  }

  held(channel: string): HeldChannel {
    const held = this.channels.get(channel);
    if (held === undefined) throw new Error(`${channel} is not attached`);
    return held;
  }

  rows(channel: string): Record<number, string> {
    return Object.fromEntries([...this.held(channel).rows].sort(([a], [b]) => a - b));
  }

  find<T extends ServerFrame["t"]>(t: T): Extract<ServerFrame, { t: T }>[] {
    return this.frames.filter((frame): frame is Extract<ServerFrame, { t: T }> => frame.t === t);
  }

  /** Resolves once `test` holds; asked after every message. Rejects once a rule was broken. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ test, done: resolve, fail: reject });
      this.wake();
    });
  }

  ready(...channels: string[]): Promise<void> {
    return this.until(() => channels.every((name) => this.held(name).stage === "ready"));
  }

  // ------------------------------------------------------------ hearing

  hear(text: string): void {
    try {
      for (const frame of parseServerMessage(text)) {
        this.frames.push(frame);
        this.#act(frame);
      }
    } catch (error) {
      this.#failure ??= error as Error;
    }
    this.wake();
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (this.#failure !== undefined) waiter.fail(this.#failure);
      else if (waiter.test()) waiter.done();
      else this.#waiting.push(waiter);
    }
  }

  #act(frame: ServerFrame): void {
    if (frame.t === "welcome") this.run = frame.run;
    else if (frame.t === "schema") this.#schemas.add(`${frame.table}@${frame.version}`);
    else if (frame.t === "attached") this.#attached(frame);
    else if (frame.t === "changes") this.#collect(frame);
    else if (frame.t === "page") this.#page(frame);
    else if (frame.t === "commit") this.#commit(frame);
    else if (frame.t === "error") {
      for (const name of frame.channels ?? []) {
        const held = this.channels.get(name);
        if (frame.id === undefined || held?.request === frame.id) this.channels.delete(name);
      }
    }
  }

  #attached(frame: Extract<ServerFrame, { t: "attached" }>): void {
    for (const told of frame.channels) {
      const held = this.channels.get(told.channel);
      if (held?.request !== frame.id) continue;
      if (held.stage === "attaching") held.stage = held.isPaged ? "loading" : "collecting";
      held.how = told.how;
      held.epoch = told.epoch;
      held.serial = told.after;
      held.collected = [];
      held.replaces = told.how === "snapshot";
    }
  }

  #collect(frame: ChangesFrame): void {
    const held = this.channels.get(frame.channel);
    if (held === undefined || held.stage === "attaching") return;
    if (!this.#schemas.has(`${frame.table}@${frame.schema}`)) {
      throw new Error(`an entry of ${frame.table}@${frame.schema} came before its schema`);
    }
    for (const entry of frame.entries) held.collected.push({ frame, entry });
  }

  #page(frame: PageFrame): void {
    const held = this.channels.get(frame.channel);
    if (held === undefined || held.stage === "attaching") return;
    if (held.stage !== "loading") throw new Error(`a page for ${frame.channel}: ${held.stage}`);
    held.pages += 1;
    this.#apply(frame.channel, held, frame);
    held.log = frame.log;
  }

  #commit(frame: CommitFrame): void {
    if (frame.at < this.at) throw new Error(`commit went back from ${this.at} to ${frame.at}`);
    if (frame.run !== undefined) this.run = frame.run;
    if (this.commits === 0 && frame.run === undefined) throw new Error("first commit without run");
    this.at = frame.at;
    for (const name of frame.ready ?? []) {
      const held = this.channels.get(name);
      if (held !== undefined && held.stage !== "attaching") held.stage = "ready";
    }
    for (const [name, epoch, from, to] of frame.moved) {
      const held = this.channels.get(name);
      if (held === undefined || held.stage === "attaching") continue;
      if (held.stage !== "ready") throw new Error(`${name} moved while ${held.stage}`);
      this.#apply(name, held, { epoch, from, to });
    }
    for (const held of this.channels.values()) if (held.stage === "ready") held.log = frame.at;
    this.commits += 1;
    this.onCommit(this, frame);
  }

  #apply(
    name: string,
    held: HeldChannel,
    range: { epoch: number; from: number; to: number },
  ): void {
    const isKnown = held.epoch === range.epoch || held.epoch === 0;
    if (range.from !== held.serial || !isKnown) {
      throw new Error(
        `hole in ${name}: holds ${held.epoch}/${held.serial}, told ${range.epoch}/${range.from}`,
      );
    }
    if (held.replaces) held.rows.clear();
    held.replaces = false;
    let last = range.from;
    for (const { entry } of held.collected) {
      const [serial, , , op, key, value] = entry;
      if (serial <= last) throw new Error(`${name}: serial ${serial} after ${last}`);
      last = serial;
      held.entries += 1;
      if (name.startsWith("events")) held.rows.set(serial, value as string);
      else if (op === "t") held.rows.clear();
      else if (op === "d" || op === "m") held.rows.delete(key as number);
      else held.rows.set(key as number, value as string);
    }
    if (last > range.to) throw new Error(`${name}: serial ${last} beyond ${range.to}`);
    held.collected = [];
    held.serial = range.to;
    held.epoch = range.epoch;
  }
}
