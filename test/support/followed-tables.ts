/** The real pipeline over a real Postgres: what a channel holds, compared with the table it follows. */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { must } from "../../src/base/assert.js";
import { createPostgresConnector } from "../../connectors/postgres/connector.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import type { Log } from "../../src/base/log.js";
import { Secret } from "../../src/base/secret.js";
import type { JournalReader, JournalWriter } from "../../src/journal/journal.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import { silentPipelineMetrics } from "../../src/pipeline/metrics.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import type { PostgresDatabase } from "./postgres-server.js";

/** Every table of the schema `public` goes to a channel of one rule: (id, what) each. */
const { rules } = compileRules([
  ruleDefinition.parse({ name: "all", source: "shop", from: "public.*", channel: "all" }),
]);

export interface FollowedOptions {
  /** More parts of the connection, e.g. another user. */
  readonly url?: string;
  /** Default: one in memory. */
  readonly openJournal?: () => Promise<JournalWriter>;
}

export class FollowedTables {
  /** One server has many databases in these tests, and a slot belongs to one. */
  readonly slot = `slot_${randomBytes(4).toString("hex")}`;
  /** How often a table was copied. */
  copies = 0;
  /** Why history was lost, each time that it was. */
  readonly lost: string[] = [];
  /** Set once the pipeline has ended by itself. */
  failure: unknown;
  readonly #database: PostgresDatabase;
  readonly #url: string;
  readonly #openJournal: () => Promise<JournalWriter>;
  #running: { journal: JournalWriter; stop: () => Promise<void> } | undefined;

  constructor(database: PostgresDatabase, options: FollowedOptions = {}) {
    this.#database = database;
    this.#url = options.url ?? database.url;
    const disk = new MemoryDisk();
    this.#openJournal =
      options.openJournal ?? (async () => openMemoryJournal({ disk, random: systemRandom }));
  }

  get reader(): JournalReader {
    return must(this.#running, "a running pipeline").journal.reader;
  }

  async start(): Promise<void> {
    const journal = await this.#openJournal();
    const connector = createPostgresConnector({ reconcileMs: 100 });
    const parsed = connector.parseOptions({ url: this.#url, slot: this.slot });
    if (!("options" in parsed)) throw new Error(JSON.stringify(parsed.problems));
    const pipeline = new Pipeline({
      ...{ journal, rules, log: this.#log(), clock: systemClock, random: systemRandom },
      sources: [{ name: "shop", connector, options: new Secret(parsed.options) }],
      metrics: silentPipelineMetrics,
      settings: { backoff: { baseMs: 1, maxMs: 50 }, chunkRowsMax: 4 },
    });
    await pipeline.begin();
    const life = new AbortController();
    const ended = pipeline.run(life.signal).catch((error: unknown) => {
      this.failure = error;
    });
    const stop = async (): Promise<void> => {
      life.abort(new Error("stopped"));
      await ended;
      await journal.close();
    };
    this.#running = { journal, stop };
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    // The server may not have noticed yet that its reader is gone.
    await this.#database.exec(`select pg_terminate_backend(active_pid, 5000)
        from pg_replication_slots where slot_name = '${this.slot}' and active;
      select pg_drop_replication_slot('${this.slot}')`);
  }

  /** Until the channel holds just the rows of the tables. */
  async follow(what: string, tables: readonly string[] = ["logs"]): Promise<void> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const wanted = await this.#wanted(tables);
      const held = await this.content();
      if (JSON.stringify(held) === JSON.stringify(wanted)) return;
      if (Date.now() > until) expect(held, what).toEqual(wanted);
      await pause(20);
    }
  }

  async content(): Promise<string[]> {
    const rows = new Map<string, string>();
    const lap = await this.#running?.journal.reader.read([{ channel: "all", after: 0 }], 1_000_000);
    for (const { op, table, body } of lap?.channels[0]?.entries ?? []) {
      const text = Buffer.from(body).toString();
      const key = `${table} ${text.split(",")[0] ?? ""}`;
      if (op === "d") rows.delete(key);
      else rows.set(key, `${table} ${text}`);
    }
    return [...rows.values()].sort();
  }

  async #wanted(tables: readonly string[]): Promise<string[]> {
    const rows: string[] = [];
    for (const table of tables) {
      const found = await this.#database.query(`select id, what from ${table}`);
      for (const { id, what } of found) rows.push(`${table} ${Number(id)},${JSON.stringify(what)}`);
    }
    return rows.sort();
  }

  #log(): Log {
    const log: Log = {
      ...silentLog,
      child: () => log,
      info: (name) => {
        if (name === "copy.started") this.copies += 1;
      },
      warn: (name, fields) => {
        if (name === "source.history.lost") this.lost.push(String(fields?.["message"]));
      },
    };
    return log;
  }
}
