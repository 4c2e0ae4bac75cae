/**
 * One connection shared by all syncs and subscriptions of a cast: hands the server's frames to whom they
 * concern, remembers schemas, and stops reading when the stores fall behind.
 */
import type { Clock, Random } from "../base/clock.js";
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { TableSchema } from "../model/table.js";
import type {
  ChangesFrame,
  ClientFrame,
  SchemaFrame,
  ServerFrame,
  SessionLimits,
  WelcomeFrame,
} from "../protocol/frames.js";
import { Connection, type ConnectionHooks, type ConnectionOptions } from "./connection.js";
import type { ConnectionState } from "./connection-state.js";
import type { Feed } from "./feed.js";
import type { FeedWire } from "./feed-sink.js";
import { watchPlatform } from "./platform.js";
import { Requests } from "./requests.js";

/** From here on nothing more is read until half of it is applied. */
const PAUSE_BYTES = 16 * 1024 * 1024;
/** Of one feed: a socket that cannot pause (a browser's) is given up here; the feed attaches when all is applied. */
const CUT_BYTES = 32 * 1024 * 1024;
/** Versions of all tables together; a server that tells more is not to be trusted with our memory. */
const SCHEMAS_MAX = 10_000;

export class Wire implements FeedWire, ConnectionHooks {
  /** Undefined while none is open. */
  session: { readonly run: string; readonly limits: SessionLimits } | undefined;
  /** Sources that the server is behind on, with the instant of the last proof. */
  readonly staleSources = new Map<string, number>();
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Syncs and subscriptions: what is to be stopped with the cast. */
  readonly open = new Set<{ stop(): Promise<void> }>();
  readonly #connection: Connection;
  readonly #requests = new Requests();
  readonly #feeds = new Set<Feed>();
  readonly #owners = new Map<string, Feed>();
  readonly #schemas = new Map<string, TableSchema>();
  readonly #watchers = new Set<() => void>();
  #holds = 0;
  #lastId = 0;
  #stopPlatform: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.#connection = new Connection(options, this);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  send(frame: ClientFrame): void {
    this.#connection.send(frame);
  }

  relieved(): void {
    if (this.#connection.isPaused && this.#queuedBytes() < PAUSE_BYTES / 2)
      this.#connection.resume();
  }

  /** Told whenever the connection's state or a source's staleness changes. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /** The feed's channels are its own from now on. Throws CLIENT_CHANNEL_TAKEN; then none is. */
  claim(feed: Feed, channels: readonly string[]): void {
    this.#mustBeOpen();
    for (const channel of channels) {
      const owner = this.#owners.get(channel);
      if (owner === undefined || owner === feed) continue;
      const found = `attaching "${channel}": this cast follows it already`;
      throw new AppError("CLIENT_CHANNEL_TAKEN", found);
    }
    for (const channel of channels) this.#owners.set(channel, feed);
    this.#feeds.add(feed);
    this.#want();
  }

  release(feed: Feed, channels: Iterable<string>): void {
    for (const channel of channels) {
      if (this.#owners.get(channel) === feed) this.#owners.delete(channel);
    }
  }

  leave(feed: Feed): void {
    this.release(feed, this.#owners.keys());
    this.#feeds.delete(feed);
    this.#rest();
  }

  /** Wants the connection without a feed, until the returned function is called. */
  hold(): () => void {
    this.#mustBeOpen();
    this.#holds += 1;
    this.#want();
    return () => {
      this.#holds -= 1;
      this.#rest();
    };
  }

  /** Rejects with CLIENT_SILENT where the session ends before the answer, or none is open. */
  async ask(
    frame: (id: number) => ClientFrame,
    signal: AbortSignal | undefined,
  ): Promise<ServerFrame> {
    if (this.session === undefined) throw noSession();
    const id = this.nextId();
    const send = (): void => {
      this.send(frame(id));
    };
    return this.#requests.ask(id, send, signal);
  }

  /** Throws CLIENT_FRAME_INVALID for a version that was never told. */
  schema(table: string, version: number): TableSchema {
    const schema = this.#schemas.get(`${table}/${version}`);
    if (schema !== undefined) return schema;
    const found = `schema ${version} of table "${table}" was never told`;
    throw new AppError("CLIENT_FRAME_INVALID", found);
  }

  reconnect(): void {
    this.#connection.dispatch({ name: "retry" });
  }

  /** Feeds have been stopped by their owners. */
  close(): void {
    this.#connection.dispatch({ name: "close" });
    this.#leavePlatform();
  }

  // -------------------------------------------------------------- what the connection says

  welcomed(frame: WelcomeFrame): void {
    this.session = frame;
    this.#lastId = 0;
    for (const { attacher } of this.#feeds) attacher.soon();
    this.moved();
  }

  received(frames: readonly ServerFrame[], length: number): void {
    const share = length / frames.filter(({ t }) => t === "changes").length;
    const fed = new Set<Feed>();
    for (const frame of frames) {
      if (frame.t !== "changes") this.#frame(frame);
      else {
        const owner = this.#owners.get(frame.channel);
        if (owner === undefined) continue;
        fed.add(owner);
        owner.collector.changes(frame, this.schema(frame.table, frame.schema), share);
      }
      // What a frame led to may have ended the session.
      if (this.session === undefined) return;
    }
    if (fed.size === 0 || this.#queuedBytes() <= PAUSE_BYTES || this.#connection.pause()) return;
    for (const { queue } of fed) {
      if (queue.bytes <= CUT_BYTES) continue;
      this.#connection.lose("CLIENT_QUEUE_FULL", `${queue.bytes} bytes wait for the store`);
      return;
    }
  }

  cut(): void {
    this.session = undefined;
    // What the next server thinks of its sources it will say.
    this.staleSources.clear();
    this.#requests.end(noSession());
    for (const feed of this.#feeds) feed.cut();
  }

  moved(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  // -------------------------------------------------------------- inside

  #mustBeOpen(): void {
    if (this.state.name === "closed") throw new AppError("CLIENT_CLOSED", "this cast was closed");
  }

  #want(): void {
    this.#connection.dispatch({ name: "want" });
    this.#stopPlatform ??= watchPlatform((name) => {
      if (name === "woke") this.#connection.woke();
      else this.#connection.dispatch({ name });
    });
  }

  #rest(): void {
    if (this.#feeds.size > 0 || this.#holds > 0) return;
    this.#connection.dispatch({ name: "rest" });
    this.#leavePlatform();
  }

  #leavePlatform(): void {
    this.#stopPlatform?.();
    this.#stopPlatform = undefined;
  }

  #frame(frame: Exclude<ServerFrame, ChangesFrame>): void {
    switch (frame.t) {
      case "schema":
        this.#learn(frame);
        return;
      case "historyPage":
      case "reached":
        this.#requests.answered(frame);
        return;
      case "stale":
        this.staleSources.set(frame.source, frame.since);
        this.moved();
        return;
      case "fresh":
        if (this.staleSources.delete(frame.source)) this.moved();
        return;
      case "error":
        if (this.#requests.refused(frame)) return;
        break;
      case "commit":
        if (frame.run !== undefined && this.session !== undefined)
          this.session = { ...this.session, run: frame.run };
        break;
      default:
      // Only channels are concerned, or nobody.
    }
    for (const feed of this.#feeds) feed.heard(frame);
  }

  /** The same object for the same version, so that what is worked out for it once serves all sessions. */
  #learn({ table, version, kind, columns, key }: SchemaFrame): void {
    const name = `${table}/${version}`;
    let schema: TableSchema = { table, version, kind, columns, key };
    const known = this.#schemas.get(name);
    if (JSON.stringify(known) === JSON.stringify(schema)) schema = known ?? schema;
    else if (this.#schemas.size >= SCHEMAS_MAX) {
      throw new AppError("CLIENT_FRAME_INVALID", "the server told too many schemas");
    }
    this.#schemas.set(name, schema);
    for (const { collector } of this.#feeds) collector.schema(schema);
  }

  #queuedBytes(): number {
    let bytes = 0;
    for (const { queue } of this.#feeds) bytes += queue.bytes;
    return bytes;
  }
}

function noSession(): AppError {
  return new AppError("CLIENT_SILENT", "the session ended");
}
