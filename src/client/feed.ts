/**
 * The channels of one sync or subscription: which there are, what a session says of them, and what becomes of
 * them when it ends or when a unit cannot take effect. Knows no store and no socket.
 */
import { backoffDelayMs } from "../base/backoff.js";
import type { Clock, Random } from "../base/clock.js";
import { AppError, errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { TableSchema } from "../model/table.js";
import type {
  AttachedFrame,
  AttachFrom,
  ChangesFrame,
  CommitFrame,
  ErrorFrame,
  PageFrame,
  StatusFrame,
} from "../protocol/frames.js";
import { Attacher } from "./attacher.js";
import { Collector } from "./collector.js";
import { BACKOFF, type Cause } from "./connection-state.js";
import { FeedChannel } from "./feed-channel.js";
import type { FeedSink, FeedWire } from "./feed-sink.js";
import { JobQueue } from "./job-queue.js";
import type { KeptChannel } from "./stores/store.js";

export interface FeedOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class Feed {
  readonly #wire: FeedWire;
  readonly #sink: FeedSink;
  readonly #options: FeedOptions;
  readonly #queue: JobQueue;
  readonly #attacher: Attacher;
  readonly #collector: Collector;
  readonly #channels = new Map<string, FeedChannel>();
  #attempt = 0;
  #trouble: Cause | undefined;
  #cancelRetry: (() => void) | undefined;
  #isStopped = false;
  #isPrepared = false;

  constructor(wire: FeedWire, sink: FeedSink, options: FeedOptions) {
    this.#wire = wire;
    this.#sink = sink;
    this.#options = options;
    this.#queue = new JobQueue(
      (error) => {
        this.#fail(error);
      },
      () => {
        wire.relieved();
      },
    );
    this.#attacher = new Attacher({
      wire,
      queue: this.#queue,
      channels: this.#channels,
      clock: options.clock,
      random: options.random,
      mayAttach: () => !this.#isStopped && this.#trouble === undefined,
      moved: () => {
        sink.moved();
      },
    });
    this.#collector = new Collector({
      sink,
      queue: this.#queue,
      attacher: this.#attacher,
      channels: this.#channels,
      log: options.log,
      applied: () => {
        this.#attempt = 0;
      },
    });
  }

  /** Of what is whole and waits for the store or the handler. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** Why nothing is applied just now. */
  get trouble(): Cause | undefined {
    return this.#trouble;
  }

  get channels(): ReadonlyMap<string, FeedChannel> {
    return this.#channels;
  }

  /** Every channel stands on the wire: what the server says from now on includes them. */
  get isWhole(): boolean {
    if (this.#trouble !== undefined || this.#wire.session === undefined) return false;
    return [...this.#channels.values()].every(
      ({ isOnWire, state }) => isOnWire || state.name === "refused",
    );
  }

  /** The sink is prepared: the list of channels is what the app asked for. */
  get isPrepared(): boolean {
    return this.#isPrepared;
  }

  begin(): void {
    this.#queue.push(0, async () => {
      await this.#sink.prepare();
      // A failure drops jobs that wait, and with them the order to forget what was staged.
      if (this.#attempt > 0) await this.#sink.unstage([...this.#channels.keys()]);
      this.#isPrepared = true;
      this.#sink.moved();
    });
  }

  /** `from`: where a channel begins of which nothing is held. Those added together are attached together. */
  add(list: readonly { readonly held: KeptChannel; readonly from: AttachFrom }[]): void {
    for (const { held, from } of list) {
      this.#channels.set(held.channel, new FeedChannel(held, from));
    }
    this.#attacher.soon();
  }

  /** Nothing of these channels is collected from now on; units that are whole still take effect. */
  remove(names: readonly string[]): void {
    const onWire: string[] = [];
    for (const name of names) {
      const channel = this.#channels.get(name);
      if (channel === undefined) continue;
      if (channel.isOnWire) onWire.push(name);
      this.#collector.drop(channel);
      channel.cancelRetry();
      this.#channels.delete(name);
    }
    this.#attacher.detach(onWire);
  }

  /** Runs `job` after the units that are whole by now. */
  after(job: () => Promise<void>): void {
    this.#queue.push(0, job);
  }

  /** This side will not keep the channel (its table does not fit): it is let go until it is added again. */
  refuse(name: string, cause: Cause): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (channel.isOnWire) this.#attacher.detach([name]);
    this.#collector.drop(channel);
    channel.refuse(cause);
    this.#sink.moved();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.remove([...this.#channels.keys()]);
    return this.#queue.idle();
  }

  // -------------------------------------------------------------- what the session says

  schema(schema: TableSchema): void {
    this.#collector.schema(schema);
  }

  /** `length` is about what the frame takes in memory. */
  changes(frame: ChangesFrame, schema: TableSchema, length: number): void {
    this.#collector.changes(frame, schema, length);
  }

  page(frame: PageFrame, run: string): void {
    this.#collector.page(frame, run);
  }

  commit(frame: CommitFrame, run: string): void {
    this.#collector.commit(frame, run);
  }

  cut(): void {
    this.#reset();
  }

  /** A session is open. */
  welcomed(): void {
    this.#attacher.soon();
  }

  attached(frame: AttachedFrame): void {
    for (const { channel: name, epoch, how, after, status } of frame.channels) {
      const channel = this.#channels.get(name);
      if (channel === undefined) continue;
      const before = channel.state;
      channel.move({ name: "attached", id: frame.id, epoch, how, after });
      if (channel.state === before) continue;
      this.#collector.drop(channel);
      channel.serverStatus = status;
      const { serial } = channel.held.place;
      // Rule 9: a server that never had an entry of the channel does not know its kind.
      const isUnknown = how === "snapshot" && epoch === 0 && serial > 0;
      if ((how === "gap" && channel.hasPlace) || isUnknown)
        this.#sink.gap({ channel: name, from: serial, to: after });
    }
    this.#sink.moved();
  }

  status({ channel: name, state, ...rows }: StatusFrame): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.serverStatus = { state, rowsDone: rows.rowsDone ?? 0, ...rows };
    this.#sink.moved();
  }

  /** The server took channels away without being asked. */
  detached(names: readonly string[]): void {
    for (const name of names) {
      const channel = this.#channels.get(name);
      if (channel?.isOnWire !== true || channel.state.name === "attaching") continue;
      channel.move({ name: "dropped" });
      this.#collector.drop(channel);
      this.#attacher.later(channel, 0);
    }
    this.#sink.moved();
  }

  /** About channels, or about an attach that names none. */
  refused(frame: ErrorFrame): void {
    const { id, code, message, retryInMs } = frame;
    for (const channel of this.#channels.values()) {
      const { state } = channel;
      const isNamed =
        frame.channels?.includes(channel.name) ?? (state.name === "attaching" && state.id === id);
      // An answer to an attach that a later one has replaced.
      const isOld = id !== undefined && (!("id" in state) || state.id !== id);
      if (!isNamed || isOld) continue;
      this.#collector.drop(channel);
      if (retryInMs === undefined) {
        channel.move({ name: "refusal", cause: { code, message } });
        this.#options.log.warn("client.channel.refused", { channel: channel.name, code, message });
      } else {
        channel.move({ name: "cut" });
        this.#attacher.later(channel, retryInMs);
      }
    }
    this.#sink.moved();
  }

  // -------------------------------------------------------------- inside

  #reset(): void {
    for (const channel of this.#channels.values()) {
      channel.move({ name: "cut" });
      channel.cancelRetry();
      this.#collector.drop(channel);
      if (channel.isReady) channel.staleSince ??= this.#options.clock.now();
    }
    this.#collector.cut();
    this.#sink.moved();
  }

  /** The store or the handler failed: everything again from the places that were applied. */
  #fail(error: unknown): void {
    const code = error instanceof AppError ? error.code : "CLIENT_HANDLER_FAILED";
    this.#options.log.warn("client.unit.failed", { code, error: errorText(error) });
    this.#trouble = { code, message: errorText(error) };
    const onWire = [...this.#channels.values()].filter(({ isOnWire }) => isOnWire);
    this.#attacher.detach(onWire.map(({ name }) => name));
    this.#reset();
    // Whoever took the store over writes it now: trying again would only disturb.
    if (code === "CLIENT_STORE_TAKEN" || code === "CLIENT_STORE_NEWER" || this.#isStopped) return;
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt, this.#options.random);
    this.#attempt += 1;
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.after(delayMs, () => {
      this.#trouble = undefined;
      this.#sink.moved();
      this.begin();
      this.#attacher.soon();
    });
  }
}
