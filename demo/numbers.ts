/** What the live view shows of the running service: asked from its operators' port and from the databases. */
import type { ShopSide } from "./shop-side.js";

export interface SourceNumbers {
  readonly source: string;
  readonly state: string;
  /** Milliseconds since the stream was last proven to be at its head; undefined for never. */
  readonly ageMs: number | undefined;
  /** The database's own view of it. */
  readonly progress: string;
}

export interface Numbers {
  readonly sources: readonly SourceNumbers[];
  readonly entriesPerSecond: number;
  readonly logNumber: number;
}

interface Freshness {
  readonly source: string;
  readonly state: string;
  readonly ageMs: number | null;
}

const WINDOW_MS = 2_000;

export class NumbersReader {
  readonly #sides: readonly ShopSide[];
  readonly #opsUrl: string;
  /** Entries made durable, as counted at these times. */
  #counted: { readonly at: number; readonly entries: number }[] = [];

  constructor(sides: readonly ShopSide[], opsUrl: string) {
    this.#sides = sides;
    this.#opsUrl = opsUrl;
  }

  /** Undefined while the service does not answer. */
  async read(): Promise<Numbers | undefined> {
    try {
      const [metrics, freshness] = await Promise.all([this.#text("/metrics"), this.#freshness()]);
      const sources = await Promise.all(
        this.#sides.map(async (side): Promise<SourceNumbers> => {
          const found = freshness.find(({ source }) => source === side.source);
          const { state = "absent", ageMs } = found ?? {};
          const progress = await side.progress();
          return { source: side.source, state, ageMs: ageMs ?? undefined, progress };
        }),
      );
      const entries = metric(metrics, "changecast_entries_total");
      const logNumber = metric(metrics, "changecast_journal_log_number");
      return { sources, logNumber, entriesPerSecond: this.#rate(entries) };
    } catch {
      // It is being started, or was killed on purpose: the view says so.
      this.#counted = [];
      return undefined;
    }
  }

  #rate(entries: number): number {
    const now = performance.now();
    this.#counted = this.#counted.filter(({ at }) => now - at < WINDOW_MS);
    this.#counted.push({ at: now, entries });
    const first = this.#counted[0];
    if (first === undefined || now === first.at) return 0;
    return Math.max(0, ((entries - first.entries) * 1_000) / (now - first.at));
  }

  async #freshness(): Promise<readonly Freshness[]> {
    const { sources } = JSON.parse(await this.#text("/freshz")) as {
      sources: readonly Freshness[];
    };
    return sources;
  }

  async #text(path: string): Promise<string> {
    const response = await fetch(`${this.#opsUrl}${path}`, { signal: AbortSignal.timeout(2_000) });
    return response.text();
  }
}

function metric(page: string, name: string): number {
  const line = page.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}
