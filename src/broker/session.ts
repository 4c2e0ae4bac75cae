/**
 * One connected client: its phase, its attachments, what it was told, and its deadlines. It holds a
 * position (log, serials) and no queue: what waits stands in the socket, bounded by socketBytesMax.
 * Requests are read by session-inbox.ts, live ranges come from hub.ts, everything else from catch-up.ts.
 */
import { assert } from "../base/assert.js";
import { errorCatalogue } from "../base/error-catalogue.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import { turnOfLoop } from "../base/turn.js";
import type { LogNumber } from "../journal/journal.js";
import { closeCodes } from "../protocol/close-codes.js";
import { encodeServerFrame } from "../protocol/codec.js";
import type { ServerFrame } from "../protocol/frames.js";
import { errorFrame } from "./error-frame.js";
import { openGrant } from "./auth/grant.js";
import type { Grant } from "./auth/grant.js";
import type { Attachment } from "./attachment.js";
import type { BrokerContext } from "./broker-context.js";
import { catchUp } from "./catch-up.js";
import type { CatchUpReason } from "./metrics.js";
import type { SchemaKey } from "./schema-frames.js";
import { SessionInbox } from "./session-inbox.js";
import type { SessionSocket, SocketListener } from "./session-socket.js";
import { isOpen, isOver, nextPhase } from "./session-state.js";
import type { SessionPhase, SessionStep } from "./session-state.js";
import type { Watched } from "./timer-wheel.js";
import type { WireMessage } from "./wire-message.js";
import { textMessage } from "./wire-message.js";

/** A session with more waiting than this many times socketBytesMax does not read at all: it is cut. */
const CUT_FACTOR = 4;

/** Below it a socket counts as drained: above Node's own high-water mark, so that it tells, and most of a page. */
const DRAINED_BYTES = 192 * 1024;

/** Silence after this many heartbeats ends a session (rule 6). */
const SILENT_HEARTBEATS = 2;

const heartbeat = textMessage(encodeServerFrame({ t: "heartbeat" }));

/** Most sessions are owed nothing and wait for nothing most of the time: they share one empty list. Never written to. */
const nothing: never[] = [];

type SmallFrame = Exclude<ServerFrame, { t: "changes" | "historyPage" }>;

export class Session implements Watched, SocketListener {
  readonly id: string;
  readonly socket: SessionSocket;
  readonly attachments = new Map<string, Attachment>();
  grant: Grant = openGrant;
  /** `at` of the last commit: every ready channel holds at least this. */
  log: LogNumber = 0;
  /** Run that the client was told last in a commit. */
  runTold = "";
  slot = 0;

  /** The hub's: in which lines it stands. */
  inNarrow = false;
  inWide = false;
  /** The hub's: `until` requests that wait for a position, and those that wait for the session's log. */
  untilCount = 0;
  reached: readonly { readonly id: number; readonly log: LogNumber }[] = nothing;

  #owed: Attachment[] = nothing;
  readonly #context: BrokerContext;
  readonly #inbox: SessionInbox;
  /** Few: as many as tables that its channels hold. */
  #told: SchemaKey[] = nothing;
  readonly #openedAt: number;
  #phase: SessionPhase = "greeting";
  #catchingUp = false;
  #drainWaiters: readonly (() => void)[] = nothing;
  #sentAt: number;
  #heardAt: number;
  #takenBytes = 0;
  #closeCode: number | undefined;

  constructor(context: BrokerContext, id: string, socket: SessionSocket) {
    this.id = id;
    this.socket = socket;
    this.#context = context;
    this.#inbox = new SessionInbox(this, context);
    this.#openedAt = context.clock.monotonic();
    this.#sentAt = this.#openedAt;
    this.#heardAt = this.#openedAt;
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  get isOpen(): boolean {
    return isOpen(this.#phase);
  }

  get isOver(): boolean {
    return isOver(this.#phase);
  }

  get isLive(): boolean {
    return this.#phase === "live";
  }

  step(step: SessionStep): void {
    const next = nextPhase(this.#phase, step);
    assert(next !== undefined, () => `session ${this.id}: ${step} while ${this.#phase}`);
    this.#phase = next;
  }

  // ------------------------------------------------------------ sending

  /** Whether `bytes` may be added to what waits. An empty socket takes anything. */
  canTake(bytes: number): boolean {
    const waiting = this.socket.waitingBytes;
    return waiting === 0 || waiting + bytes <= this.#context.limits.socketBytesMax;
  }

  send(messages: readonly WireMessage[], entries: number, bytes: number): void {
    if (isOver(this.#phase)) return;
    this.socket.send(messages);
    this.#sentAt = this.#context.clock.monotonic();
    this.#context.metrics.sent(entries, bytes);
  }

  /** As `send`, in one write with whatever else it is told in this turn of the event loop. */
  tell(messages: readonly WireMessage[], entries: number, bytes: number): void {
    if (isOver(this.#phase)) return;
    this.#context.outbox.hold(this.socket);
    this.send(messages, entries, bytes);
  }

  sendFrame(frame: SmallFrame): void {
    const message = textMessage(encodeServerFrame(frame));
    this.tell([message], 0, message.bytes);
    if (this.socket.waitingBytes <= this.#context.limits.socketBytesMax * CUT_FACTOR) return;
    this.close("BROKER_TOO_SLOW", "sending: the client does not read");
  }

  /** Puts the frames of those schemas that the client was not told yet into `lines`; false where one is not loaded. */
  addSchemas(keys: Iterable<SchemaKey>, lines: Uint8Array[]): boolean {
    for (const key of keys) {
      if (this.#told.includes(key)) continue;
      const line = this.#context.schemas.find(key);
      if (line === undefined) return false;
      lines.push(line);
      if (this.#told === nothing) this.#told = [key];
      else this.#told.push(key);
    }
    return true;
  }

  /** More waits than a page should be put behind. */
  get isBacklogged(): boolean {
    return this.socket.waitingBytes > DRAINED_BYTES;
  }

  /** Resolves once the socket is about empty, or the session over. */
  async drained(): Promise<void> {
    while (this.#hasToDrain()) {
      // What is held leaves at the end of the turn; a socket that takes it at once tells of no drain.
      await turnOfLoop();
      if (!this.#hasToDrain()) return;
      await new Promise<void>((resolve) => {
        this.#drainWaiters = [...this.#drainWaiters, resolve];
      });
    }
  }

  #hasToDrain(): boolean {
    return !isOver(this.#phase) && this.isBacklogged;
  }

  // ------------------------------------------------------------ what the hub owes it

  /** The attachment lacks something that was released. */
  owe(attachment: Attachment): void {
    if (attachment.isOwed) return;
    attachment.isOwed = true;
    if (this.#owed === nothing) this.#owed = [attachment];
    else this.#owed.push(attachment);
  }

  /** Whether it is; a live session that is not holds the hub's log. */
  get isOwed(): boolean {
    return this.#owed !== nothing;
  }

  /** What it is owed; nothing from now on. */
  takeOwed(): readonly Attachment[] {
    const owed = this.#owed;
    this.#owed = nothing;
    for (const attachment of owed) attachment.isOwed = false;
    return owed;
  }

  /** The attachment ends. */
  disown(attachment: Attachment): void {
    if (!attachment.isOwed) return;
    attachment.isOwed = false;
    const left = this.#owed.filter((other) => other !== attachment);
    this.#owed = left.length === 0 ? nothing : left;
  }

  // ------------------------------------------------------------ being brought up

  /** Takes the session out of the live feed and reads it up from the journal. */
  fallBehind(reason: CatchUpReason): void {
    if (!isOpen(this.#phase)) return;
    this.takeOwed();
    if (reason === "slow") {
      this.#context.metrics.slow();
      this.step("overflowed");
    } else this.step("behind");
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    this.#context.metrics.catchUp(reason);
    catchUp(this, this.#context).catch(this.#context.fail);
  }

  /** Catch-up is done: every channel holds `log`. */
  join(): void {
    this.#catchingUp = false;
    this.step("joined");
    this.#context.hub.join(this);
  }

  detach(attachment: Attachment): void {
    this.attachments.delete(attachment.channel.name);
    this.#context.hub.detach(attachment);
  }

  // ------------------------------------------------------------ what the socket tells

  onText(text: string, bytes: number): void {
    this.onAlive();
    if (!isOver(this.#phase)) this.#inbox.take(text, bytes);
  }

  onBinary(): void {
    this.close("PROTOCOL_JSON", "reading a message: it is binary, not text");
  }

  onAlive(): void {
    this.#heardAt = this.#context.clock.monotonic();
  }

  onDrained(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = nothing;
    for (const wake of waiters) wake();
  }

  onClosed(code: number): void {
    if (this.#phase === "closed") return;
    this.#leave();
    this.step("gone");
    this.#context.sessions.delete(this);
    this.#context.metrics.sessions(this.#context.sessions.size);
    this.#context.metrics.closed(this.#closeCode ?? code);
    this.#context.log.debug("session.closed", {
      session: this.id,
      code: this.#closeCode ?? code,
      heldMs: Math.round(this.#context.clock.monotonic() - this.#openedAt),
    });
    this.onDrained();
  }

  // ------------------------------------------------------------ ending

  /** Tells the client why, then closes with the code of the catalogue. */
  close(code: ErrorCode, message: string, hint: { retryInMs?: number; close?: number } = {}): void {
    if (isOver(this.#phase)) return;
    const { retryInMs } = hint;
    const retry = retryInMs === undefined ? {} : { retryInMs };
    const entry: { readonly close?: number } = errorCatalogue[code];
    this.#closeCode = hint.close ?? entry.close ?? closeCodes.INTERNAL;
    const frame = errorFrame({ code, message, ...retry });
    this.send([textMessage(encodeServerFrame(frame))], 0, 0);
    this.#leave();
    this.step("closing");
    this.#context.log.debug("session.refused", { session: this.id, code, message });
    this.socket.close(this.#closeCode, JSON.stringify({ code, ...retry }));
    this.onDrained();
  }

  #leave(): void {
    this.#context.unknown.delete(this);
    this.#context.wheel.remove(this);
    this.#context.hub.forget(this);
    this.attachments.clear();
    this.takeOwed();
  }

  // ------------------------------------------------------------ deadlines

  look(): number | undefined {
    const { clock, limits } = this.#context;
    const now = clock.monotonic();
    if (!isOpen(this.#phase)) {
      const leftMs = this.#openedAt + limits.helloMs - now;
      if (leftMs > 0) return leftMs;
      this.close("BROKER_SILENT", "waiting for hello: none came in time");
      return undefined;
    }
    const expiresInMs = (this.grant.expiresAt ?? Infinity) - clock.now();
    if (expiresInMs <= 0) {
      this.close("AUTH_TOKEN_EXPIRED", "keeping a session: its token ended and was not renewed");
      return undefined;
    }
    return Math.min(expiresInMs, this.#lookForLife(now));
  }

  #lookForLife(now: number): number {
    const { heartbeatMs } = this.#context.limits;
    // Bytes that drain out of a full socket are a sign of life: a ping would wait behind them.
    const taken = this.socket.takenBytes;
    if (this.socket.waitingBytes > 0 && taken > this.#takenBytes) this.#heardAt = now;
    this.#takenBytes = taken;
    const silentMs = now - this.#heardAt;
    if (silentMs >= heartbeatMs * SILENT_HEARTBEATS) {
      this.close("BROKER_SILENT", "keeping a session: nothing was heard for two heartbeats");
      return Infinity;
    }
    if (silentMs >= heartbeatMs) this.socket.ping();
    if (now - this.#sentAt >= heartbeatMs) this.send([heartbeat], 0, heartbeat.bytes);
    const nextSendMs = this.#sentAt + heartbeatMs - now;
    const nextPingMs = silentMs >= heartbeatMs ? heartbeatMs / 2 : heartbeatMs - silentMs;
    return Math.max(1, Math.min(nextSendMs, nextPingMs));
  }
}
