/**
 * A bank under load, the program and devices as processes that can be killed at any instant, and a look at
 * everything in between: the load rests, the devices settle, and each file must equal the database.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { BankWriter, createBank } from "../support/bank-workload.js";
import { compareLedger, compareTrail, trailOf } from "../support/convergence-compare.js";
import { bankChannels, bankConfig } from "../support/convergence-rules.js";
import { Program } from "../support/end-to-end-program.js";
import { pause } from "../support/postgres-machine.js";
import type { PostgresDatabase, PostgresServer } from "../support/postgres-server.js";
import type { SeededRandom } from "../support/seeded-random.js";
import { CrashDevice } from "./crash-device.js";

const BEFORE_START = 30;
const REACHED_MS_MAX = 20_000;

export class CrashWorld {
  readonly database: PostgresDatabase;
  readonly program: Program;
  readonly devices: readonly CrashDevice[];
  readonly #random: SeededRandom;
  readonly #folder: string;
  readonly #writers: Promise<void>[] = [];
  #gate: Promise<void> | undefined;
  #open: () => void = () => undefined;
  #isOver = false;
  #busy = 0;
  #committed = 0;
  #trailBefore: ReadonlySet<number> = new Set();

  private constructor(
    database: PostgresDatabase,
    program: Program,
    { random, folder }: { readonly random: SeededRandom; readonly folder: string },
  ) {
    this.database = database;
    this.program = program;
    this.#random = random;
    this.#folder = folder;
    const at = { folder, url: program.url };
    this.devices = [
      new CrashDevice("whole", [...bankChannels, "trail", "ledger"], at),
      new CrashDevice("some", ["region:1", "very-rich", "tag:red", "shelf:1"], at),
    ];
  }

  /** Rows are there; nothing runs yet, and nothing is written. */
  static async create(server: PostgresServer, random: SeededRandom): Promise<CrashWorld> {
    const name = `crash_${Date.now().toString(36)}`;
    const database = await server.createDatabase(name);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await createBank(client);
    const writer = new BankWriter(client, random, `${name}-before`);
    for (let count = 0; count < BEFORE_START; count += 1) await writer.transaction();
    await client.end();
    const program = await Program.create(bankConfig({ url: database.url, slot: name }));
    const folder = mkdtempSync(join(tmpdir(), "changecast-crash-"));
    const world = new CrashWorld(database, program, { random, folder });
    world.#trailBefore = await trailOf(database);
    return world;
  }

  /** Transactions that the writers have committed. */
  get committed(): number {
    return this.#committed;
  }

  /** The program and devices run, whatever ran before. */
  async up(): Promise<void> {
    if (!this.program.isRunning) this.program.start();
    await this.program.ready();
    for (const device of this.devices) if (!device.isRunning) device.start();
  }

  startWriters(): void {
    for (const name of ["a", "b"]) this.#writers.push(this.#write(name));
  }

  /** Resolves when no transaction is open; the writers wait until `go`. */
  async rest(): Promise<void> {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
    while (this.#busy > 0) await pause(2);
  }

  go(): void {
    this.#gate = undefined;
    this.#open();
  }

  /** Resolves when the failpoint in it has ended the process. */
  async reached(part: Pick<CrashDevice, "ended" | "isRunning">, what: string): Promise<void> {
    await Promise.race([part.ended(), pause(REACHED_MS_MAX)]);
    if (part.isRunning) throw new Error(`${what}: nothing passed there`);
  }

  /** Everything runs again, and every file equals the database; the writers go on afterwards. */
  async compare(): Promise<void> {
    await this.up();
    await this.rest();
    const [row] = await this.database.query("select pg_current_wal_insert_lsn()::text as lsn");
    const wrong: string[] = [];
    for (const device of this.devices) {
      await device.settle(String(row?.["lsn"]));
      wrong.push(...(await device.compare(this.database)));
    }
    const [whole] = this.devices;
    const before = { surely: this.#trailBefore, perhaps: this.#trailBefore };
    const events = whole?.events("trail") ?? [];
    wrong.push(...(await compareTrail(this.database, events, before)));
    wrong.push(...(await compareLedger(this.database, whole?.events("ledger") ?? [])));
    if (wrong.length > 0) throw new Error(`${wrong.join("\n")}\n${this.program.logTail()}`);
    this.go();
  }

  /** A transaction of about 10 MB: it comes in parts, and devices stage it. */
  async writeHuge(): Promise<void> {
    const first = 100_000;
    await this.database.exec(
      `insert into docs select n, 'huge', '{red}', repeat(md5(n::text), 60)
         from generate_series(${String(first)}, ${String(first + 4_999)}) n
       on conflict (id) do update set title = docs.title || '+'`,
    );
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.go();
    await Promise.allSettled(this.#writers);
    for (const device of this.devices) await device.kill();
    await this.program.close();
    await this.database.drop();
    rmSync(this.#folder, { recursive: true });
  }

  async #write(name: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.database.url });
    await client.connect();
    await client.query("set lock_timeout = '300ms'; set deadlock_timeout = '50ms'");
    const writer = new BankWriter(client, this.#random, `${this.database.database}-${name}`);
    try {
      while (!this.#isOver) {
        await this.#gate;
        this.#busy += 1;
        await writer.transaction();
        this.#busy -= 1;
        await pause(this.#random.below(6));
        this.#committed = Math.max(this.#committed, writer.committed);
      }
    } finally {
      await client.end();
    }
  }
}
