/**
 * One connection shared by all syncs and subscriptions of a cast: hands the server's frames to whom they
 * concern, remembers schemas, and stops reading when the stores fall behind.
 */
import { AppError } from "../base/errors.js";
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

export class Wire implements FeedWire {
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #feeds = new Set<Feed>();
  readonly #owners = new Map<string, Feed>();
  readonly #schemas = new Map<string, TableSchema>();
  readonly #stale = new Map<string, number>();
  readonly #watchers = new Set<() => void>();
  #session: { readonly run: string; readonly limits: SessionLimits } | undefined;
  #lastId = 0;
  #stopPlatform: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    const hooks: ConnectionHooks = {
      welcomed: (frame) => {
        this.#welcomed(frame);
      },
      received: (frames, length) => {
        this.#received(frames, length);
      },
      cut: () => {
        this.#cut();
      },
      moved: () => {
        this.#moved();
      },
    };
    this.#connection = new Connection(options, hooks);
    this.#requests = new Requests((frame) => this.#ask(frame));
  }

  get session(): { readonly run: string; readonly limits: SessionLimits } | undefined {
    return this.#session;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get staleSources(): ReadonlyMap<string, number> {
    return this.#stale;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  send(frame: ClientFrame): void {
    this.#connection.send([frame]);
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
    if (this.state.name === "closed") throw new AppError("CLIENT_CLOSED", "this cast was closed");
    for (const channel of channels) {
      const owner = this.#owners.get(channel);
      if (owner === undefined || owner === feed) continue;
      throw new AppError(
        "CLIENT_CHANNEL_TAKEN",
        `attaching "${channel}": this cast follows it already`,
        {
          context: { channel },
        },
      );
    }
    for (const channel of channels) this.#owners.set(channel, feed);
    this.#feeds.add(feed);
    this.#want();
  }

  release(feed: Feed, channels: readonly string[]): void {
    for (const channel of channels) {
      if (this.#owners.get(channel) === feed) this.#owners.delete(channel);
    }
  }

  leave(feed: Feed): void {
    this.release(feed, [...this.#owners.keys()]);
    this.#feeds.delete(feed);
    this.#rest();
  }

  /** `again`: after a cut it is asked again; otherwise given up with CLIENT_SILENT. */
  async ask(
    frame: (id: number) => ClientFrame,
    options: { readonly signal?: AbortSignal | undefined; readonly again: boolean },
  ): Promise<ServerFrame> {
    if (this.state.name === "closed") throw new AppError("CLIENT_CLOSED", "this cast was closed");
    const answer = this.#requests.ask(frame, options);
    this.#want();
    try {
      return await answer;
    } finally {
      this.#rest();
    }
  }

  /** Throws CLIENT_FRAME_INVALID for a version that was never told. */
  schema(table: string, version: number): TableSchema {
    const schema = this.#schemas.get(`${table}/${version}`);
    if (schema !== undefined) return schema;
    throw new AppError(
      "CLIENT_FRAME_INVALID",
      `schema ${version} of table "${table}" was never told`,
    );
  }

  reconnect(): void {
    this.#connection.dispatch({ name: "retry" });
  }

  /** Feeds have been stopped by their owners. */
  close(): void {
    this.#connection.dispatch({ name: "close" });
    this.#requests.close();
    this.#stopPlatform?.();
    this.#stopPlatform = undefined;
  }

  #want(): void {
    this.#connection.dispatch({ name: "want" });
    this.#stopPlatform ??= watchPlatform({
      wentOnline: () => {
        this.#connection.dispatch({ name: "wentOnline" });
      },
      wentOffline: () => {
        this.#connection.dispatch({ name: "wentOffline" });
      },
      woke: () => {
        this.#connection.woke();
      },
    });
  }

  #rest(): void {
    if (this.#feeds.size > 0 || this.#requests.isWaiting) return;
    this.#connection.dispatch({ name: "rest" });
    this.#stopPlatform?.();
    this.#stopPlatform = undefined;
  }

  #ask(frame: (id: number) => ClientFrame): number | undefined {
    if (this.#session === undefined) return undefined;
    const id = this.nextId();
    this.send(frame(id));
    return id;
  }

  #welcomed(frame: WelcomeFrame): void {
    this.#session = { run: frame.run, limits: frame.limits };
    this.#lastId = 0;
    for (const feed of this.#feeds) feed.welcomed();
    this.#requests.welcomed();
  }

  #cut(): void {
    this.#session = undefined;
    // What the next server thinks of its sources it will say.
    this.#stale.clear();
    this.#requests.cut();
    for (const feed of this.#feeds) feed.cut();
  }

  #moved(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #received(frames: readonly ServerFrame[], length: number): void {
    let changes = 0;
    for (const frame of frames) if (frame.t === "changes") changes += 1;
    const share = changes === 0 ? 0 : Math.ceil(length / changes);
    const fed = new Set<Feed>();
    for (const frame of frames) {
      const owner = frame.t === "changes" ? this.#owners.get(frame.channel) : undefined;
      if (owner !== undefined) fed.add(owner);
      if (frame.t !== "changes") this.#frame(frame);
      else owner?.changes(frame, this.schema(frame.table, frame.schema), share);
      // What a frame led to may have ended the session.
      if (this.#session === undefined) return;
    }
    if (fed.size === 0 || this.#queuedBytes() <= PAUSE_BYTES || this.#connection.pause()) return;
    for (const { queuedBytes } of fed) {
      if (queuedBytes <= CUT_BYTES) continue;
      this.#connection.lose("CLIENT_QUEUE_FULL", `${queuedBytes} bytes wait for the store`);
      return;
    }
  }

  #frame(frame: Exclude<ServerFrame, ChangesFrame>): void {
    switch (frame.t) {
      case "schema":
        this.#learn(frame);
        return;
      case "page":
        this.#owners.get(frame.channel)?.page(frame, this.#session?.run ?? "");
        return;
      case "status":
        this.#owners.get(frame.channel)?.status(frame);
        return;
      case "commit":
        this.#commit(frame);
        return;
      case "attached":
        for (const feed of this.#feeds) feed.attached(frame);
        return;
      case "detached":
        for (const feed of this.#feeds) feed.detached(frame.channels);
        return;
      case "error":
        if (frame.id !== undefined && this.#requests.refused(frame.id, frame)) return;
        if (frame.id === undefined && frame.channels === undefined) return;
        for (const feed of this.#feeds) feed.refused(frame);
        return;
      case "historyPage":
      case "reached":
        this.#requests.answered(frame.id, frame);
        return;
      case "stale":
        this.#stale.set(frame.source, frame.since);
        this.#moved();
        return;
      case "fresh":
        if (this.#stale.delete(frame.source)) this.#moved();
        return;
      case "welcome":
      case "renewed":
      case "goaway":
      case "pong":
      case "heartbeat":
        return;
    }
  }

  #commit(frame: Extract<ServerFrame, { t: "commit" }>): void {
    if (this.#session === undefined) return;
    const run = frame.run ?? this.#session.run;
    if (run !== this.#session.run) this.#session = { ...this.#session, run };
    for (const feed of this.#feeds) feed.commit(frame, run);
  }

  /** The same object for the same version, so that what is worked out for it once serves all sessions. */
  #learn({ table, version, kind, columns, key }: SchemaFrame): void {
    const name = `${table}/${version}`;
    let schema: TableSchema = { table, version, kind, columns, key };
    const known = this.#schemas.get(name);
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(schema)) schema = known;
    else if (this.#schemas.size >= SCHEMAS_MAX) {
      throw new AppError(
        "CLIENT_FRAME_INVALID",
        `the server told more than ${SCHEMAS_MAX} schemas`,
      );
    }
    this.#schemas.set(name, schema);
    for (const feed of this.#feeds) feed.schema(schema);
  }

  #queuedBytes(): number {
    let bytes = 0;
    for (const feed of this.#feeds) bytes += feed.queuedBytes;
    return bytes;
  }
}
