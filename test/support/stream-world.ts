/** One source of the Postgres connector under test: opened as often as a test wants, read behind the guard. */
import { TableCatalog } from "../../connectors/postgres/catalog.js";
import { openSession } from "../../connectors/postgres/session.js";
import type { ProvisionOptions } from "../../connectors/postgres/provision.js";
import type { Connecting } from "../../connectors/postgres/connection.js";
import { Secret } from "../../src/base/secret.js";
import { silentLog } from "../../src/base/log.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { Connector, SourceSession } from "../../src/connector/connector.js";
import { guardConnector } from "../../src/connector/guard.js";
import type { Change, SourceBatch, TransactionBatch } from "../../src/model/change.js";
import type { SourcePosition } from "../../src/model/position.js";
import type { Problem } from "../../src/model/problem.js";
import { PATIENCE_MS } from "./patience.js";
import type { PostgresDatabase } from "./postgres-server.js";

type Options = Connecting & ProvisionOptions;

export interface StreamWorldOptions extends Partial<ProvisionOptions> {
  readonly relations?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  readonly reconcileMs?: number;
}

export class StreamWorld {
  readonly options: Options;
  readonly #connector: Connector<Options>;
  readonly #relations: readonly string[];
  readonly #readings: Reading[] = [];

  constructor(database: PostgresDatabase, options: StreamWorldOptions = {}) {
    const { host, port, user, password } = database;
    const { relations = ["public.*"], reconcileMs = 60_000, ...more } = options;
    this.#relations = relations;
    this.options = {
      connection: {
        ...{ host: more.host ?? host, port: more.port ?? port, user, database: database.database },
        ...{ password: new Secret(password), tls: { mode: "disable" } },
      },
      slot: more.slot ?? database.database,
      publication: more.publication ?? "Change cast's",
      createSlot: more.createSlot ?? true,
      createPublication: more.createPublication ?? true,
    };
    const catalog = new TableCatalog(this.options.publication);
    const parts = { catalog, broken: new Set<string>(), reconcileMs };
    this.#connector = guardConnector<Options>({
      ...{ name: "postgres", optionsSchema: {} },
      parseOptions: () => ({ options: this.options }),
      open: (context) => openSession(context, parts),
      check: async () => ({ problems: [], relations: [] }),
      parsePosition: () => undefined,
    });
  }

  /** Opens and reads; what comes is gathered. */
  async open(resume?: SourcePosition, more: Partial<ProvisionOptions> = {}): Promise<Reading> {
    const life = new AbortController();
    const session = await this.#connector.open({
      ...{ source: "shop", options: { ...this.options, ...more }, relations: this.#relations },
      ...{ resume, fields: () => [], clock: systemClock, random: systemRandom, log: silentLog },
      signal: life.signal,
    });
    const reading = new Reading(session, life);
    this.#readings.push(reading);
    return reading;
  }

  async close(): Promise<void> {
    for (const reading of this.#readings) await reading.close();
  }
}

export class Reading {
  readonly session: SourceSession;
  readonly batches: SourceBatch[] = [];
  failure: unknown;
  /** As the journal would keep it. */
  position: SourcePosition | undefined;
  /** Positions are told to the source as soon as they are read. */
  acknowledges = true;
  /** Waited for before each batch is asked for. */
  gate: Promise<void> = Promise.resolve();
  readonly #life: AbortController;
  readonly #ended: Promise<void>;
  #mark = "";

  constructor(session: SourceSession, life: AbortController) {
    this.session = session;
    this.#life = life;
    this.#ended = this.#read();
  }

  /** Ends with the reading. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  get lost(): Problem | undefined {
    return this.session.lost;
  }

  get transactions(): TransactionBatch[] {
    return this.batches.filter((batch) => batch.kind === "transaction");
  }

  get changes(): Change[] {
    return this.transactions.flatMap(({ changes }) => changes);
  }

  /** Changes in short: `+ table [values]`, `~`, `-`, `0` for a truncation; ? stands for "not told". */
  get lines(): string[] {
    return this.changes.map(lineOf);
  }

  /** Waits until that many changes are there, and a moment longer shows no more. */
  async take(count: number): Promise<string[]> {
    await this.until(() => this.changes.length >= count);
    return this.lines;
  }

  async until(isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!isSo()) {
      if (this.failure !== undefined) throw this.failure as Error;
      if (Date.now() > deadline) throw new Error(`waited in vain; read: ${this.lines.join("; ")}`);
      await systemSleep(5);
    }
  }

  async failed(): Promise<unknown> {
    await this.#ended;
    return this.failure;
  }

  /** Until the stream says it is at the head, anew. */
  async atHead(): Promise<void> {
    const seen = this.batches.length;
    await this.until(() =>
      this.batches.slice(seen).some((batch) => batch.kind === "idle" && batch.atHead),
    );
  }

  async close(): Promise<void> {
    this.#life.abort(new Error("the test is over"));
    await this.#ended;
    await this.session.close();
  }

  async #read(): Promise<void> {
    try {
      for await (const batch of this.session.read(this.#life.signal)) {
        this.batches.push(batch);
        if (batch.kind === "transaction") this.#mark = batch.mark;
        if (batch.kind === "idle" || batch.last) {
          const { position } = batch;
          const { generation } = this.session;
          this.position = { generation, position, mark: this.#mark, memo: this.session.memo() };
          if (this.acknowledges) this.session.acknowledge(position);
        }
        await this.gate;
      }
    } catch (error) {
      if (!this.#life.signal.aborted) this.failure = error;
    }
  }
}

const signs = { insert: "+", update: "~", delete: "-", truncate: "0", renew: "*" } as const;

function lineOf(change: Change): string {
  const table = change.relation.name.replace("public.", "");
  if (change.op === "renew") return `${signs.renew} ${table}`;
  const leaf = change.leaf === undefined ? "" : `/${change.leaf.replace("public.", "")}`;
  const head = `${signs[change.op]} ${table}${leaf}`;
  if (change.op === "truncate") return head;
  const values = change.values.map((value) => plain(value)).join(",");
  const previous = change.previous === undefined ? "" : ` was ${change.previous}`;
  return `${head} ${values}${previous}`.replaceAll('"', "");
}

function plain(value: string | undefined): string {
  if (value === undefined) return "?";
  return value.length > 50 ? `${value.slice(0, 3)}…${String(value.length)}` : value;
}

export function systemSleep(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(ms, resolve));
}
