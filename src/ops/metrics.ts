/**
 * Every number that operators see, made once and handed to the parts as plain functions. The shapes fit
 * what broker and pipeline ask for (their metrics.ts) without knowing them. Labels are few and bounded:
 * never a channel, a session or a row.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

/** What is read when somebody asks, instead of being told. */
export interface MetricFacts {
  /** Log number up to which everything is released. */
  logNumber(): number;
  parkedCount(): number;
  /** Bytes of the journal's files; undefined where it has none. */
  journalBytes(): number | undefined;
  sources(): readonly { readonly source: string; readonly ageMs: number | undefined }[];
  sessionsBehind(): number;
}

export class Metrics {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The page in Prometheus's text format. */
  metrics(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Once: what can be read at any time. */
  observe(facts: MetricFacts): void {
    this.#observed(
      "changecast_journal_log_number",
      "Log number of the newest commit unit.",
      (set) => {
        set(facts.logNumber());
      },
    );
    this.#observed("changecast_parked_documents", "Documents that could not be mapped.", (set) => {
      set(facts.parkedCount());
    });
    this.#observed("changecast_journal_bytes", "Size of the journal's files.", (set) => {
      const bytes = facts.journalBytes();
      if (bytes !== undefined) set(bytes);
    });
    this.#observed("changecast_sessions_behind", "Sessions that are being brought up.", (set) => {
      set(facts.sessionsBehind());
    });
    const age = new Gauge({
      name: "changecast_source_age_seconds",
      help: "Since the source's stream last proved to be at its head. Missing while it never was.",
      labelNames: ["source"],
      registers: [this.#registry],
      collect: () => {
        age.reset();
        for (const { source, ageMs } of facts.sources()) {
          if (ageMs !== undefined) age.set({ source }, ageMs / 1_000);
        }
      },
    });
  }

  /** What the broker counts. */
  broker() {
    const sessions = this.#gauge("changecast_sessions", "Open sessions.");
    const attachments = this.#gauge(
      "changecast_attachments",
      "Channels attached, over all sessions.",
    );
    const writes = this.#counter("changecast_writes_total", "Writes to sockets.");
    const entries = this.#counter("changecast_sent_entries_total", "Entries handed to sockets.");
    const bytes = this.#counter("changecast_sent_bytes_total", "Bytes handed to sockets.");
    const slow = this.#counter("changecast_slow_sessions_total", "Sessions that fell out of live.");
    const attached = this.#labelled("changecast_attached_total", "Channels attached.", "how");
    const catchUps = this.#labelled("changecast_catch_ups_total", "Catch-ups from disk.", "reason");
    const closed = this.#labelled("changecast_sessions_closed_total", "Sessions ended.", "code");
    const refused = this.#labelled("changecast_refused_total", "Connections refused.", "reason");
    return {
      sessions: (count: number): void => {
        sessions.set(count);
      },
      attachments: (count: number): void => {
        attachments.set(count);
      },
      sent: (entryCount: number, byteCount: number): void => {
        writes.inc();
        entries.inc(entryCount);
        bytes.inc(byteCount);
      },
      slow: (): void => {
        slow.inc();
      },
      attached,
      catchUp: catchUps,
      closed: (code: number): void => {
        closed(String(code));
      },
      refused,
    };
  }

  /** What the pipeline counts. */
  pipeline() {
    const transactions = this.#labelled(
      "changecast_source_transactions_total",
      "Transactions read from a source.",
      "source",
    );
    const changes = this.#labelled("changecast_source_changes_total", "Changes read.", "source");
    const entries = this.#counter("changecast_entries_total", "Entries made durable.");
    const bytes = this.#counter("changecast_journaled_bytes_total", "About the bytes of blocks.");
    const huge = this.#labelled("changecast_huge_total", "Transactions over 1 MB.", "source");
    const parked = this.#labelled("changecast_parked_total", "Documents parked.", "code");
    const copied = this.#labelled("changecast_copied_rows_total", "Rows copied.", "source");
    const connects = this.#labelled("changecast_connects_total", "Sessions opened.", "source");
    const failures = this.#labelled("changecast_source_failures_total", "Failed tries.", "code");
    return {
      transactions: (source: string, count: number, changed: number): void => {
        transactions(source, count);
        changes(source, changed);
      },
      appended: (entryCount: number, byteCount: number): void => {
        entries.inc(entryCount);
        bytes.inc(byteCount);
      },
      huge: (source: string): void => {
        huge(source);
      },
      parked: (_source: string, code: string): void => {
        parked(code);
      },
      copied: (source: string, rows: number): void => {
        copied(source, rows);
      },
      connected: (source: string): void => {
        connects(source);
      },
      failed: (_source: string, code: string): void => {
        failures(code);
      },
    };
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.#registry] });
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] });
  }

  #labelled(name: string, help: string, label: string): (value: string, count?: number) => void {
    const counter = new Counter({ name, help, labelNames: [label], registers: [this.#registry] });
    return (value, count = 1) => {
      counter.inc({ [label]: value }, count);
    };
  }

  #observed(name: string, help: string, collect: (set: (value: number) => void) => void): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        collect((value) => {
          gauge.set(value);
        });
      },
    });
  }
}
