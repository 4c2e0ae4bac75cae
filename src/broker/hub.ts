/**
 * Hands what the journal releases to the sessions that stand at its head. Takes a range, gives each channel its part of
 * it, marks the members that do not have it, and serves their sessions in slices; what is released meanwhile
 * collects and is taken as the next range. So an idle system adds no delay and a loaded one makes larger writes by itself.
 *
 * A live session that is owed nothing holds the hub's log. One that is owed is served everything up to the hub's log
 * at once, from the serials that it has, in whatever line it stands: so a session with a message in a channel of few
 * overtakes those of a wide range, and gets what it is owed of that in the same write.
 */
import { isAbort } from "../base/abort.js";
import { SignalPoint } from "../base/signal-point.js";
import { turnOfLoop } from "../base/turn.js";
import type { CopyStatus, LiveChannel, LiveRange, LogNumber } from "../journal/journal.js";
import type { AttachFrom } from "../protocol/frames.js";
import { Attachment } from "./attachment.js";
import type { BrokerContext } from "./broker-context.js";
import { Deliveries } from "./deliveries.js";
import { HubChannel } from "./hub-channel.js";
import type { LeftToJournal, Piece } from "./hub-channel.js";
import { Pace } from "./pace.js";
import { RecentRanges } from "./recent-ranges.js";
import type { SchemaKey } from "./schema-frames.js";
import { isWide, Lines } from "./serving-lines.js";
import type { Session } from "./session.js";
import { UntilDesk } from "./until-desk.js";
import { WireMessage } from "./wire-message.js";

/** The clock is looked at after so many sessions. */
const SESSIONS_PER_LOOK = 16;

export type HubContext = Pick<
  BrokerContext,
  "reader" | "clock" | "metrics" | "schemas" | "sessions" | "limits"
>;

export class Hub {
  readonly #context: HubContext;
  readonly #channels = new Map<string, HubChannel>();
  readonly #untils = new UntilDesk();
  readonly #lines = new Lines();
  readonly #deliveries = new Deliveries();
  readonly #recent = new RecentRanges();
  readonly #wake = new SignalPoint();
  readonly #pace: Pace;
  #hasWork = true;
  #nextId = 1;
  #log: LogNumber;
  /** What was released up to here did not pass through memory. */
  #lostTo: LogNumber = 0;
  #run: string;
  #attachments = 0;
  #copying: readonly CopyStatus[];

  constructor(context: HubContext) {
    this.#context = context;
    this.#pace = new Pace(context.clock);
    const { notice, copying } = context.reader;
    this.#log = notice.log;
    this.#run = notice.run;
    this.#copying = copying;
  }

  /** What was being copied as of the last range. */
  get copying(): readonly CopyStatus[] {
    return this.#copying;
  }

  /** Everything up to here was given to the channels. */
  get log(): LogNumber {
    return this.#log;
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
      channel = new HubChannel(name, this.#nextId++);
      this.#channels.set(name, channel);
    }
    const attachment = new Attachment(session, channel, request);
    channel.members.add(attachment);
    this.#countAttachments(1);
    return attachment;
  }

  detach(attachment: Attachment): void {
    const { channel } = attachment;
    attachment.session.disown(attachment);
    if (!channel.members.delete(attachment)) return;
    if (channel.members.size === 0) this.#channels.delete(channel.name);
    this.#countAttachments(-1);
  }

  /** The session has come up to `session.log` by itself and is live from now on. */
  join(session: Session): void {
    if (session.log < this.#lostTo) {
      session.fallBehind("lost");
      return;
    }
    if (session.log < this.#log) {
      for (const attachment of session.attachments.values()) {
        const { channel, epoch, sent } = attachment;
        if (channel.isAhead(epoch, sent)) session.owe(attachment);
      }
    }
    if (session.isOwed) this.#lines.add(session, 1);
    if (session.isOwed || session.reached.length > 0) this.#raise();
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
        await this.#pace.rest(clock.monotonic() - began);
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

  /** Moves the hub's log to the journal's and marks whom the range between concerns. */
  async #take(): Promise<void> {
    this.#hasWork = false;
    const { reader } = this.#context;
    const { notice } = reader;
    this.#copying = reader.copying;
    if (notice.run !== this.#run) {
      this.#run = notice.run;
      this.#lose(notice.log);
    }
    if (notice.log > this.#log) {
      const range = reader.live(this.#log);
      if (range === undefined) this.#lose(notice.log);
      else await this.#takeRange(range);
    }
    this.#untils.settle(notice);
  }

  async #takeRange(range: LiveRange): Promise<void> {
    const { schemas, clock } = this.#context;
    this.#log = range.to;
    const touched = new Map<HubChannel, LiveChannel>();
    const needed = new Set<SchemaKey>();
    for (const [channel, live] of this.#touchedBy(range)) {
      touched.set(channel, live);
      const keys = schemas.keysOf(live.entries ?? []);
      for (const key of keys) needed.add(key);
      channel.take(range.to, live, keys);
      this.#mark(channel, live);
    }
    this.#recent.add(range.to, touched, clock.monotonic());
    await schemas.load(needed);
  }

  /** Found from the smaller side. */
  *#touchedBy({ channels }: LiveRange): Iterable<[HubChannel, LiveChannel]> {
    const few = channels.size < this.#channels.size;
    for (const name of few ? channels.keys() : this.#channels.keys()) {
      const channel = this.#channels.get(name);
      const live = channels.get(name);
      if (channel !== undefined && live !== undefined) yield [channel, live];
    }
  }

  /** Puts those members into line that lack the range. */
  #mark(channel: HubChannel, { epoch, to }: LiveChannel): void {
    this.#pace.took(channel.members.size);
    for (const attachment of channel.members) {
      const { session } = attachment;
      if (!session.isLive || (attachment.epoch === epoch && attachment.sent >= to)) continue;
      session.owe(attachment);
      this.#lines.add(session, channel.members.size);
    }
  }

  /** Memory does not reach back: every live session reads the journal. */
  #lose(log: LogNumber): void {
    this.#log = log;
    this.#lostTo = log;
    for (const channel of this.#channels.values()) channel.lose(log);
    for (const session of this.#context.sessions) {
      if (session.isLive && session.attachments.size > 0) session.fallBehind("lost");
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    for (;;) {
      this.#serveFrom("narrow", clock.monotonic() + this.#pace.narrowMs);
      this.#serveFrom("wide", clock.monotonic() + this.#pace.wideMs);
      this.#untils.answer(this.#log);
      if (this.#lines.isEmpty || signal.aborted) return;
      await this.#pace.nextTurn();
      if (this.#hasWork && this.#mayTake()) await this.#take();
    }
  }

  /** What concerns many waits while a range for many is fresh. */
  #mayTake(): boolean {
    if (this.#pace.mayTakeWide) return true;
    const range = this.#context.reader.live(this.#log);
    if (range === undefined) return true;
    for (const [{ members }] of this.#touchedBy(range)) if (isWide(members.size)) return false;
    return true;
  }

  #serveFrom(line: "narrow" | "wide", until: number): void {
    const { clock } = this.#context;
    for (let count = 1; ; count++) {
      if (count % SESSIONS_PER_LOOK === 0 && clock.monotonic() >= until) return;
      const session = this.#lines.next(line);
      if (session === undefined) return;
      if (session.isOwed) this.#deliver(session);
    }
  }

  // ------------------------------------------------------------ one session

  #deliver(session: Session): void {
    const owed = session.takeOwed();
    if (!session.isLive || owed.length === 0) return;
    const pieces = owed.map(pieceFor);
    const why = this.#whyNotSent(pieces);
    if (why !== undefined || !areAllHere(pieces)) {
      session.fallBehind(why ?? "lost");
      return;
    }
    const delivery = this.#deliveries.of(pieces, this.#log);
    if (!session.canTake(delivery.bytes)) {
      session.fallBehind("slow");
      return;
    }
    const schemas: Uint8Array[] = [];
    for (const piece of pieces) session.addSchemas(piece.schemas, schemas);
    for (const line of schemas) session.send([new WireMessage(line)], 0, line.length);
    session.send(delivery.messages, delivery.entries, delivery.bytes);
    for (let at = 0; at < owed.length; at += 1) {
      const piece = pieces[at];
      if (piece !== undefined) owed[at]?.advance(piece.epoch, piece.to);
      owed[at]?.settle();
    }
    session.log = this.#log;
  }

  /** A schema that is not loaded is left to the journal too, and what is much in all. */
  #whyNotSent(pieces: readonly (Piece | LeftToJournal)[]): LeftToJournal | undefined {
    let bytes = 0;
    for (const piece of pieces) {
      if (typeof piece === "string") return piece;
      if (!this.#areLoaded(piece.schemas)) return "lost";
      bytes += piece.bytes;
    }
    return bytes > this.#context.limits.deliveryBytesMax ? "huge" : undefined;
  }

  #areLoaded(schemas: readonly SchemaKey[]): boolean {
    for (const key of schemas) if (this.#context.schemas.find(key) === undefined) return false;
    return true;
  }
}

function pieceFor({ channel, epoch, sent }: Attachment): Piece | LeftToJournal {
  return channel.after(epoch, sent);
}

function areAllHere(pieces: readonly (Piece | LeftToJournal)[]): pieces is readonly Piece[] {
  return pieces.every((piece) => typeof piece !== "string");
}
