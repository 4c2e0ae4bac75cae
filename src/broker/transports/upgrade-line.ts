/**
 * Upgrades in line, worked off in slices between which sockets are read and the journal flushes.
 *
 * While connections come in one turn of the event loop after the other, they go first: Node accepts one a turn, so work in
 * between lets the kernel's queue run over, and who is dropped there tries again after 1, 3 and 7 s. Where
 * nobody may enter for now the line waits, up to a deadline of each.
 */
import type { Clock } from "../../base/clock.js";
import { turnOfLoop } from "../../base/turn.js";

/** The event loop is held no longer by upgrades: what comes to sessions meanwhile waits for some turns. */
const SLICE_MS = 2;

/** Upgrades in line; beyond it they are refused at once. The bound of connections comes first where it is lower. */
const LINE_MAX = 20_000;

/** For so long connections go before upgrades. */
const ACCEPT_MS_MAX = 1_000;

/** Between two looks whether there is room again. */
const ROOM_LOOK_MS = 5;

/** Who finds no room is refused after this; below the time in which strangers must say hello. */
const ROOM_MS_MAX = 4_000;

export interface LineOptions<Item> {
  readonly clock: Clock;
  /** "later" where there is no room for it now. */
  readonly take: (item: Item) => "taken" | "later";
  readonly refuse: (item: Item) => void;
  /** Something of ours is wrong. */
  readonly onFailed: (error: unknown) => void;
}

export class UpgradeLine<Item> {
  readonly #options: LineOptions<Item>;
  #line: { readonly item: Item; readonly since: number }[] = [];
  #isWorking = false;
  /** A connection was accepted in this turn of the event loop. */
  #hasAccepted = false;
  #acceptingSince: number | undefined;

  constructor(options: LineOptions<Item>) {
    this.#options = options;
  }

  /** A connection came; its request may follow. */
  accepted(): void {
    this.#hasAccepted = true;
  }

  add(item: Item): void {
    if (this.#line.length >= LINE_MAX) {
      this.#options.refuse(item);
      return;
    }
    this.#line.push({ item, since: this.#options.clock.monotonic() });
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work().catch(this.#options.onFailed);
  }

  /** Hands out who is left. */
  clear(): Item[] {
    const left = this.#line.map(({ item }) => item);
    this.#line = [];
    return left;
  }

  async #work(): Promise<void> {
    const { clock } = this.#options;
    await turnOfLoop();
    while (this.#line.length > 0) {
      const hasRoom = this.#areAccepted() || this.#takeSlice();
      if (hasRoom) await turnOfLoop();
      else {
        await new Promise<void>((resolve) => {
          clock.after(ROOM_LOOK_MS, resolve);
        });
      }
    }
    this.#isWorking = false;
  }

  /** Whether connections go first in this turn. */
  #areAccepted(): boolean {
    const hasAccepted = this.#hasAccepted;
    this.#hasAccepted = false;
    if (!hasAccepted) {
      this.#acceptingSince = undefined;
      return false;
    }
    const now = this.#options.clock.monotonic();
    this.#acceptingSince ??= now;
    return now - this.#acceptingSince < ACCEPT_MS_MAX;
  }

  /** False where there is no room. */
  #takeSlice(): boolean {
    const { clock, take, refuse } = this.#options;
    const until = clock.monotonic() + SLICE_MS;
    const line = this.#line;
    let at = 0;
    let hasRoom = true;
    for (let now = until - SLICE_MS; at < line.length && hasRoom && now < until;) {
      const first = line[at];
      if (first !== undefined && take(first.item) === "later") {
        hasRoom = now - first.since > ROOM_MS_MAX;
        if (hasRoom) refuse(first.item);
      }
      if (hasRoom) at += 1;
      now = clock.monotonic();
    }
    line.splice(0, at);
    return hasRoom;
  }
}
