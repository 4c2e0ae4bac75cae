/** The bank of the crash tests in Postgres. */
import pg from "pg";
import { BankWriter, createBank } from "../support/bank-workload.js";
import { compareLedger, compareTables, compareTrail } from "../support/convergence-compare.js";
import { type HoldsEvents, type HoldsTables, trailOf } from "../support/convergence-compare.js";
import { bankConfig } from "../support/convergence-rules.js";
import type { PostgresDatabase, PostgresServer } from "../support/postgres-server.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { CrashBank, CrashWriter } from "./crash-bank.js";

const BEFORE_START = 30;
const HUGE_FIRST = 100_000;

export class PostgresCrashBank implements CrashBank {
  readonly config: string;
  readonly #database: PostgresDatabase;
  readonly #random: SeededRandom;
  #trailBefore: ReadonlySet<number> = new Set();

  private constructor(database: PostgresDatabase, random: SeededRandom) {
    this.config = bankConfig({ url: database.url, slot: database.database });
    this.#database = database;
    this.#random = random;
  }

  static async create(server: PostgresServer, random: SeededRandom): Promise<PostgresCrashBank> {
    const database = await server.createDatabase(`crash_${Date.now().toString(36)}`);
    const bank = new PostgresCrashBank(database, random);
    const client = await bank.#connect();
    await createBank(client);
    const writer = new BankWriter(client, random, `${database.database}-before`);
    for (let count = 0; count < BEFORE_START; count += 1) await writer.transaction();
    await client.end();
    bank.#trailBefore = await trailOf(database);
    return bank;
  }

  async writer(name: string): Promise<CrashWriter> {
    const client = await this.#connect();
    await client.query("set lock_timeout = '300ms'; set deadlock_timeout = '50ms'");
    const writer = new BankWriter(client, this.#random, `${this.#database.database}-${name}`);
    return {
      get committed() {
        return writer.committed;
      },
      transaction: () => writer.transaction(),
      close: () => client.end(),
    };
  }

  async writeHuge(): Promise<void> {
    await this.#database.exec(
      `insert into docs select n, 'huge', '{red}', repeat(md5(n::text), 60)
         from generate_series(${String(HUGE_FIRST)}, ${String(HUGE_FIRST + 9_999)}) n
       on conflict (id) do update set title = docs.title || '+'`,
    );
  }

  async position(): Promise<string> {
    const [row] = await this.#database.query("select pg_current_wal_insert_lsn()::text as lsn");
    return String(row?.["lsn"]);
  }

  compare(device: HoldsTables): Promise<string[]> {
    return compareTables(this.#database, device);
  }

  async audit(device: HoldsEvents): Promise<string[]> {
    const before = { surely: this.#trailBefore, perhaps: this.#trailBefore };
    return [
      ...(await compareTrail(this.#database, await device.events("trail"), before)),
      ...(await compareLedger(this.#database, await device.events("ledger"))),
    ];
  }

  async close(): Promise<void> {
    await this.#database.drop();
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#database.url });
    await client.connect();
    return client;
  }
}
