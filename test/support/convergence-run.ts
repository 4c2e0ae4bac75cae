/**
 * One run of the convergence test: a bank with rows in it, the program as a child process, clients, and a
 * time in which writers write and everything that can fail does, all as the seed has it. Then rest, and
 * every store must hold what the rules' queries find in the database.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { BankWriter, createBank } from "./bank-workload.js";
import { compareLedger, compareTables, compareTrail, trailOf } from "./convergence-compare.js";
import { Device } from "./convergence-device.js";
import { bankChannels, bankConfig, moneyChannels } from "./convergence-rules.js";
import { Program } from "./end-to-end-program.js";
import { pause } from "./postgres-machine.js";
import type { PostgresDatabase, PostgresServer } from "./postgres-server.js";
import { SeededRandom } from "./seeded-random.js";
import { TcpProxy } from "./tcp-proxy.js";

export interface RunOptions {
  readonly seed: number;
  readonly server: PostgresServer;
  /** The server may be stopped and started again while it is written to. */
  readonly mayRestart: boolean;
  /** How long it is written to and disturbed. */
  readonly ms: number;
}

export interface RunReport {
  readonly transactions: number;
  readonly rolledBack: number;
  /** Commits at clients after which the money was counted. */
  readonly counted: number;
  readonly faults: readonly string[];
}

const BEFORE_START = 40;
const SETTLE_MS_MAX = 30_000;

/** Written to without faults before the end, so that every run counts money. */
const COUNTING_MS = 1_000;

/** Throws an error that says what differs. */
export async function runConvergence(options: RunOptions): Promise<RunReport> {
  const run = new ConvergenceRun(options);
  try {
    return await run.run();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`${cause}\n\n${run.story()}`, { cause: error });
  } finally {
    await run.close();
  }
}

class ConvergenceRun {
  readonly #options: RunOptions;
  readonly #random: SeededRandom;
  readonly #name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "changecast-convergence-"));
  readonly #devices: Device[] = [];
  readonly #faults: string[] = [];
  readonly #startedAt = performance.now();
  #database: PostgresDatabase | undefined;
  #program: Program | undefined;
  #proxy: TcpProxy | undefined;
  #isCopied = false;
  #isWriting = true;
  #chaosEnded: Promise<void> = Promise.resolve();
  #transactions = 0;
  #rolledBack = 0;
  /** Ids of the trail that were there before the program was started, and before its slot was seen. */
  #trailBefore = new Set<number>();
  #trailPerhaps = new Set<number>();

  constructor(options: RunOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#name = `bank_${String(options.seed)}_${Date.now().toString(36)}`;
  }

  async run(): Promise<RunReport> {
    await this.#prepare();
    const writing = [this.#write("a"), this.#write("b")];
    const slotSeen = this.#slotSeen();
    // Heard where it is awaited.
    slotSeen.catch(() => undefined);
    this.program.start();
    await this.program.ready();
    for (const device of this.#devices) device.arrive();
    const chaos = this.#chaos();
    this.#chaosEnded = chaos.catch(() => undefined);
    await slotSeen;
    await chaos;
    this.#isWriting = false;
    await Promise.all(writing);
    await this.#settle();
    await this.#compare();
    return {
      transactions: this.#transactions,
      rolledBack: this.#rolledBack,
      counted: this.#devices.reduce((sum, { counted }) => sum + counted, 0),
      faults: this.#faults,
    };
  }

  get database(): PostgresDatabase {
    if (this.#database === undefined) throw new Error("there is no database yet");
    return this.#database;
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error("there is no program yet");
    return this.#program;
  }

  /** For a person who looks for the reason. */
  story(): string {
    const devices = this.#devices.map((device) => `  ${device.statusText}`);
    return [
      `faults: ${this.#faults.join("; ")}`,
      ...devices,
      `log of the program (whole: CHANGECAST_KEEP=1):`,
      this.#program?.logTail() ?? "",
    ].join("\n");
  }

  async close(): Promise<void> {
    this.#isWriting = false;
    // A server that is being restarted is up again for the next run.
    await this.#chaosEnded;
    for (const device of this.#devices) await device.close();
    if (process.env["CHANGECAST_KEEP"] === undefined) await this.#program?.close();
    else {
      await this.#program?.kill();
      process.stderr.write(`kept: ${this.#program?.folder ?? ""} ${this.#folder}\n`);
    }
    await this.#proxy?.close();
    await this.#finishPrepared();
    await this.#database?.drop();
    if (process.env["CHANGECAST_KEEP"] === undefined) rmSync(this.#folder, { recursive: true });
  }

  // ---------------------------------------------------------------- before

  async #prepare(): Promise<void> {
    const { server } = this.#options;
    const database = await server.createDatabase(this.#name);
    this.#database = database;
    const client = await this.#connect();
    await createBank(client);
    const writer = new BankWriter(client, this.#random, `${this.#name}-before`);
    for (let count = 0; count < BEFORE_START; count += 1) await writer.transaction();
    await client.end();
    this.#trailBefore = await trailOf(database);
    this.#proxy = await TcpProxy.start({ host: database.host, port: database.port });
    const url = new URL(database.url);
    url.port = String(this.#proxy.port);
    this.#program = await Program.create(bankConfig({ url: url.href, slot: this.#name }));
    await this.#makeDevices(this.#program.port);
  }

  /** One with all the money, one with overlapping rules, one with some channels, one with events. */
  async #makeDevices(port: number): Promise<void> {
    const few = bankChannels.filter(() => this.#random.below(2) === 0);
    const lists: readonly (readonly [string, readonly string[]])[] = [
      ["banker", [...moneyChannels, "rich", "shelf:0"]],
      ["overlap", ["region:1", "very-rich", "tag:red", "tag:green", "shelf:1", "shelf:2"]],
      ["some", few.length === 0 ? ["lengths"] : few],
      ["auditor", ["trail", "ledger", "lengths", ...moneyChannels]],
    ];
    for (const [name, channels] of lists) {
      const isCopied = (): boolean => this.#isCopied;
      this.#devices.push(
        await Device.create({ name, folder: this.#folder, port, channels, isCopied }),
      );
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.database.url });
    // A server that is stopped fails the query that runs; the connection's own error adds nothing.
    client.on("error", () => undefined);
    await client.connect();
    await client.query("set lock_timeout = '300ms'; set deadlock_timeout = '50ms'");
    return client;
  }

  /** Remembers what the trail held when the slot was surely there. */
  async #slotSeen(): Promise<void> {
    while (this.#isWriting) {
      try {
        const found = await this.database.query(
          "select 1 from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null",
          [this.#name],
        );
        if (found.length > 0) {
          this.#trailPerhaps = await trailOf(this.database);
          return;
        }
      } catch (error) {
        if (!isLostConnection(error)) throw error;
      }
      await pause(20);
    }
  }

  // ---------------------------------------------------------------- writing

  async #write(name: string): Promise<void> {
    const random = new SeededRandom(this.#options.seed * 31 + name.charCodeAt(0));
    let lives = 0;
    while (this.#isWriting) {
      lives += 1;
      try {
        await this.#writeUntilCut(`${this.#name}-${name}-${String(lives)}`, random);
      } catch (error) {
        if (!isLostConnection(error)) throw error;
        await pause(50);
      }
    }
  }

  async #writeUntilCut(name: string, random: SeededRandom): Promise<void> {
    const client = await this.#connect();
    const writer = new BankWriter(client, random, name);
    try {
      while (this.#isWriting) {
        if (random.below(150) === 0) await this.#writeMuch(client, random);
        else await writer.transaction();
        await pause(random.below(12));
      }
    } finally {
      this.#transactions += writer.committed;
      this.#rolledBack += writer.rolledBack;
      // Gone already where the server was: nothing is left to end.
      await client.end().catch(() => undefined);
    }
  }

  /** A transaction over 1 MB, which goes through in parts; the next one removes half of it. */
  async #writeMuch(client: pg.Client, random: SeededRandom): Promise<void> {
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

  // ---------------------------------------------------------------- faults

  async #chaos(): Promise<void> {
    const end = performance.now() + this.#options.ms;
    const copied = this.#untilCopied().catch(() => undefined);
    while (performance.now() < end) {
      await pause(50 + this.#random.below(350));
      await this.#fault();
    }
    this.#tell("rest");
    this.#proxy?.mend();
    if (!this.program.isRunning) this.program.start();
    await this.program.ready();
    for (const device of this.#devices) {
      device.mend();
      device.arrive();
    }
    await copied;
    // A device that went away meanwhile waited no more.
    await this.#untilCopied();
    await pause(COUNTING_MS);
  }

  /** From then on every transaction of a store keeps what every transaction of the database keeps. */
  async #untilCopied(): Promise<void> {
    if (this.#isCopied) return;
    const [device] = this.#devices;
    await device?.sync.live();
    this.#isCopied = true;
    this.#tell("copied");
  }

  async #fault(): Promise<void> {
    const device = this.#random.pick(this.#devices);
    if (device === undefined) return;
    const draw = this.#random.below(100);
    if (draw < 16) await this.#crash();
    else if (draw < 26) await this.#terminateWalsender();
    else if (draw < 34) await this.#cutSource();
    else if (draw < 38 && this.#options.mayRestart) await this.#restartServer();
    else if (draw < 56) await this.#comeOrGo(device);
    else if (draw < 62) await this.#startAnew(device);
    else if (draw < 78) await this.#cutDevice(device);
    else if (device.name !== "auditor") await this.#toggle(device);
  }

  async #crash(): Promise<void> {
    this.#tell("kill -9");
    await this.program.kill();
    await pause(this.#random.below(150));
    this.program.start();
    // Sometimes the next fault comes before it serves.
    if (this.#random.below(3) > 0) await this.program.ready();
  }

  async #terminateWalsender(): Promise<void> {
    this.#tell("walsender ended");
    await this.database.query(
      `select pg_terminate_backend(active_pid) from pg_replication_slots
       where slot_name = $1 and active_pid is not null`,
      [this.#name],
    );
  }

  async #cutSource(): Promise<void> {
    this.#tell("source cut");
    this.#proxy?.cut();
    await pause(this.#random.below(400));
    this.#proxy?.mend();
  }

  async #restartServer(): Promise<void> {
    const mode = this.#random.below(2) === 0 ? "fast" : "immediate";
    this.#tell(`database restart, ${mode}`);
    await this.#options.server.restart(mode);
  }

  async #comeOrGo(device: Device): Promise<void> {
    this.#tell(`${device.name} ${device.isHere ? "goes" : "comes"}`);
    if (device.isHere) await device.vanish();
    else device.arrive();
  }

  async #startAnew(device: Device): Promise<void> {
    this.#tell(`${device.name} anew`);
    await device.forget();
    device.arrive();
  }

  async #cutDevice(device: Device): Promise<void> {
    this.#tell(`${device.name} cut`);
    device.cut();
    await pause(this.#random.below(200));
    device.mend();
  }

  async #toggle(device: Device): Promise<void> {
    const channel = this.#random.pick(bankChannels) ?? "vaults";
    this.#tell(`${device.name} ${device.channels.has(channel) ? "-" : "+"}${channel}`);
    await device.toggle(channel);
  }

  #tell(what: string): void {
    const at = Math.round(performance.now() - this.#startedAt);
    this.#faults.push(`${String(at)} ms ${what}`);
  }

  // ---------------------------------------------------------------- after

  async #finishPrepared(): Promise<void> {
    const left = await this.#database?.query(
      "select gid from pg_prepared_xacts where database = $1",
      [this.#name],
    );
    for (const row of left ?? []) {
      await this.#database?.exec(`commit prepared '${String(row["gid"])}'`);
    }
  }

  async #settle(): Promise<void> {
    await this.#finishPrepared();
    const [row] = await this.database.query("select pg_current_wal_insert_lsn()::text as lsn");
    const position = String(row?.["lsn"]);
    this.#tell(`all written, up to ${position}`);
    for (const { name, sync } of this.#devices) {
      const signal = AbortSignal.timeout(SETTLE_MS_MAX);
      try {
        await sync.until("bank", position, { signal });
        await sync.live();
      } catch (error) {
        throw new Error(`${name} does not reach ${position}`, { cause: error });
      }
    }
  }

  async #compare(): Promise<void> {
    const wrong: string[] = [];
    for (const device of this.#devices) {
      wrong.push(...device.violations);
      wrong.push(...(await compareTables(this.database, device)));
      if (device.gaps.length > 0) wrong.push(`${device.name} was told of a gap`);
    }
    const auditor = this.#devices.find(({ name }) => name === "auditor");
    if (auditor !== undefined) {
      const before = { surely: this.#trailBefore, perhaps: this.#trailPerhaps };
      wrong.push(...(await compareTrail(this.database, auditor.events("trail"), before)));
      wrong.push(...(await compareLedger(this.database, auditor.events("ledger"))));
    }
    wrong.push(...(await this.#parked()));
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
  }

  /** Nothing in this workload is beyond the rules. */
  async #parked(): Promise<string[]> {
    const parked = await this.program.metric("changecast_parked_documents");
    return parked === 0 ? [] : [`${String(parked)} documents are parked`];
  }
}

const LOST =
  /terminat|ECONN|not queryable|shutting down|starting up|Connection ended|recovery mode/i;

function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = "" } = error as { code?: string };
  return /^(57P|08|ECONN|EPIPE)/.test(code) || LOST.test(error.message);
}
