/**
 * A scripted database, the real pipeline and a journal, driven by chance: writes, key changes, truncations,
 * altered tables, cuts, lost history, restarts. When everything has settled, each channel must hold what a
 * naive reading of the tables' rows says.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createScriptedConnector } from "../../connectors/scripted/connector.js";
import { ScriptedSource } from "../../connectors/scripted/scripted-source.js";
import type { Write } from "../../connectors/scripted/scripted-source.js";
import type { TableDefinition } from "../../connectors/scripted/scripted-table.js";
import { systemClock } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { Secret } from "../../src/base/secret.js";
import type { Connector } from "../../src/connector/connector.js";
import type { JournalReader, JournalWriter } from "../../src/journal/journal.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import type { ChannelEntry } from "../../src/model/entry.js";
import { silentPipelineMetrics } from "../../src/pipeline/metrics.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import { rowChain } from "./row-chains.js";
import type { SeededRandom } from "./seeded-random.js";

export const stateChannels = ["shelf:0", "shelf:1", "shelf:2", "rich", "notes"] as const;

const KEYS = 12;

const items: TableDefinition = {
  name: "public.items",
  columns: [
    { name: "id", type: "int" },
    { name: "shelf", type: "int" },
    { name: "price", type: "int" },
    { name: "note", type: "text" },
  ],
  key: ["id"],
  lazy: ["note"],
};

const notes: TableDefinition = {
  name: "public.notes",
  columns: [
    { name: "id", type: "int" },
    { name: "part", type: "int" },
    { name: "body", type: "text" },
  ],
  key: ["id", "part"],
  lazy: ["body"],
  partitionBy: "part",
};

const rules = compileRules(
  [
    { name: "items", from: items.name, channel: "shelf:{doc.shelf}", where: "doc.price < 90" },
    // The same channel from another table, and a table of the client that two rules feed.
    { name: "shelved", from: notes.name, channel: "shelf:{doc.part}", as: "shelved" },
    { name: "rich", from: items.name, channel: "rich", where: "doc.price > 50", as: "items" },
    { name: "notes", from: notes.name, channel: "notes", rename: { body: "text" } },
    { name: "told", from: items.name, channel: "told", as: "told", kind: "events" },
  ].map((parts) => ruleDefinition.parse({ source: "shop", ...parts })),
).rules;

export class PipelineWorld {
  readonly #random: SeededRandom;
  readonly #source: ScriptedSource;
  readonly #connector: Connector;
  readonly #open: () => Promise<JournalWriter>;
  readonly #cleanUp: () => void;
  readonly #done: string[] = [];
  #running: { stop: () => Promise<void>; journal: JournalWriter } | undefined;
  #columns = 0;
  #generation = 0;

  /** `chains`: draws what happens behind chunks that are on their way. */
  constructor(random: SeededRandom, chains: SeededRandom, kind: "memory" | "lmdb") {
    this.#random = random;
    const rows = {
      "public.items": Array.from({ length: 5 }, (_, id) => this.#item(id)),
      "public.notes": Array.from({ length: 4 }, (_, id) => ({ id, part: id % 3, body: `n${id}` })),
    };
    this.#source = new ScriptedSource({ tables: [items, notes], rows, partCount: 3 });
    // The stream goes on behind the place of a chunk that is still on its way.
    this.#source.chunkGate = (relation) => {
      if (relation === items.name && chains.below(3) === 0) this.#chain(chains);
      return pause(this.#random.below(3));
    };
    const connector = createScriptedConnector(new Map([["shop", this.#source]]));
    this.#connector = connector;
    if (kind === "memory") {
      const disk = new MemoryDisk();
      this.#open = async () => openMemoryJournal({ disk, random });
      this.#cleanUp = () => undefined;
    } else {
      const folder = mkdtempSync(join(tmpdir(), "changecast-pipeline-"));
      const path = join(folder, "journal");
      this.#open = () =>
        openLmdbJournal({ folder: path, clock: systemClock, random, pid: process.pid, mapGib: 1 });
      this.#cleanUp = () => {
        rmSync(folder, { recursive: true, force: true });
      };
    }
  }

  /** What was done, for a person who looks for the reason of a failure. */
  get story(): string {
    return this.#done.join("; ");
  }

  get reader(): JournalReader {
    if (this.#running === undefined) throw new Error("it does not run");
    return this.#running.journal.reader;
  }

  async start(): Promise<void> {
    const journal = await this.#open();
    const options = new Secret<unknown>({ tables: [], rows: {}, script: [] });
    const pipeline = new Pipeline({
      ...{ journal, rules, log: silentLog, clock: systemClock, random: this.#random },
      sources: [{ name: "shop", connector: this.#connector, options }],
      metrics: silentPipelineMetrics,
      settings: {
        ...{ transactionBytesMax: 600, blockBytesMax: 4_000, chunkRowsMax: 3, touchedMax: 4 },
        ...{ idleMs: 1, lagMs: 1_000, sweepMax: 20, backoff: { baseMs: 1, maxMs: 5 } },
      },
    });
    await pipeline.begin();
    const life = new AbortController();
    const ended = pipeline.run(life.signal);
    ended.catch(() => undefined);
    const stop = async (): Promise<void> => {
      life.abort(new Error("stopped"));
      await ended;
      await journal.close();
    };
    this.#running = { stop, journal };
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    this.#cleanUp();
  }

  /** One thing happens. */
  async step(): Promise<void> {
    const draw = this.#random.below(100);
    if (draw < 70) this.#commit();
    else if (draw < 78) this.#tell("cut", () => this.#source.cut());
    else if (draw < 82) this.#forget();
    else if (draw < 86) this.#alter();
    else if (draw < 92) {
      this.#tell("restart", () => undefined);
      await this.stop();
      await this.start();
    } else await pause(this.#random.below(6));
    // Else nearly all would be written before the first of it is read.
    if (this.#random.below(3) === 0) await pause(0);
  }

  /** Nothing is being copied, and the journal holds everything. */
  async settled(): Promise<void> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const { notice, copying } = this.reader;
      const { generation = 0, position = "" } = notice.sources.get("shop") ?? {};
      const isThere = generation >= this.#generation && position >= this.#source.head;
      if (copying.length === 0 && isThere) return;
      if (Date.now() > until) {
        throw new Error(`at ${position} of ${this.#source.head}, copying ${copying.length} rules`);
      }
      await pause(2);
    }
  }

  /** Rows of a channel as a client holds them that begins now, or that saw every entry. */
  async rows(channel: string): Promise<string[]> {
    const rows = new Map<string, string>();
    let after = 0;
    for (;;) {
      const lap = await this.reader.read([{ channel, after }], 500);
      const [part] = lap.channels;
      for (const entry of part?.entries ?? []) apply(rows, entry);
      after = part?.reached ?? after;
      if (part?.atHead !== false) return [...rows.values()].sort();
    }
  }

  /** The same by a naive reading of the tables. */
  expected(channel: string): string[] {
    const cells = (table: string): string[][] =>
      (this.#source.table(table)?.rows() ?? []).map(({ values }) => [...values]);
    const found: string[] = [];
    for (const values of cells(items.name)) {
      const price = Number(values[2]);
      if (channel === `shelf:${values[1] ?? ""}` && price < 90)
        found.push(`items ${values.join(",")}`);
      if (channel === "rich" && price > 50) found.push(`items ${values.join(",")}`);
    }
    for (const values of cells(notes.name)) {
      if (channel === `shelf:${values[1] ?? ""}`) found.push(`shelved ${values.join(",")}`);
      if (channel === "notes") found.push(`notes ${values.join(",")}`);
    }
    return found.sort();
  }

  #commit(): void {
    const count = 1 + this.#random.below(this.#random.below(8) === 0 ? 25 : 4);
    const writes = Array.from({ length: count }, () => this.#write());
    this.#tell(JSON.stringify(writes), () => this.#source.commit(writes));
  }

  #chain(random: SeededRandom): void {
    for (const writes of rowChain(this.#source, random, { table: items.name, keys: KEYS })) {
      this.#tell(`behind a chunk ${JSON.stringify(writes)}`, () => this.#source.commit(writes));
    }
  }

  #write(): Write {
    const id = this.#random.below(KEYS);
    const key = [id];
    const draw = this.#random.below(100);
    if (draw < 30) {
      const row = this.#item(id);
      const isThere = this.#has(items.name, `[${id}]`);
      return isThere ? { update: items.name, key, set: row } : { insert: items.name, row };
    }
    if (draw < 45) return { update: items.name, key, set: { price: this.#random.below(100) } };
    if (draw < 50) return { update: items.name, key, set: { shelf: this.#random.below(3) } };
    if (draw < 56) {
      const set = { column: "note", at: 1 + this.#random.below(2), char: this.#digit() };
      return { patch: items.name, key, set };
    }
    if (draw < 62) {
      const free = this.#random.below(KEYS);
      if (this.#has(items.name, `[${free}]`)) return { delete: items.name, key: [free] };
      return { update: items.name, key, set: { id: free } };
    }
    if (draw < 72) return { delete: items.name, key };
    if (draw < 73) return { truncate: items.name };
    if (draw < 74) {
      const rows = [this.#item(id), this.#item((id + 1) % KEYS)];
      return { renew: items.name, rows };
    }
    if (draw < 76) return { truncate: notes.name, leaf: String(this.#random.below(3)) };
    const part = this.#random.below(3);
    if (draw < 82) return { delete: notes.name, key: [id, part] };
    if (draw < 90) return { update: notes.name, key: [id, part], set: { body: this.#text() } };
    if (this.#has(notes.name, `[${id},${part}]`)) return { delete: notes.name, key: [id, part] };
    return { insert: notes.name, row: { id, part, body: this.#text() } };
  }

  #has(table: string, identity: string): boolean {
    return (
      this.#source
        .table(table)
        ?.rows()
        .some((row) => row.identity === identity) === true
    );
  }

  #item(id: number): Record<string, string | number> {
    const price = this.#random.below(100);
    return { id, shelf: this.#random.below(3), price, note: this.#text() };
  }

  #digit(): string {
    return String(this.#random.below(10));
  }

  #text(): string {
    return `t${this.#random.below(1_000)}`;
  }

  #forget(): void {
    // Positions begin again: those from before say nothing about what is settled.
    this.#generation = (this.reader.notice.sources.get("shop")?.generation ?? 0) + 1;
    this.#tell("forget", () => this.#source.forget());
  }

  #alter(): void {
    this.#columns += 1;
    const columns = [...items.columns, { name: `more${this.#columns}`, type: "text" as const }];
    // The stream shows the new shape with the first row that is written in it.
    const row = this.#item(KEYS + this.#columns);
    this.#tell("alter", () => {
      this.#source.alter({ ...items, columns });
      this.#source.commit([{ insert: items.name, row }]);
    });
  }

  #tell(what: string, work: () => void): void {
    this.#done.push(what);
    work();
  }
}

function apply(rows: Map<string, string>, { op, table, body }: ChannelEntry): void {
  const text = Buffer.from(body).toString();
  if (op === "t") {
    for (const key of rows.keys()) if (key.startsWith(`${table} `)) rows.delete(key);
    return;
  }
  const width = table === "items" ? 1 : 2;
  const key = `${table} ${text.split(",").slice(0, width).join(",")}`;
  if (op === "d" || op === "m") rows.delete(key);
  else rows.set(key, `${table} ${text}`);
}
