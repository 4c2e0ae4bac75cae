/**
 * Sessions that are owed a range, in two lines: `narrow` ranges concern few and overtake `wide` ones. Each
 * session stands at most once in each line, so both are bound by the number of sessions.
 */
import type { Session } from "./session.js";

/** A range that concerns more sessions is wide: serving it takes several slices. */
const NARROW_MAX = 500;

export function isWide(concerned: number): boolean {
  return concerned > NARROW_MAX;
}

export class Lines {
  readonly #narrow = new Line();
  readonly #wide = new Line();

  get isEmpty(): boolean {
    return this.#narrow.isEmpty && this.#wide.isEmpty;
  }

  /** `concerned`: how many sessions the range concerns, about. */
  add(session: Session, concerned: number): void {
    if (isWide(concerned)) {
      if (session.inWide) return;
      session.inWide = true;
      this.#wide.push(session);
    } else if (!session.inNarrow) {
      session.inNarrow = true;
      this.#narrow.push(session);
    }
  }

  next(line: "narrow" | "wide"): Session | undefined {
    const session = (line === "narrow" ? this.#narrow : this.#wide).shift();
    if (session === undefined) return undefined;
    if (line === "narrow") session.inNarrow = false;
    else session.inWide = false;
    return session;
  }
}

/** First in, first out, without moving the rest at each step. */
class Line {
  #in: Session[] = [];
  #out: Session[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#in.length === 0 && this.#at >= this.#out.length;
  }

  push(session: Session): void {
    this.#in.push(session);
  }

  shift(): Session | undefined {
    if (this.#at >= this.#out.length) {
      this.#out = this.#in;
      this.#in = [];
      this.#at = 0;
    }
    return this.#out[this.#at++];
  }
}
