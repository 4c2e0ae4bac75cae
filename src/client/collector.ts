/**
 * Collects the entries of a feed's channels until a `page` or `commit` names them, checks that they join on
 * what was received before, and puts whole units in line for the sink (PROTOCOL.md, rules 12–17).
 */
import { AppError } from "../base/errors.js";
import type { Place } from "../model/place.js";
import type { TableSchema } from "../model/table.js";
import type { ChangesFrame, CommitFrame, PageFrame } from "../protocol/frames.js";
import type { AttachmentEvent } from "./attachment-state.js";
import type { FeedChannel } from "./feed-channel.js";
import type { FeedParts, FeedUnit, OpenUnit } from "./feed-sink.js";
import type { ChannelStep } from "./stores/store.js";

/** A page of a loading channel is about 256 KiB; a server that sends this much without closing it is broken. */
const PAGE_BYTES_MAX = 32 * 1024 * 1024;

/** A commit joins the one in line before it while that holds less: a store that is behind has fewer transactions. */
const JOINED_BYTES = 1024 * 1024;

type Steps = Map<FeedChannel, ChannelStep>;

export class Collector {
  readonly #feed: FeedParts;
  #schemas: TableSchema[] = [];
  #bytes = 0;

  constructor(feed: FeedParts) {
    this.#feed = feed;
  }

  /** Forgets what was collected of a channel. */
  drop(channel: FeedChannel): void {
    this.#bytes -= channel.bytes;
    const { isStaged, name } = channel;
    channel.forget();
    const { queue, sink } = this.#feed;
    if (isStaged) queue.push(0, () => sink.unstage([name]));
  }

  /** The session is over: what it told of schemas it will tell again. */
  cut(): void {
    this.#schemas = [];
  }

  schema(schema: TableSchema): void {
    if (this.#feed.channels.size > 0) this.#schemas.push(schema);
  }

  /** `length` is about what the frame takes in memory. */
  changes(frame: ChangesFrame, schema: TableSchema, length: number): void {
    const channel = this.#feed.channels.get(frame.channel);
    if (channel === undefined || !channel.collects) return;
    const { base, entries } = frame;
    channel.collect({ channel: frame.channel, schema, base, entries }, length);
    this.#bytes += length;
    if (channel.state.name === "loading") {
      if (channel.bytes > PAGE_BYTES_MAX)
        throw new AppError("CLIENT_FRAME_INVALID", "a page has no end");
    } else if (this.#bytes > this.#feed.sink.collectBytesMax) {
      this.#overflow();
    }
  }

  page({ channel: name, epoch, from, to, log }: PageFrame): void {
    const steps: Steps = new Map();
    this.#step(steps, name, { name: "page", epoch, from, to }, log);
    if (steps.size > 0) this.#hand("page", log, steps);
  }

  commit(frame: CommitFrame): void {
    const { at } = frame;
    const steps: Steps = new Map();
    for (const [name, epoch, from, to] of frame.moved) {
      this.#step(steps, name, { name: "moved", epoch, from, to }, at);
    }
    let isNews = false;
    for (const name of frame.ready ?? []) {
      const channel = this.#feed.channels.get(name);
      if (channel === undefined) continue;
      const before = channel.state;
      channel.move({ name: "readied" });
      if (channel.state === before || channel.state.name !== "ready") continue;
      isNews = true;
      const { epoch, serial } = channel.state;
      const step = steps.get(channel);
      if (step === undefined && channel.held.ready) continue;
      const place = this.#place(epoch, serial, at);
      steps.set(channel, { channel: name, place, ...step, ready: true });
    }
    if (steps.size > 0 || isNews) this.#hand("commit", at, steps);
  }

  /** What the frame makes of a channel; nothing where it means nothing or does not join on. */
  #step(
    steps: Steps,
    name: string,
    event: Extract<AttachmentEvent, { name: "page" | "moved" }>,
    log: number,
  ): void {
    const channel = this.#feed.channels.get(name);
    if (channel === undefined) return;
    const before = channel.state;
    channel.move(event);
    if (channel.state === before) return;
    if (channel.state.name === "broken") {
      this.drop(channel);
      this.#feed.attacher.later(channel, 0);
      this.#feed.sink.moved();
      return;
    }
    const replace = "replace" in before ? before.replace : undefined;
    steps.set(channel, {
      channel: name,
      place: this.#place(event.epoch, event.to, log),
      ready: channel.isReady,
      // Nothing is held of a channel that is new here: nothing to replace.
      replace: channel.hasContent ? replace : undefined,
      replaceAfter: event.from,
      staged: channel.isStaged,
    });
  }

  #place(epoch: number, serial: number, log: number): Place {
    return { epoch, serial, log, run: this.#feed.wire.session?.run ?? "" };
  }

  #hand(kind: FeedUnit["kind"], at: number, steps: Steps): void {
    const { queue } = this.#feed;
    let bytes = 0;
    const parts = [...steps].map(([channel, step]) => {
      bytes += channel.bytes;
      return { channel, step, batches: channel.handed() };
    });
    this.#bytes -= bytes;
    const schemas = this.#schemas;
    this.#schemas = [];
    const isPlain =
      kind === "commit" && parts.every(({ step }) => step.replace === undefined && !step.staged);
    const { last } = queue;
    if (isPlain && last?.unit !== undefined && last.bytes < JOINED_BYTES) {
      last.unit.at = at;
      last.unit.parts.push(...parts);
      last.unit.schemas.push(...schemas);
      last.bytes += bytes;
      queue.bytes += bytes;
      return;
    }
    const unit = { kind, at, schemas, parts };
    queue.push(bytes, () => this.#take(unit), isPlain ? unit : undefined);
  }

  async #take({ kind, at, schemas, parts }: OpenUnit): Promise<void> {
    // A channel that this side refused meanwhile must not move past what it refused.
    const kept = parts.filter(({ channel }) => channel.refusal === undefined);
    const batches = kept.flatMap((part) => part.batches);
    const channels = kept.map(({ step }) => step);
    await this.#feed.sink.take({ kind, at, schemas, batches, channels });
    this.#feed.applied();
    for (const { channel, step, batches: own } of kept) {
      if (channel.refusal === undefined) channel.applied(step, own);
    }
    this.#feed.sink.moved();
  }

  /** Too much for memory: aside with it, or, without a place for that, page by page from here. */
  #overflow(): void {
    const full = [...this.#feed.channels.values()].filter(
      ({ state, bytes }) => state.name !== "loading" && bytes > 0,
    );
    const { sink, queue } = this.#feed;
    if (sink.stage === undefined) {
      for (const channel of full) {
        this.drop(channel);
        channel.goPaged();
      }
      this.#feed.attacher.soon();
      return;
    }
    let bytes = 0;
    const batches = full.flatMap((channel) => {
      bytes += channel.bytes;
      return channel.stage();
    });
    this.#bytes -= bytes;
    queue.push(bytes, async () => sink.stage?.(batches));
  }
}
