/**
 * What several sessions want to read of the journal is read and encoded once: after a cut thousands come back with the
 * same place. A lap stays true until one of its channels moves, which the hub knows; a head until something is released.
 */
import type { ChannelHead, Lap, LogNumber, ReadRequest } from "../journal/journal.js";
import type { Attachment } from "./attachment.js";
import type { AttachFrom } from "../protocol/frames.js";
import type { BrokerContext } from "./broker-context.js";
import { LapContents } from "./lap-contents.js";

/** Laps that are kept for whoever asks the same, and their bodies in all. */
const LAPS_MAX = 64;
const LAP_BYTES_MAX = 8 * 1024 * 1024;
/** Kept no longer: a storm is over, or goes on with other places. */
const LAP_MS_MAX = 2_000;
/** Heads that are kept at one log number. */
const HEADS_MAX = 1_000;

type SharedContext = Pick<BrokerContext, "reader" | "clock" | "reads" | "schemas" | "limits">;

interface Kept {
  readonly contents: Promise<LapContents>;
  readonly readAt: number;
  bytes: number;
}

/** A lap, and the log number that it shows. */
export interface ReadLap {
  readonly contents: LapContents;
  readonly log: LogNumber;
}

export interface LapLogs {
  /** Up to where the hub has told the channels what moved: it may be behind the journal. */
  readonly hubLog: () => LogNumber;
  /**
   * What the session was sent shows this log number. Of a row that changed again it was sent the newest alone, so
   * at an older log number it would lack that row.
   */
  readonly since: LogNumber;
}

export class SharedReads {
  readonly #context: SharedContext;
  readonly #laps = new Map<string, Kept>();
  readonly #heads = new Map<string, Promise<ChannelHead | undefined>>();
  #headsAt: LogNumber = -1;
  #bytes = 0;

  constructor(context: SharedContext) {
    this.#context = context;
  }

  head(channel: string): Promise<ChannelHead | undefined> {
    const { reader } = this.#context;
    if (this.#headsAt !== reader.notice.log || this.#heads.size >= HEADS_MAX) this.#heads.clear();
    this.#headsAt = reader.notice.log;
    const known = this.#heads.get(channel);
    if (known !== undefined) return known;
    const head = reader.head(channel);
    this.#heads.set(channel, head);
    return head;
  }

  /** What follows `sent` of each. */
  async lap(attachments: readonly Attachment[], { hubLog, since }: LapLogs): Promise<ReadLap> {
    const key = keyOf(attachments);
    const known = this.#laps.get(key);
    if (known !== undefined) {
      const contents = await known.contents;
      const log = Math.max(contents.lap.log, hubLog());
      const isYoung = this.#context.clock.monotonic() - known.readAt <= LAP_MS_MAX;
      const isStill = attachments.every(({ channel }) => channel.movedAt <= contents.lap.log);
      const isBehind = log < since || attachments.some(({ from }) => log < logOf(from));
      if (isYoung && isStill && !isBehind && mayServe(contents.lap)) return { contents, log };
      this.#drop(key, known);
    }
    const contents = this.#read(attachments);
    this.#keep(key, contents);
    return { contents: await contents, log: (await contents).lap.log };
  }

  /** Nobody gets what was read until now. */
  forget(): void {
    this.#laps.clear();
    this.#heads.clear();
    this.#bytes = 0;
  }

  async #read(attachments: readonly Attachment[]): Promise<LapContents> {
    const { reads, reader, schemas, limits } = this.#context;
    const lap = await reads.use(() => reader.read(requestsOf(attachments), limits.pageBytes));
    const contents = new LapContents(lap);
    await schemas.load(contents.schemas);
    return contents;
  }

  #keep(key: string, contents: Promise<LapContents>): void {
    const now = this.#context.clock.monotonic();
    for (const [other, kept] of this.#laps) {
      const isRoomy = this.#laps.size < LAPS_MAX && this.#bytes <= LAP_BYTES_MAX;
      if (isRoomy && now - kept.readAt <= LAP_MS_MAX) break;
      this.#drop(other, kept);
    }
    const kept: Kept = { contents, readAt: now, bytes: 0 };
    this.#laps.set(key, kept);
    contents.then(
      ({ lap }) => {
        if (this.#laps.get(key) !== kept) return;
        kept.bytes = bytesOf(lap);
        this.#bytes += kept.bytes;
      },
      () => {
        // Whoever asked is told; the next one reads anew.
        this.#drop(key, kept);
      },
    );
  }

  #drop(key: string, kept: Kept): void {
    if (this.#laps.get(key) !== kept) return;
    this.#laps.delete(key);
    this.#bytes -= kept.bytes;
  }
}

export function requestsOf(attachments: readonly Attachment[]): ReadRequest[] {
  return attachments.map(({ channel, sent, floor }) => ({
    channel: channel.name,
    after: sent,
    ...(floor === undefined ? {} : { floor }),
  }));
}

/** A hub's channel has its number for as long as it has members, and only so long the hub tells it what moved. */
function keyOf(attachments: readonly Attachment[]): string {
  let key = "";
  for (const { channel, sent, floor } of attachments)
    key += `${channel.id}:${sent}:${floor ?? ""},`;
  return key;
}

/** What a client holds may be newer than what the hub has told, too. */
function logOf(from: AttachFrom): LogNumber {
  return typeof from === "object" && "log" in from ? from.log : 0;
}

/** One that brings nothing because the journal merges a huge unit is worth another look. */
function mayServe(lap: Lap): boolean {
  return lap.complete || lap.channels.some(({ entries }) => entries.length > 0);
}

function bytesOf(lap: Lap): number {
  let bytes = 0;
  for (const { entries } of lap.channels) for (const { body } of entries) bytes += body.length;
  // As entries and as frames.
  return 2 * bytes;
}
