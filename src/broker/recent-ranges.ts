/**
 * Which channels hold ranges of the log in memory, oldest first, so that they are forgotten in order: bounded by bytes and
 * age (I9). Whoever is owed something that was forgotten reads it from the journal.
 */
import type { LiveChannel, LogNumber } from "../journal/journal.js";
import type { HubChannel } from "./hub-channel.js";

/** A pass over all sessions, or the joining of one, takes no longer. */
const AGE_MS_MAX = 5_000;
/** The bodies are shared with the journal's own memory; their frames are not. */
const BYTES_MAX = 64 * 1024 * 1024;
/** An entry's envelope. */
const ENTRY_BYTES = 100;

interface Recent {
  readonly log: LogNumber;
  readonly takenAt: number;
  readonly channels: readonly HubChannel[];
  readonly bytes: number;
}

export class RecentRanges {
  readonly #ranges: Recent[] = [];
  #bytes = 0;

  /** The range up to `log` touched these channels. */
  add(log: LogNumber, touched: ReadonlyMap<HubChannel, LiveChannel>, now: number): void {
    if (touched.size > 0) {
      let bytes = 0;
      for (const { entries } of touched.values()) {
        for (const { body } of entries ?? []) bytes += body.length + ENTRY_BYTES;
      }
      this.#ranges.push({ log, takenAt: now, channels: [...touched.keys()], bytes });
      this.#bytes += bytes;
    }
    this.#trim(now - AGE_MS_MAX);
  }

  #trim(oldest: number): void {
    let count = 0;
    for (const { log, takenAt, channels, bytes } of this.#ranges) {
      const isLast = count === this.#ranges.length - 1;
      if (isLast || (takenAt >= oldest && this.#bytes <= BYTES_MAX)) break;
      for (const channel of channels) channel.forget(log);
      this.#bytes -= bytes;
      count += 1;
    }
    if (count > 0) this.#ranges.splice(0, count);
  }
}
