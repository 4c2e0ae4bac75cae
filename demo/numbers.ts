/** What the live view shows of the running service: asked from its operators' port and from the database. */
import type pg from "pg";

export interface Numbers {
  readonly state: string;
  /** Milliseconds since the stream was last proven to be at its head; undefined for never. */
  readonly ageMs: number | undefined;
  readonly entriesPerSecond: number;
  readonly logNumber: number;
  /** What the database may forget, as Changecast has acknowledged it. */
  readonly position: string;
  readonly behindBytes: number;
}

const WINDOW_MS = 2_000;

export class NumbersReader {
  readonly #client: pg.Client;
  readonly #opsUrl: string;
  /** Entries made durable, as counted at these times. */
  #counted: { readonly at: number; readonly entries: number }[] = [];

  /** `client` is used for nothing else. */
  constructor(client: pg.Client, opsUrl: string) {
    this.#client = client;
    this.#opsUrl = opsUrl;
  }

  /** Undefined while the service does not answer. */
  async read(): Promise<Numbers | undefined> {
    try {
      const [metrics, freshness] = await Promise.all([this.#text("/metrics"), this.#freshness()]);
      const slot = await this.#slot();
      const entries = metric(metrics, "changecast_entries_total");
      return {
        state: freshness.state,
        ageMs: freshness.ageMs ?? undefined,
        entriesPerSecond: this.#rate(entries),
        logNumber: metric(metrics, "changecast_journal_log_number"),
        ...slot,
      };
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

  async #freshness(): Promise<{ state: string; ageMs: number | null }> {
    const { sources } = JSON.parse(await this.#text("/freshz")) as {
      sources: readonly { state: string; ageMs: number | null }[];
    };
    return sources[0] ?? { state: "absent", ageMs: null };
  }

  async #slot(): Promise<{ position: string; behindBytes: number }> {
    const { rows } = await this.#client.query<{ position: string | null; behind: string | null }>(
      `select confirmed_flush_lsn::text as position,
              pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text as behind
       from pg_replication_slots where slot_type = 'logical' limit 1`,
    );
    return { position: rows[0]?.position ?? "–", behindBytes: Number(rows[0]?.behind ?? 0) };
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
