/**
 * Brings one session up to the journal's head: after an attach, after its socket was full, for a unit too
 * large to be sent live. Reads laps; between two of them the socket must have drained, so a slow client
 * costs two pages at most and is told the newest per key when it comes to it.
 *
 * The log number at which the session joins the live feed is never chosen beforehand: it is that of the
 * first lap that holds everything due for all its channels at once. While channels are being attached
 * beside ready ones, laps take turns: one for the ready ones (with its own commit, so that they go on),
 * one for the others. Every loop is bounded: LAPS_MAX passes to the moving head, then a view that stands
 * still, then the session is closed with its places kept.
 */
import { AppError, errorText, InvariantError } from "../base/errors.js";
import { HELD_BYTES_MAX, HELD_MS_MAX } from "../journal/journal.js";
import type { HeldView, Lap, LapChannel, LogNumber } from "../journal/journal.js";
import type { Attachment } from "./attachment.js";
import { decideNew, restartAll } from "./attach.js";
import type { BrokerContext } from "./broker-context.js";
import { encodeLap } from "./lap-frames.js";
import type { LapPart } from "./lap-frames.js";
import { LapContents } from "./lap-contents.js";
import type { Session } from "./session.js";
import { isOver } from "./session-state.js";
import { requestsOf } from "./shared-reads.js";
import type { ReadLap } from "./shared-reads.js";
import { packLines } from "./wire-message.js";

/** Passes over all channels to their moving heads before a view is held still. */
const LAPS_MAX = 8;

/** Passes until a session gives up waiting for the one view that may be held. */
const LAPS_WITHOUT_VIEW_MAX = 24;

/** Views that ended before they had served, by huge units that the journal merged, or by all that came meanwhile. */
const ENDED_VIEWS_MAX = 16;

/** Between two looks at a journal that still merges a huge unit. */
const STALL_LOOK_MS = 20;
/** How long such a merge may take before the session is sent away to come back. */
const STALL_MS_MAX = 60_000;

/** Floors that rise under a catch-up faster than it reads. */
const RESTARTS_MAX = 64;

/** Resolves when the session has joined the live feed or is over. Rejects only where we are wrong. */
export async function catchUp(session: Session, context: BrokerContext): Promise<void> {
  const run = new CatchUp(session, context);
  try {
    await run.toTheHead();
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    context.log.error("session.catch-up.failed", { session: session.id, error: errorText(error) });
    session.close("BROKER_INTERNAL", "bringing a session up: the journal could not be read");
  }
}

/** What one lap is asked for. */
interface Asked {
  readonly attachments: readonly Attachment[];
  /** All ready channels are among them: a complete lap may commit. */
  readonly coversReady: boolean;
}

interface Sent {
  /** Channels whose serial does not count any more. */
  readonly fallen: readonly Attachment[];
  readonly bytes: number;
  /** The lap held all that was due for what it was asked. */
  readonly isWhole: boolean;
}

class CatchUp {
  readonly #session: Session;
  readonly #context: BrokerContext;
  /** Channels that this pass has not brought to where the head was when it began. */
  #unseen = new Set<Attachment>();
  #passBegan = 0;
  #passes = 0;
  #restarts = 0;
  #endedViews = 0;
  /** The channels being attached were all at their heads in one lap: the next takes all channels. */
  #attachingAtHead = false;
  #readyTurn = false;
  #stalledAt: number | undefined;
  /** What the newest lap that was sent shows. */
  #shownLog: LogNumber = 0;
  #held: { readonly view: HeldView; readonly since: number; bytes: number } | undefined;

  constructor(session: Session, context: BrokerContext) {
    this.#session = session;
    this.#context = context;
  }

  async toTheHead(): Promise<void> {
    try {
      let goesOn = true;
      // Bounded by #mayGoOn: passes, restarts, stalls, the held view.
      while (goesOn) goesOn = await this.#lap();
    } finally {
      this.#held?.view.release();
    }
  }

  /** False when there is nothing more to do. */
  async #lap(): Promise<boolean> {
    await this.#drained();
    if (this.#held === undefined) await decideNew(this.#session, this.#context);
    if (isOver(this.#session.phase)) return false;
    const asked = this.#choose();
    const lap = await this.#read(asked);
    if (lap === undefined) return this.#goOnInLaps();
    if (isOver(this.#session.phase)) return false;
    const sent = this.#send(asked, lap);
    if (sent.isWhole && asked.coversReady && this.#allReady()) {
      this.#session.join();
      return false;
    }
    await restartAll(sent.fallen, this.#context);
    return this.#mayGoOn(asked, lap.contents.lap, sent);
  }

  /** Nothing more is written before what was written is about gone. */
  async #drained(): Promise<void> {
    const session = this.#session;
    if (session.phase === "catching" && session.isBacklogged) session.step("overflowed");
    await session.drained();
    if (session.phase === "lagging") session.step("drained");
  }

  #choose(): Asked {
    const ready: Attachment[] = [];
    const attaching: Attachment[] = [];
    for (const attachment of this.#session.attachments.values()) {
      if (attachment.stage === "ready") ready.push(attachment);
      else if (attachment.stage !== "new") attaching.push(attachment);
    }
    const all = [...ready, ...attaching];
    if (this.#unseen.size === 0) this.#unseen = new Set(all);
    const together = ready.length === 0 || attaching.length === 0 || this.#attachingAtHead;
    if (together || this.#held !== undefined) {
      // Those first that this pass has not brought to their heads: so that every channel gets there.
      const first = all.filter((attachment) => this.#unseen.has(attachment));
      const then = all.filter((attachment) => !this.#unseen.has(attachment));
      return { attachments: [...first, ...then], coversReady: true };
    }
    this.#readyTurn = !this.#readyTurn;
    if (this.#readyTurn) return { attachments: ready, coversReady: true };
    return { attachments: attaching, coversReady: false };
  }

  /** Undefined: the held view has ended. */
  async #read(asked: Asked): Promise<ReadLap | undefined> {
    const { attachments } = asked;
    const { reads, schemas, limits, hub, shared } = this.#context;
    const view = this.#held?.view;
    if (view === undefined) {
      return shared.lap(attachments, { hubLog: () => hub.log, since: this.#shownLog });
    }
    let lap: Lap;
    try {
      lap = await reads.use(() => view.read(requestsOf(attachments), limits.pageBytes));
    } catch (error) {
      if (error instanceof AppError && error.code === "JOURNAL_VIEW_ENDED") return undefined;
      throw error;
    }
    const contents = new LapContents(lap);
    await schemas.load(contents.schemas);
    return { contents, log: lap.log };
  }

  /** What was read so far counts. */
  #goOnInLaps(): boolean {
    this.#held = undefined;
    this.#passes = 0;
    this.#endedViews += 1;
    if (this.#endedViews <= ENDED_VIEWS_MAX) return !isOver(this.#session.phase);
    return this.#giveUp("changes, or huge transactions, come faster than it reads");
  }

  #send(asked: Asked, { contents, log }: ReadLap): Sent {
    const { lap } = contents;
    const parts: LapPart[] = [];
    const fallen: Attachment[] = [];
    for (const [index, attachment] of asked.attachments.entries()) {
      const part = lap.channels[index];
      // Detached or attached anew while the lap was read.
      if (part === undefined || !this.#isCurrent(attachment)) continue;
      if (fell(attachment, part)) fallen.push(attachment);
      else parts.push({ attachment, part, lines: contents.linesOf(index) });
    }
    const isWhole = lap.complete && fallen.length === 0 && log >= this.#session.log;
    this.#shownLog = Math.max(this.#shownLog, log);
    const { lines, entries } = encodeLap(this.#session, {
      parts,
      schemas: contents.schemas,
      log,
      commits: isWhole && asked.coversReady,
      run: this.#context.reader.notice.run,
    });
    let bytes = 0;
    for (const line of lines) bytes += line.length;
    if (bytes > 0) this.#session.tell(packLines(lines), entries, bytes);
    return { fallen, bytes, isWhole };
  }

  async #mayGoOn(asked: Asked, lap: Lap, sent: Sent): Promise<boolean> {
    if (isOver(this.#session.phase)) return false;
    this.#restarts += sent.fallen.length;
    if (this.#restarts > RESTARTS_MAX)
      return this.#giveUp("history is dropped faster than it reads");
    if (sent.bytes === 0 && !sent.isWhole && sent.fallen.length === 0) return this.#stall();
    this.#stalledAt = undefined;
    if (!asked.coversReady) this.#attachingAtHead = sent.isWhole;
    this.#countPasses(asked, lap);
    if (this.#held !== undefined && sent.isWhole && asked.coversReady) {
      // It has served those it was held for; what was attached meanwhile is still to be decided.
      this.#held.view.release();
      this.#held = undefined;
      this.#passes = 0;
      return true;
    }
    if (this.#held !== undefined) return this.#mayHold(this.#held, sent.bytes);
    if (this.#passes < LAPS_MAX) return true;
    const view = this.#context.reader.hold();
    if (view !== undefined) {
      this.#held = { view, since: this.#context.clock.monotonic(), bytes: 0 };
      return true;
    }
    if (this.#passes < LAPS_WITHOUT_VIEW_MAX) return true;
    return this.#giveUp("its channels change faster than it reads");
  }

  #countPasses(asked: Asked, lap: Lap): void {
    if (this.#passBegan === 0) this.#passBegan = lap.log;
    for (const [index, attachment] of asked.attachments.entries()) {
      const part = lap.channels[index];
      // Log numbers rise with serials: behind a younger entry nothing older is due. One as old has others beside it.
      const lastLog = part?.entries[part.entries.length - 1]?.log ?? 0;
      if (part?.atHead === true || lastLog > this.#passBegan) this.#unseen.delete(attachment);
    }
    for (const attachment of this.#unseen) {
      if (!this.#isCurrent(attachment)) this.#unseen.delete(attachment);
    }
    if (this.#unseen.size > 0) return;
    this.#passes += 1;
    this.#passBegan = 0;
  }

  #mayHold(held: { readonly since: number; bytes: number }, bytes: number): boolean {
    held.bytes += bytes;
    const heldMs = this.#context.clock.monotonic() - held.since;
    if (heldMs <= HELD_MS_MAX && held.bytes <= HELD_BYTES_MAX) return true;
    return this.#giveUp("a view of the journal would have to be held too long for it");
  }

  /** The journal has nothing for us and is not complete: it merges a huge unit. */
  async #stall(): Promise<boolean> {
    const { clock } = this.#context;
    this.#stalledAt ??= clock.monotonic();
    if (clock.monotonic() - this.#stalledAt > STALL_MS_MAX) {
      return this.#giveUp("the journal did not complete a large unit in time");
    }
    await new Promise<void>((resolve) => {
      clock.after(STALL_LOOK_MS, resolve);
    });
    return !isOver(this.#session.phase);
  }

  #giveUp(found: string): false {
    this.#session.close("BROKER_TOO_SLOW", `bringing a session up: ${found}`);
    return false;
  }

  #isCurrent(attachment: Attachment): boolean {
    return this.#session.attachments.get(attachment.channel.name) === attachment;
  }

  #allReady(): boolean {
    for (const { stage } of this.#session.attachments.values()) if (stage !== "ready") return false;
    return true;
  }
}

function fell(attachment: Attachment, part: LapChannel): boolean {
  if (part.belowFloor) return true;
  return attachment.epoch !== 0 && part.epoch !== attachment.epoch;
}
