/**
 * Collects the entries of a feed's channels until a `page` or `commit` names them, checks that they join on
 * what was received before, and puts whole units in line for the sink (PROTOCOL.md, rules 12–17).
 */
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { TableSchema } from "../model/table.js";
import type { ChangesFrame, CommitFrame, PageFrame } from "../protocol/frames.js";
import { type AttachmentEvent, nextAttachment } from "./attachment-state.js";
import type { Attacher } from "./attacher.js";
import type { FeedChannel } from "./feed-channel.js";
import type { FeedSink, FeedUnit } from "./feed-sink.js";
import type { JobQueue } from "./job-queue.js";
import type { ChannelStep, EntryBatch } from "./stores/store.js";

/** Goes aside at once when memory is full: the oldest, so that most of a unit a little too large stays. */
const ASIDE_BYTES = 2 * 1024 * 1024;

/** A page of a loading channel is about 256 KiB; a server that sends this much without closing it is broken. */
const PAGE_BYTES_MAX = 32 * 1024 * 1024;

export interface CollectorParts {
  readonly sink: FeedSink;
  readonly queue: JobQueue;
  readonly attacher: Attacher;
  readonly channels: ReadonlyMap<string, FeedChannel>;
  readonly log: Log;
  /** A unit took effect. */
  readonly applied: () => void;
}

export class Collector {
  readonly #parts: CollectorParts;
  #schemas: TableSchema[] = [];
  #bytes = 0;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /** Forgets what was collected of a channel. */
  drop(channel: FeedChannel): void {
    this.#bytes -= channel.bytes;
    const { isStaged, name } = channel;
    channel.forget();
    const { queue, sink } = this.#parts;
    if (isStaged) queue.push(0, () => sink.unstage([name]));
  }

  /** The session is over: what it told of schemas it will tell again. */
  cut(): void {
    this.#schemas = [];
  }

  schema(schema: TableSchema): void {
    if (this.#parts.channels.size > 0) this.#schemas.push(schema);
  }

  /** `length` is about what the frame takes in memory. */
  changes(frame: ChangesFrame, schema: TableSchema, length: number): void {
    const channel = this.#parts.channels.get(frame.channel);
    if (channel === undefined || !channel.collects) return;
    const { base, entries } = frame;
    channel.collect({ channel: frame.channel, schema, base, entries }, length);
    this.#bytes += length;
    if (channel.state.name === "loading") {
      if (channel.bytes > PAGE_BYTES_MAX)
        throw new AppError("CLIENT_FRAME_INVALID", "a page has no end");
    } else if (this.#bytes > this.#parts.sink.collectBytesMax) {
      this.#overflow();
    }
  }

  page(frame: PageFrame, run: string): void {
    const channel = this.#parts.channels.get(frame.channel);
    if (channel === undefined) return;
    const { epoch, from, to } = frame;
    const step = this.#step(channel, { name: "page", epoch, from, to }, frame.log, run);
    if (step !== undefined) this.#hand("page", frame.log, new Map([[channel, step]]));
  }

  commit(frame: CommitFrame, run: string): void {
    const steps = new Map<FeedChannel, ChannelStep>();
    for (const [name, epoch, from, to] of frame.moved) {
      const channel = this.#parts.channels.get(name);
      if (channel === undefined) continue;
      const step = this.#step(channel, { name: "moved", epoch, from, to }, frame.at, run);
      if (step !== undefined) steps.set(channel, step);
    }
    let isNews = false;
    for (const name of frame.ready ?? []) {
      const channel = this.#parts.channels.get(name);
      if (channel === undefined) continue;
      const before = channel.state;
      channel.move({ name: "readied" });
      if (channel.state === before || channel.state.name !== "ready") continue;
      isNews = true;
      const { epoch, serial } = channel.state;
      const step = steps.get(channel);
      if (step !== undefined) steps.set(channel, { ...step, ready: true });
      else if (!channel.held.ready) {
        const place = { epoch, serial, log: frame.at, run };
        steps.set(channel, { channel: name, place, ready: true });
      }
    }
    if (steps.size > 0) this.#hand("commit", frame.at, steps);
    if (isNews) {
      this.#parts.queue.push(0, async () => {
        this.#parts.sink.moved();
      });
    }
  }

  /** What the frame makes of a channel; undefined where it means nothing or does not join on. */
  #step(
    channel: FeedChannel,
    event: Extract<AttachmentEvent, { name: "page" | "moved" }>,
    log: number,
    run: string,
  ): ChannelStep | undefined {
    const before = channel.state;
    const after = nextAttachment(before, event);
    if (after === before) return undefined;
    channel.move(event);
    if (after.name === "broken") {
      this.#parts.log.warn("client.channel.broken", { channel: channel.name, ...after.cause });
      this.drop(channel);
      this.#parts.attacher.later(channel, 0);
      this.#parts.sink.moved();
      return undefined;
    }
    const replace = "replace" in before ? before.replace : undefined;
    return {
      channel: channel.name,
      place: { epoch: event.epoch, serial: event.to, log, run },
      ready: channel.isReady,
      // Nothing is held of a channel that is new here: nothing to replace.
      ...(replace === undefined || !channel.hasContent ? {} : { replace }),
      ...(replace === "after" ? { replaceAfter: event.from } : {}),
      ...(channel.isStaged ? { staged: true } : {}),
    };
  }

  #hand(kind: FeedUnit["kind"], at: number, steps: ReadonlyMap<FeedChannel, ChannelStep>): void {
    const parts = new Map<FeedChannel, readonly EntryBatch[]>();
    let bytes = 0;
    for (const channel of steps.keys()) {
      parts.set(channel, channel.batches);
      bytes += channel.bytes;
      this.#bytes -= channel.bytes;
      channel.handed(kind);
    }
    const schemas = this.#schemas;
    this.#schemas = [];
    this.#parts.queue.push(bytes, async () => {
      // A channel that this side refused meanwhile must not move past what it refused.
      const kept = [...steps].filter(([channel]) => !channel.isRefusedHere);
      const batches = kept.flatMap(([channel]) => parts.get(channel) ?? []);
      const channels = kept.map(([, step]) => step);
      await this.#parts.sink.take({ kind, at, schemas, batches, channels });
      this.#parts.applied();
      for (const [channel, { channel: name, place, ready }] of kept) {
        if (!channel.isRefusedHere) channel.applied({ channel: name, place, ready });
      }
      if (kind === "page") this.#parts.sink.moved();
    });
  }

  /** Too much for memory: aside with it, or, without a place for that, page by page from here. */
  #overflow(): void {
    const full = [...this.#parts.channels.values()].filter(
      ({ state, bytes }) => state.name !== "loading" && bytes > 0,
    );
    const { stage } = this.#parts.sink;
    if (stage === undefined) {
      for (const channel of full) {
        this.drop(channel);
        channel.goPaged();
      }
      this.#parts.log.info("client.unit.paged", { channels: full.length });
      this.#parts.attacher.soon();
      return;
    }
    const batches: EntryBatch[] = [];
    let bytes = 0;
    for (const channel of full) {
      const oldest = channel.aside(ASIDE_BYTES - bytes);
      batches.push(...oldest.batches);
      bytes += oldest.bytes;
    }
    this.#bytes -= bytes;
    this.#parts.queue.push(bytes, () => stage(batches));
  }
}
