/**
 * A load of messages at a rate, open loop: a message is due at its time whether or not the server keeps up, and
 * latency counts from there. Used inside the servers, so that nothing stands between the load and what is measured.
 */
import { pauseMs, sharedNow } from "./time.js";

/** The channel that everybody has; the others are `own:<n>`. */
export const SHARED = "all";

export interface Load {
  /** Messages a second in the shared channel, and spread over the own ones in turn. */
  readonly shared: number;
  readonly own: number;
  readonly owners: number;
  readonly seconds: number;
}

/** When each entry of a channel was due, by serial − 1. */
export type DueTimes = Map<string, number[]>;

/** Publishes names of channels, one message each, in the order in which they are due. */
export type Publish = (channels: readonly string[]) => void | Promise<void>;

export async function publishLoad(load: Load, due: DueTimes, publish: Publish): Promise<void> {
  const startedAt = sharedNow();
  const series = [
    { rate: load.shared, next: () => SHARED, done: 0 },
    { rate: load.own, next: (nth: number) => `own:${String(nth % load.owners)}`, done: 0 },
  ];
  for (;;) {
    const elapsed = Math.min(load.seconds, (sharedNow() - startedAt) / 1_000);
    const channels: string[] = [];
    for (const one of series) {
      for (const wanted = Math.floor(elapsed * one.rate); one.done < wanted; one.done += 1) {
        const channel = one.next(one.done);
        channels.push(channel);
        noteDue(due, channel, startedAt + ((one.done + 1) / one.rate) * 1_000);
      }
    }
    if (channels.length > 0) await publish(channels);
    else if (elapsed >= load.seconds) return;
    else await pauseMs(1);
  }
}

export function noteDue(due: DueTimes, channel: string, at: number): void {
  const times = due.get(channel);
  if (times === undefined) due.set(channel, [at]);
  else times.push(at);
}

/** A row of about 200 bytes as the journal keeps it. */
export function bodyOf(key: number): Buffer {
  return Buffer.from(`${String(key)},"${String(key).padStart(12, "0")}${"x".repeat(150)}"`);
}
