/** The bank of the convergence test in Postgres. */
import pg from "pg";
import type { BankSide, SideFault, WriteOptions, Written } from "./bank-side.js";
import { BankWriter, createBank } from "./bank-workload.js";
import { compareLedger, compareTables, compareTrail, trailOf } from "./convergence-compare.js";
import type { HoldsEvents, HoldsTables } from "./convergence-compare.js";
import { bankConfig } from "./convergence-rules.js";
import type { Program } from "./end-to-end-program.js";
import { pause } from "./postgres-machine.js";
import type { PostgresDatabase, PostgresServer } from "./postgres-server.js";
import type { SeededRandom } from "./seeded-random.js";
import { TcpProxy } from "./tcp-proxy.js";

export interface PostgresBankOptions {
  readonly server: PostgresServer;
  /** Of the database, its slot and its publication. */
  readonly name: string;
  readonly random: SeededRandom;
  /** The server may be stopped and started again while it is written to. */
  readonly mayRestart: boolean;
}

const BEFORE_START = 40;

export class PostgresBank implements BankSide {
  readonly config: string;
  readonly faults: readonly SideFault[];
  readonly #options: PostgresBankOptions;
  readonly #database: PostgresDatabase;
  readonly #proxy: TcpProxy;
  /** Ids of the trail that were there before the program was started, and before its slot was seen. */
  #trailBefore: ReadonlySet<number> = new Set();
  #trailPerhaps: ReadonlySet<number> = new Set();

  private constructor(options: PostgresBankOptions, database: PostgresDatabase, proxy: TcpProxy) {
    this.#options = options;
    this.#database = database;
    this.#proxy = proxy;
    const url = new URL(database.url);
    url.port = String(proxy.port);
    this.config = bankConfig({ url: url.href, slot: options.name });
    this.faults = [
      { weight: 10, name: "walsender ended", run: () => this.#terminateWalsender() },
      { weight: 8, name: "source cut", run: () => this.#cut() },
      ...(options.mayRestart
        ? [{ weight: 4, name: "database restart", run: () => this.#restartServer() }]
        : []),
    ];
  }

  static async create(options: PostgresBankOptions): Promise<PostgresBank> {
    const database = await options.server.createDatabase(options.name);
    const proxy = await TcpProxy.start({ host: database.host, port: database.port });
    const bank = new PostgresBank(options, database, proxy);
    const client = await bank.#connect();
    await createBank(client);
    const writer = new BankWriter(client, options.random, `${options.name}-before`);
    for (let count = 0; count < BEFORE_START; count += 1) await writer.transaction();
    await client.end();
    return bank;
  }

  async begin(): Promise<void> {
    this.#trailBefore = await trailOf(this.#database);
  }

  /** Remembers what the trail held when the slot was surely there. */
  async begun(_program: Program, isOn: () => boolean): Promise<void> {
    while (isOn()) {
      try {
        const found = await this.#database.query(
          "select 1 from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null",
          [this.#options.name],
        );
        if (found.length > 0) {
          this.#trailPerhaps = await trailOf(this.#database);
          return;
        }
      } catch (error) {
        if (!isLostConnection(error)) throw error;
      }
      await pause(20);
    }
  }

  async write({ name, random, isOn }: WriteOptions): Promise<Written> {
    const written = { committed: 0, rolledBack: 0 };
    for (let lives = 1; isOn(); lives += 1) {
      try {
        const client = await this.#connect();
        const writer = new BankWriter(client, random, `${this.#options.name}-${name}-${lives}`);
        try {
          await writeUntilCut(writer, { client, random, isOn });
        } finally {
          written.committed += writer.committed;
          written.rolledBack += writer.rolledBack;
          // Gone already where the server was: nothing is left to end.
          await client.end().catch(() => undefined);
        }
      } catch (error) {
        if (!isLostConnection(error)) throw error;
        await pause(50);
      }
    }
    return written;
  }

  mend(): void {
    this.#proxy.mend();
  }

  async settle(): Promise<string> {
    await this.#finishPrepared();
    const [row] = await this.#database.query("select pg_current_wal_insert_lsn()::text as lsn");
    return String(row?.["lsn"]);
  }

  compare(device: HoldsTables): Promise<string[]> {
    return compareTables(this.#database, device);
  }

  async audit(device: HoldsEvents): Promise<string[]> {
    const before = { surely: this.#trailBefore, perhaps: this.#trailPerhaps };
    return [
      ...(await compareTrail(this.#database, await device.events("trail"), before)),
      ...(await compareLedger(this.#database, await device.events("ledger"))),
    ];
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    await this.#finishPrepared();
    await this.#database.drop();
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#database.url });
    // A server that is stopped fails the query that runs; the connection's own error adds nothing.
    client.on("error", () => undefined);
    await client.connect();
    await client.query("set lock_timeout = '300ms'; set deadlock_timeout = '50ms'");
    return client;
  }

  async #terminateWalsender(): Promise<void> {
    await this.#database.query(
      `select pg_terminate_backend(active_pid) from pg_replication_slots
       where slot_name = $1 and active_pid is not null`,
      [this.#options.name],
    );
  }

  async #cut(): Promise<void> {
    this.#proxy.cut();
    await pause(this.#options.random.below(400));
    this.#proxy.mend();
  }

  async #restartServer(): Promise<void> {
    const mode = this.#options.random.below(2) === 0 ? "fast" : "immediate";
    await this.#options.server.restart(mode);
  }

  async #finishPrepared(): Promise<void> {
    const left = await this.#database.query(
      "select gid from pg_prepared_xacts where database = $1",
      [this.#options.name],
    );
    for (const row of left) {
      await this.#database.exec(`commit prepared '${String(row["gid"])}'`);
    }
  }
}

interface Writing extends Pick<WriteOptions, "random" | "isOn"> {
  readonly client: pg.Client;
}

async function writeUntilCut(writer: BankWriter, { client, random, isOn }: Writing): Promise<void> {
  while (isOn()) {
    if (random.below(150) === 0) await writeMuch(client, random);
    else await writer.transaction();
    await pause(random.below(12));
  }
}

/** A transaction over 1 MB, which goes through in parts; the next one removes half of it. */
async function writeMuch(client: pg.Client, random: SeededRandom): Promise<void> {
  const first = 1_000 + random.below(3) * 1_000;
  await client.query("begin");
  try {
    await client.query("update vaults set balance = balance - 1000 where id = 1");
    await client.query(
      `insert into docs select n, 'much', array[(array['red','green','blue'])[1 + n % 3]], repeat(md5(n::text), 60)
       from generate_series($1::int, $1::int + 799) n on conflict (id) do update set title = 'more'`,
      [first],
    );
    await client.query("update vaults set balance = balance + 1000 where id = 2");
    await client.query("commit");
    await client.query("delete from docs where id >= $1 and id % 2 = 0", [first]);
  } catch (error) {
    await client.query("rollback");
    if (isLostConnection(error)) throw error;
  }
}

const LOST =
  /terminat|ECONN|not queryable|shutting down|starting up|Connection ended|recovery mode/i;

function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = "" } = error as { code?: string };
  return /^(57P|08|ECONN|EPIPE)/.test(code) || LOST.test(error.message);
}
