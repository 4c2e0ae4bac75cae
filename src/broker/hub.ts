/**
 * Hands what the journal releases to the sessions that stand at its head. Takes a range, marks the sessions
 * whose channels moved in it, and serves them in slices; what is released meanwhile collects and is fused
 * into the next range. So an idle system adds no delay and a loaded one makes larger writes by itself.
 *
 * A live session holds `max(session.log, the hub's log)` unless it is owed a range, which begins at
 * `owedFrom`. It is served everything up to the view's end at once, so it may stand ahead of the hub; the
 * next range then begins for it where it stands. Sessions that few channels' ranges touch are served before
 * those of a wide range, half of each slice long.
 */
import { isAbort } from "../base/abort.js";
import { SignalPoint } from "../base/signal-point.js";
import type { CopyStatus, LogNumber } from "../journal/journal.js";
import type { AttachFrom } from "../protocol/frames.js";
import { Attachment } from "./attachment.js";
import type { HubChannel } from "./attachment.js";
import type { BrokerContext } from "./broker-context.js";
import { LiveView } from "./live-view.js";
import type { SchemaKey } from "./schema-frames.js";
import { Lines } from "./serving-lines.js";
import type { Session } from "./session.js";
import { turnOfLoop } from "./slots.js";
import { UntilDesk } from "./until-desk.js";
import { WireMessage } from "./wire-message.js";

/** The event loop is held no longer: sockets are read and the journal flushed between slices. */
const SLICE_MS = 5;

/** The clock is looked at after so many sessions. */
const SESSIONS_PER_LOOK = 16;

/** While a wide range is served, newer ones are taken this often. */
const RETAKE_MS = 20;

/** After a pass the hub rests for this part of it: nearly as prompt, and far less CPU under load. */
const REST_PART = 0.25;
const REST_MS_MAX = 5;
/** Shorter passes need no rest. */
const REST_FROM_MS = 2;

export type HubContext = Pick<
  BrokerContext,
  "reader" | "clock" | "metrics" | "schemas" | "sessions"
>;

export class Hub {
  readonly #context: HubContext;
  readonly #channels = new Map<string, HubChannel>();
  readonly #untils = new UntilDesk();
  readonly #lines = new Lines();
  /** Ranges up to now by their beginning; dropped when the hub's log moves. */
  readonly #views = new Map<LogNumber, LiveView>();
  readonly #wake = new SignalPoint();
  #hasWork = true;
  #nextId = 1;
  #log: LogNumber;
  #run: string;
  #attachments = 0;
  #copying: readonly CopyStatus[];

  constructor(context: HubContext) {
    this.#context = context;
    const { notice, copying } = context.reader;
    this.#log = notice.log;
    this.#run = notice.run;
    this.#copying = copying;
  }

  /** What was being copied as of the last range. */
  get copying(): readonly CopyStatus[] {
    return this.#copying;
  }

  get channels(): Iterable<HubChannel> {
    return this.#channels.values();
  }

  get attachments(): number {
    return this.#attachments;
  }

  // ------------------------------------------------------------ members

  attach(
    session: Session,
    name: string,
    request: { readonly id: number; readonly from: AttachFrom; readonly loading: boolean },
  ): Attachment {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { name, id: this.#nextId++, members: new Set() };
      this.#channels.set(name, channel);
    }
    const attachment = new Attachment(session, channel, request);
    channel.members.add(attachment);
    this.#countAttachments(1);
    return attachment;
  }

  detach(attachment: Attachment): void {
    const { channel } = attachment;
    if (!channel.members.delete(attachment)) return;
    if (channel.members.size === 0) this.#channels.delete(channel.name);
    this.#countAttachments(-1);
  }

  /** The session has come up to `session.log` by itself and is live from now on. */
  join(session: Session): void {
    if (session.log < this.#log && session.attachments.size > 0) {
      session.owedFrom = session.log;
      this.#lines.addNarrow(session);
    }
    this.#raise();
  }

  /** The session is over. */
  forget(session: Session): void {
    for (const attachment of session.attachments.values()) this.detach(attachment);
    this.#untils.removeAll(session);
  }

  /** `reached` is sent once the source passed the position and the session holds what came up to it. */
  until(session: Session, id: number, wanted: { source: string; position: string }): void {
    const at = this.#context.reader.notice.sources.get(wanted.source);
    this.#untils.add({ session, id, ...wanted, generation: at?.generation ?? 0 });
    this.#raise();
  }

  #countAttachments(change: number): void {
    this.#attachments += change;
    this.#context.metrics.attachments(this.#attachments);
  }

  // ------------------------------------------------------------ the loop

  /** Resolves after the signal. Rejects only where something of ours is wrong. */
  async run(signal: AbortSignal): Promise<void> {
    const { reader, clock } = this.#context;
    const stop = reader.onNotice(() => {
      this.#raise();
    });
    try {
      for (;;) {
        if (!this.#hasWork) await this.#wake.wait(signal);
        if (signal.aborted) return;
        // Whatever else is released in this turn of the event loop goes along.
        await turnOfLoop();
        const began = clock.monotonic();
        await this.#take();
        await this.#serve(signal);
        await this.#rest(clock.monotonic() - began);
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    } finally {
      stop();
    }
  }

  #raise(): void {
    this.#hasWork = true;
    this.#wake.raise();
  }

  async #rest(passMs: number): Promise<void> {
    if (passMs < REST_FROM_MS) return;
    const restMs = Math.min(REST_MS_MAX, passMs * REST_PART);
    await new Promise<void>((resolve) => {
      this.#context.clock.after(restMs, resolve);
    });
  }

  /** Moves the hub's log to the journal's and marks whom the range between concerns. */
  async #take(): Promise<void> {
    this.#hasWork = false;
    const { reader } = this.#context;
    const { notice } = reader;
    this.#copying = reader.copying;
    if (notice.run !== this.#run) {
      this.#run = notice.run;
      this.#lose();
      this.#log = notice.log;
    }
    if (notice.log > this.#log) {
      const from = this.#log;
      this.#views.clear();
      const view = this.#view(from);
      this.#log = view?.to ?? notice.log;
      if (view === undefined) this.#lose();
      else await this.#context.schemas.load(this.#mark(view, from));
    }
    this.#untils.settle(notice);
  }

  /** Puts the sessions that `view` concerns into line; returns the schemas that they will need. */
  #mark(view: LiveView, from: LogNumber): Set<SchemaKey> {
    const schemas = new Set<SchemaKey>();
    const touched: HubChannel[] = [];
    let members = 0;
    const few = view.channels.size < this.#channels.size;
    for (const name of few ? view.channels.keys() : this.#channels.keys()) {
      const channel = this.#channels.get(name);
      if (channel === undefined || !view.channels.has(name)) continue;
      touched.push(channel);
      members += channel.members.size;
      for (const key of view.piece(name)?.schemas ?? []) schemas.add(key);
    }
    for (const { members: attachments } of touched) {
      for (const { session } of attachments) {
        if (!session.isLive) continue;
        session.owedFrom ??= Math.max(from, session.log);
        this.#lines.add(session, members);
      }
    }
    return schemas;
  }

  /** Memory does not reach back: every live session reads the journal. */
  #lose(): void {
    this.#views.clear();
    for (const session of this.#context.sessions) {
      if (session.isLive && session.attachments.size > 0) session.fallBehind("lost");
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    let takenAt = clock.monotonic();
    for (;;) {
      const began = clock.monotonic();
      this.#serveFrom("narrow", began + SLICE_MS / 2);
      this.#serveFrom("wide", began + SLICE_MS);
      this.#serveFrom("narrow", began + SLICE_MS);
      this.#untils.answer(this.#log);
      if (this.#lines.isEmpty || signal.aborted) return;
      await turnOfLoop();
      if (!this.#hasWork || clock.monotonic() - takenAt < RETAKE_MS) continue;
      takenAt = clock.monotonic();
      await this.#take();
    }
  }

  #serveFrom(line: "narrow" | "wide", until: number): void {
    const { clock } = this.#context;
    for (let count = 1; ; count++) {
      if (count % SESSIONS_PER_LOOK === 0 && clock.monotonic() >= until) return;
      const session = this.#lines.next(line);
      if (session === undefined) return;
      const from = session.owedFrom;
      session.owedFrom = undefined;
      if (from !== undefined && session.isLive) this.#deliver(session, from);
    }
  }

  // ------------------------------------------------------------ one session

  #deliver(session: Session, from: LogNumber): void {
    const view = this.#view(from);
    if (view === undefined) {
      session.fallBehind("lost");
      return;
    }
    const moved = view.movedOf(session.attachments);
    if (moved.length === 0) return;
    const schemas: Uint8Array[] = [];
    for (const { channel, epoch, sent } of moved) {
      const piece = view.piece(channel.name);
      if (piece === undefined) {
        session.fallBehind("huge");
        return;
      }
      const { live } = piece;
      // A serial that does not follow (I5) and a schema that is not loaded are left to the journal.
      const follows = live.from === sent && (epoch === 0 || live.epoch === epoch);
      if (!follows || !this.#areLoaded(piece.schemas)) {
        session.fallBehind("lost");
        return;
      }
    }
    const delivery = view.delivery(moved);
    if (!session.canTake(delivery.bytes)) {
      session.fallBehind("slow");
      return;
    }
    for (const { channel } of moved) {
      session.addSchemas(view.piece(channel.name)?.schemas ?? [], schemas);
    }
    for (const line of schemas) session.send([new WireMessage(line)], 0, line.length);
    session.send(delivery.messages, delivery.entries, delivery.bytes);
    for (const attachment of moved) {
      const live = view.channels.get(attachment.channel.name);
      if (live !== undefined) attachment.advance(live.epoch, live.to);
      attachment.settle();
    }
    session.log = view.to;
  }

  #areLoaded(schemas: ReadonlySet<SchemaKey>): boolean {
    for (const key of schemas) if (this.#context.schemas.find(key) === undefined) return false;
    return true;
  }

  #view(from: LogNumber): LiveView | undefined {
    const known = this.#views.get(from);
    if (known !== undefined) return known;
    const range = this.#context.reader.live(from);
    if (range === undefined) return undefined;
    const view = new LiveView(range);
    this.#views.set(from, view);
    return view;
  }
}
