/**
 * How long the hub works at a time, and what it leaves to others: the event loop, the journal's threads, and
 * messages for few while a range for many is served.
 */
import type { Clock } from "../base/clock.js";
import { turnOfLoop } from "../base/turn.js";
import { isWide } from "./serving-lines.js";

/** The event loop is held no longer: sockets are read and the journal flushed between slices. */
const SLICE_MS = 5;

/**
 * While messages for few come, too, a wide range gets no more of a slice, and the hub yields after it. What one session waits
 * for takes an append, which takes some turns of the loop and the processor beside it.
 */
const WIDE_MS = 2;
const YIELD_MS = 1;
/** They come for so long after the last one. */
const FEW_MS = 50;

/**
 * While a wide range is served, the next one for many is taken no earlier: each makes its members stand at one more
 * serial. What concerns few is taken in every turn.
 */
const RETAKE_MS = 20;

/** After a pass the hub rests for this part of it: nearly as prompt, and far less CPU under load. */
const REST_PART = 0.25;
const REST_MS_MAX = 5;
/** Shorter passes need no rest. */
const REST_FROM_MS = 2;

export class Pace {
  readonly narrowMs = SLICE_MS - WIDE_MS;
  readonly #clock: Clock;
  #wideTakenAt = -Infinity;
  #narrowTakenAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long a wide range may be served at a time. */
  get wideMs(): number {
    return this.#servesFew ? WIDE_MS : SLICE_MS;
  }

  /** Whether another range for many may be taken while one is served. */
  get mayTakeWide(): boolean {
    return this.#clock.monotonic() - this.#wideTakenAt >= RETAKE_MS;
  }

  /** A range was taken that concerns so many sessions. */
  took(concerned: number): void {
    const now = this.#clock.monotonic();
    if (isWide(concerned)) this.#wideTakenAt = now;
    else if (concerned > 0) this.#narrowTakenAt = now;
  }

  /** Between two slices. */
  nextTurn(): Promise<void> {
    return this.#servesFew ? this.#pause(YIELD_MS) : turnOfLoop();
  }

  /** Between two passes. */
  async rest(passMs: number): Promise<void> {
    if (passMs >= REST_FROM_MS) await this.#pause(Math.min(REST_MS_MAX, passMs * REST_PART));
  }

  get #servesFew(): boolean {
    return this.#clock.monotonic() - this.#narrowTakenAt <= FEW_MS;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}
