/** Tells readers what is released: in order, one notice at a time, whatever a listener does. */
import type { AppendFacts, CopyStatus, LogNumber, Notice, SourceNotice } from "./journal.js";
import type { SourcePosition } from "../model/position.js";

export class Notices {
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #waiting: Notice[] = [];
  #isTelling = false;
  #notice: Notice;
  #copying: readonly CopyStatus[];

  constructor(
    run: string,
    at: {
      readonly log: LogNumber;
      readonly positions: ReadonlyMap<string, SourcePosition>;
      readonly copying: readonly CopyStatus[];
    },
  ) {
    const sources = new Map<string, SourceNotice>();
    for (const [source, { generation, position }] of at.positions) {
      sources.set(source, { generation, position, provenAt: 0 });
    }
    this.#notice = { log: at.log, run, sources };
    this.#copying = at.copying;
  }

  get notice(): Notice {
    return this.#notice;
  }

  get copying(): readonly CopyStatus[] {
    return this.#copying;
  }

  listen(listener: (notice: Notice) => void): () => void {
    // A function may listen twice: each call has its own end.
    const own = (notice: Notice): void => {
      listener(notice);
    };
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** What an append released, under `log`. */
  release(log: LogNumber, after: AppendFacts): void {
    const sources = new Map(this.#notice.sources);
    for (const [source, { generation, position }] of after.positions) {
      const provenAt = sources.get(source)?.provenAt ?? 0;
      sources.set(source, { generation, position, provenAt });
    }
    for (const [source, provenAt] of after.provenAt ?? []) {
      const known = sources.get(source);
      if (known !== undefined) sources.set(source, { ...known, provenAt });
    }
    if (after.copying !== undefined) this.#copying = after.copying;
    this.#notice = { log, run: this.#notice.run, sources };
    this.#tell(this.#notice);
  }

  /** A listener that throws is a bug of its owner: it ends the process, but no other listener. */
  #tell(notice: Notice): void {
    this.#waiting.push(notice);
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      for (const listener of [...this.#listeners]) {
        try {
          listener(next);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    }
    this.#isTelling = false;
  }
}
