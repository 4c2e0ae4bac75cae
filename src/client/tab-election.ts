/**
 * Which tab leads. With Web Locks: who holds the lock; the browser gives it on when a tab closes or crashes.
 * A tab that is frozen or hangs keeps it: a visible tab that hears nothing of the leader takes it away.
 * Without Web Locks: who hears of no leader leads. Two may think so for a moment; the store's generation
 * decides, and the one that finds it gone follows.
 */
import type { Clock } from "../base/clock.js";

/** A tab that is looked at asks this often whether there is a leader. */
const PING_MS = 2_000;
/** A leader that says nothing for so long after being asked is taken for frozen. */
export const SILENT_MS = 5_000;
/** Without locks: tabs that begin together do not ask in step. */
const SPREAD_MS = 500;

export interface ElectionParts {
  readonly name: string;
  readonly clock: Clock;
  readonly random: { next(): number };
  /** Asks whether there is a leader; what it says comes through `heard`. */
  readonly ping: () => void;
  /** Leads until the signal says that another does. Leading ends when it resolves. */
  readonly lead: (lost: AbortSignal) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

export class Election {
  readonly #parts: ElectionParts;
  readonly #locks: LockManager | undefined;
  readonly #end = new AbortController();
  /** Of the request for the lock that waits in line. */
  #waiting: AbortController | undefined;
  #lost: AbortController | undefined;
  #heardAt: number;
  #askedAt: number | undefined;
  #cancel: () => void = () => undefined;
  #cancelQueue: () => void = () => undefined;
  #yielded = false;
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: ElectionParts) {
    this.#parts = parts;
    // Only pages of a secure origin have them.
    this.#locks = (globalThis as { readonly navigator?: { readonly locks?: LockManager } })
      .navigator?.locks;
    this.#heardAt = parts.clock.monotonic();
  }

  get leads(): boolean {
    return this.#lost !== undefined;
  }

  start(): void {
    this.#queue();
    this.#watch();
  }

  /** The leader said something. */
  heard(): void {
    this.#heardAt = this.#parts.clock.monotonic();
    this.#askedAt = undefined;
  }

  /** Another tab has the store: follow it. */
  yield(): void {
    this.#yielded = true;
    this.#lost?.abort();
  }

  /** Resolves when this tab leads no more. */
  async stop(): Promise<void> {
    this.#end.abort();
    this.#cancel();
    this.#cancelQueue();
    this.#waiting?.abort();
    this.#lost?.abort();
    await this.#leading;
  }

  #queue(): void {
    if (this.#locks === undefined || this.#end.signal.aborted || this.leads) return;
    this.#waiting = new AbortController();
    this.#request({ signal: this.#waiting.signal });
  }

  #request(options: LockOptions): void {
    const lost = new AbortController();
    const locks = this.#locks;
    if (locks === undefined) return;
    const held = locks.request(this.#parts.name, options, () => this.#lead(lost));
    held
      // Taken away, which is told by this alone; or given up waiting.
      .catch(() => {
        lost.abort();
        return this.#leading;
      })
      .then(() => {
        if (options.signal?.aborted === true || this.#end.signal.aborted) return;
        // Whoever has the store needs no lock for that, if it is no tab of ours: not at once again.
        this.#cancelQueue = this.#parts.clock.after(this.#yielded ? SILENT_MS : 0, () => {
          this.#yielded = false;
          this.#queue();
        });
      })
      .catch(() => undefined);
  }

  #lead(lost: AbortController): Promise<void> {
    if (this.#end.signal.aborted) return Promise.resolve();
    this.#waiting = undefined;
    this.#lost = lost;
    this.#askedAt = undefined;
    this.#leading = this.#parts
      .lead(lost.signal)
      .catch((error: unknown) => {
        // Something is wrong here that another try would not mend at once.
        this.#yielded = true;
        this.#parts.failed(error);
      })
      .finally(() => {
        this.#lost = undefined;
        this.heard();
      });
    return this.#leading;
  }

  #watch(): void {
    const delayMs =
      this.#locks === undefined ? PING_MS + this.#parts.random.next() * SPREAD_MS : PING_MS;
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      this.#look();
      if (!this.#end.signal.aborted) this.#watch();
    });
  }

  #look(): void {
    if (this.leads || !isLookedAt()) {
      this.#askedAt = undefined;
      return;
    }
    const now = this.#parts.clock.monotonic();
    if (now - this.#heardAt < PING_MS) return;
    if (this.#askedAt === undefined) {
      this.#askedAt = now;
      this.#parts.ping();
    } else if (now - this.#askedAt >= SILENT_MS) {
      this.#askedAt = undefined;
      this.#take();
    } else {
      this.#parts.ping();
    }
  }

  #take(): void {
    if (this.#locks === undefined) {
      this.#lead(new AbortController()).catch(() => undefined);
      return;
    }
    const { signal } = this.#end;
    if (signal.aborted) return;
    this.#waiting?.abort();
    this.#waiting = undefined;
    this.#request({ steal: true });
  }
}

/** Timers of hidden pages are slowed down so far that silence means nothing. */
function isLookedAt(): boolean {
  const { document } = globalThis as { readonly document?: { readonly visibilityState: string } };
  return document === undefined || document.visibilityState === "visible";
}
