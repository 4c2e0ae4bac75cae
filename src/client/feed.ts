/**
 * The channels of one sync or subscription: which there are, what a session says of them, and what becomes of
 * them when it ends or when a unit cannot take effect. Knows no store and no socket.
 */
import { backoffDelayMs } from "../base/backoff.js";
import type {
  AttachedFrame,
  AttachFrom,
  ErrorFrame,
  ServerFrame,
  StatusFrame,
} from "../protocol/frames.js";
import { Attacher } from "./attacher.js";
import { Collector } from "./collector.js";
import { BACKOFF, type Cause } from "./connection-state.js";
import { FeedChannel } from "./feed-channel.js";
import type { FeedParts, FeedSink, FeedWire, OpenUnit } from "./feed-sink.js";
import { type JobOwner, JobQueue } from "./job-queue.js";
import { causeOf } from "./status.js";
import type { KeptChannel } from "./stores/store.js";

/** Failures after which a feed does not come back by itself. */
export const LASTING: ReadonlySet<string> = new Set(["CLIENT_STORE_TAKEN", "CLIENT_STORE_NEWER"]);

export class Feed implements FeedParts, JobOwner {
  readonly wire: FeedWire;
  readonly sink: FeedSink;
  readonly queue: JobQueue<OpenUnit>;
  readonly attacher: Attacher;
  readonly collector: Collector;
  readonly channels = new Map<string, FeedChannel>();
  /** The sink is prepared: the list of channels is what the app asked for. */
  isPrepared = false;
  /** Why nothing is applied just now. */
  trouble: Cause | undefined;
  #attempt = 0;
  #cancelRetry: (() => void) | undefined;
  #isStopped = false;

  constructor(wire: FeedWire, sink: FeedSink) {
    this.wire = wire;
    this.sink = sink;
    this.queue = new JobQueue(this);
    this.attacher = new Attacher(this);
    this.collector = new Collector(this);
  }

  get mayAttach(): boolean {
    return !this.#isStopped && this.trouble === undefined;
  }

  /** Every channel stands on the wire: what the server says from now on includes them. */
  get isWhole(): boolean {
    if (this.trouble !== undefined || this.wire.session === undefined) return false;
    return [...this.channels.values()].every(
      ({ isOnWire, state }) => isOnWire || state.name === "refused",
    );
  }

  begin(): void {
    this.queue.push(0, async () => {
      await this.sink.prepare();
      // A failure drops jobs that wait, and with them the order to forget what was staged.
      if (this.#attempt > 0) await this.sink.unstage([...this.channels.keys()]);
      this.isPrepared = true;
      this.sink.moved();
    });
  }

  /** `from`: where a channel begins of which nothing is held. Those added together are attached together. */
  add(list: readonly { readonly held: KeptChannel; readonly from: AttachFrom }[]): void {
    for (const { held, from } of list) {
      this.channels.set(held.channel, new FeedChannel(held, from));
    }
    this.attacher.soon();
  }

  /** Nothing of these channels is collected from now on; units that are whole still take effect. */
  remove(names: readonly string[]): void {
    const gone = names.flatMap((name) => this.channels.get(name) ?? []);
    this.attacher.detach(gone);
    for (const channel of gone) {
      this.collector.drop(channel);
      channel.cancelRetry();
      this.channels.delete(channel.name);
    }
  }

  applied(): void {
    this.#attempt = 0;
  }

  /** This side will not keep the channel (its table does not fit): it is let go until it is added again. */
  refuse(name: string, cause: Cause): void {
    const channel = this.channels.get(name);
    if (channel === undefined) return;
    this.attacher.detach([channel]);
    this.collector.drop(channel);
    channel.refuse(cause);
    this.sink.moved();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.remove([...this.channels.keys()]);
    return new Promise((resolve) => {
      this.queue.whenIdle(resolve);
    });
  }

  // -------------------------------------------------------------- what the session says

  heard(frame: ServerFrame): void {
    switch (frame.t) {
      case "page":
        this.collector.page(frame);
        return;
      case "commit":
        this.collector.commit(frame);
        return;
      case "attached":
        this.#attached(frame);
        return;
      case "detached":
        this.#detached(frame.channels);
        return;
      case "status":
        this.#status(frame);
        return;
      case "error":
        this.#refused(frame);
        return;
      default:
      // It does not concern channels.
    }
  }

  #attached(frame: AttachedFrame): void {
    for (const { channel: name, epoch, how, after, status } of frame.channels) {
      const channel = this.channels.get(name);
      if (channel === undefined) continue;
      const before = channel.state;
      channel.move({ name: "attached", id: frame.id, epoch, how, after });
      if (channel.state === before) continue;
      this.collector.drop(channel);
      channel.serverStatus = status;
      const { serial } = channel.held.place;
      // Rule 9: a server that never had an entry of the channel does not know its kind.
      const isUnknown = how === "snapshot" && epoch === 0 && serial > 0;
      if ((how === "gap" && channel.hasPlace) || isUnknown)
        this.sink.gap({ channel: name, from: serial, to: after });
    }
    this.sink.moved();
  }

  #status(frame: StatusFrame): void {
    const channel = this.channels.get(frame.channel);
    if (channel === undefined) return;
    channel.serverStatus = frame;
    this.sink.moved();
  }

  /** The server took channels away without being asked. */
  #detached(names: readonly string[]): void {
    for (const name of names) {
      const channel = this.channels.get(name);
      if (channel?.isOnWire !== true || channel.state.name === "attaching") continue;
      channel.move({ name: "dropped" });
      this.collector.drop(channel);
      this.attacher.later(channel, 0);
    }
    this.sink.moved();
  }

  /** About channels, or about an attach that names none. */
  #refused(frame: ErrorFrame): void {
    const { id, code, message, cure, retryInMs } = frame;
    for (const channel of this.channels.values()) {
      const { state } = channel;
      const isNamed =
        frame.channels?.includes(channel.name) ?? (state.name === "attaching" && state.id === id);
      // An answer to an attach that a later one has replaced.
      const isOld = id !== undefined && (!("id" in state) || state.id !== id);
      if (!isNamed || isOld) continue;
      this.collector.drop(channel);
      if (retryInMs === undefined) {
        channel.move({ name: "refusal", cause: { code, message, cure } });
      } else {
        channel.move({ name: "cut" });
        this.attacher.later(channel, retryInMs);
      }
    }
    this.sink.moved();
  }

  // -------------------------------------------------------------- inside

  cut(): void {
    for (const channel of this.channels.values()) {
      channel.move({ name: "cut" });
      channel.cancelRetry();
      this.collector.drop(channel);
      if (channel.isReady) channel.staleSince ??= this.wire.clock.now();
    }
    this.collector.cut();
    this.sink.moved();
  }

  relieved(): void {
    this.wire.relieved();
  }

  /** The store or the handler failed: everything again from the places that were applied. */
  failed(error: unknown): void {
    const { code } = (this.trouble = causeOf(error));
    this.sink.failed?.();
    this.attacher.detach(this.channels.values());
    this.cut();
    // Whoever took the store over writes it now: trying again would only disturb.
    if (LASTING.has(code) || this.#isStopped) return;
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt, this.wire.random);
    this.#attempt += 1;
    this.#cancelRetry?.();
    this.#cancelRetry = this.wire.clock.after(delayMs, () => {
      this.trouble = undefined;
      this.sink.moved();
      this.begin();
      this.attacher.soon();
    });
  }
}
