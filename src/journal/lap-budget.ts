/** How much one page may hold: bytes, and time on the event loop. One entry always fits an empty page. */
import type { Clock } from "../base/clock.js";
import { SLICE_MS } from "./turn.js";

/** What an entry costs beside its body: about its frame on the wire. */
const ENTRY_BYTES = 40;

/** The clock is looked at once per so many rows. */
const ROWS_PER_LOOK = 32;

export class LapBudget {
  readonly #bytesMax: number;
  readonly #clock: Clock;
  readonly #endsAt: number;
  #bytes = 0;
  #rows = 0;
  #isOver = false;

  constructor(bytesMax: number, clock: Clock) {
    this.#bytesMax = bytesMax;
    this.#clock = clock;
    this.#endsAt = clock.monotonic() + SLICE_MS;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether an entry with such a body still belongs into the page. */
  takes(bodyBytes: number): boolean {
    const bytes = this.#bytes + bodyBytes + ENTRY_BYTES;
    if (this.#isOver || (bytes > this.#bytesMax && !this.isEmpty)) {
      this.#isOver = true;
      return false;
    }
    this.#bytes = bytes;
    return true;
  }

  /** Counts a row that was looked at; false when the time is over. */
  looks(): boolean {
    this.#rows += 1;
    if (this.#rows % ROWS_PER_LOOK === 0 && this.#clock.monotonic() > this.#endsAt) {
      this.#isOver = true;
    }
    return !this.#isOver;
  }
}
