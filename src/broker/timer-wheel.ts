/**
 * All deadlines of all sessions on one timer: a session stands in the slot of its next look and is looked
 * at there. So 100,000 sessions cost one timer and no closures. A look may come up to one tick late.
 */
import type { Clock } from "../base/clock.js";

export interface Watched {
  /** Looks at what is due; returns in how many milliseconds to look again, undefined for never. */
  look(): number | undefined;
  /** Slot in which it stands; the wheel's own. */
  slot: number;
}

const SLOTS = 64;

export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: Set<Watched>[] = Array.from({ length: SLOTS }, () => new Set<Watched>());
  #at = 0;
  #stop: (() => void) | undefined;

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** Called after every tick's looks. */
  start(afterTick: () => void): void {
    const tick = (): void => {
      this.#stop = this.#clock.after(this.#tickMs, tick);
      this.#turn();
      afterTick();
    };
    this.#stop = this.#clock.after(this.#tickMs, tick);
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** A delay beyond the wheel's round is looked at early and then again. */
  schedule(watched: Watched, delayMs: number): void {
    this.remove(watched);
    const ticks = Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs / this.#tickMs)));
    watched.slot = (this.#at + ticks) % SLOTS;
    this.#slots[watched.slot]?.add(watched);
  }

  remove(watched: Watched): void {
    this.#slots[watched.slot]?.delete(watched);
  }

  #turn(): void {
    this.#at = (this.#at + 1) % SLOTS;
    const due = [...(this.#slots[this.#at] ?? [])];
    for (const watched of due) {
      const nextMs = watched.look();
      if (nextMs === undefined) this.remove(watched);
      else this.schedule(watched, nextMs);
    }
  }
}
