/** The bank of the convergence test in MongoDB. */
import { MongoClient } from "mongodb";
import type { Db } from "mongodb";
import { arrayForm, documentForm, itemsOf, membersOf } from "../../src/model/any-form.js";
import type { BankSide, SideFault, WriteOptions, Written } from "./bank-side.js";
import { compareLines, ledgerFaults, trailFaults } from "./convergence-compare.js";
import type { HoldsEvents, HoldsTables } from "./convergence-compare.js";
import { columnsOf, stateTables } from "./convergence-rules.js";
import type { Program } from "./end-to-end-program.js";
import { createMongodbBank, MongodbBankWriter } from "./mongodb-bank-workload.js";
import { mongodbBankConfig, rowsOfMongodb } from "./mongodb-bank-rules.js";
import { withMember } from "./mongodb-machine.js";
import type { MongodbServer } from "./mongodb-server.js";
import { pause } from "./postgres-machine.js";
import type { SeededRandom } from "./seeded-random.js";
import { TcpProxy } from "./tcp-proxy.js";

export interface MongodbBankOptions {
  /** With three members there are elections; with one its network can be cut. */
  readonly server: MongodbServer;
  /** Of the database. */
  readonly name: string;
  readonly random: SeededRandom;
  /** How dotted paths of updates are read. */
  readonly updates: "refetch" | "nested";
}

const BEFORE_START = 40;

/** What a stream is told on purpose: an interrupted one goes on, a killed cursor is opened anew. */
const FAILURES = [
  { errorCode: 11_602, errorLabels: ["ResumableChangeStreamError"] },
  { errorCode: 43 },
  { errorCode: 237 },
  { closeConnection: true },
] as const;

export class MongodbBank implements BankSide {
  readonly config: string;
  readonly faults: readonly SideFault[];
  readonly #options: MongodbBankOptions;
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #proxy: TcpProxy | undefined;
  #trailBefore: ReadonlySet<number> = new Set();
  #trailPerhaps: ReadonlySet<number> = new Set();
  #writers = 1;

  private constructor(options: MongodbBankOptions, proxy: TcpProxy | undefined) {
    const { server, name: database, updates } = options;
    this.#options = options;
    this.#client = new MongoClient(server.url, { serverSelectionTimeoutMS: 10_000 });
    this.#db = this.#client.db(database);
    this.#proxy = proxy;
    const url =
      proxy === undefined
        ? server.url
        : `mongodb://127.0.0.1:${String(proxy.port)}/?directConnection=true`;
    this.config = mongodbBankConfig({ url, database, updates });
    const failing = { weight: 10, name: "stream failed", run: () => this.#failStream() };
    this.faults =
      proxy === undefined
        ? [failing, { weight: 6, name: "election", run: () => this.#elect() }]
        : [failing, { weight: 8, name: "source cut", run: () => this.#cut(proxy) }];
  }

  static async create(options: MongodbBankOptions): Promise<MongodbBank> {
    const [member, another] = options.server.members;
    const proxy =
      member === undefined || another !== undefined ? undefined : await TcpProxy.start(member);
    const bank = new MongodbBank(options, proxy);
    await createMongodbBank(bank.#db);
    const writer = bank.writer();
    for (let count = 0; count < BEFORE_START; count += 1) await writer.transaction();
    return bank;
  }

  async begin(): Promise<void> {
    this.#trailBefore = await this.#trail();
    this.#trailPerhaps = this.#trailBefore;
  }

  /** The stream is open, and a commit unit with its position is durable. */
  async begun(program: Program, isOn: () => boolean): Promise<void> {
    while (isOn()) {
      try {
        const fresh = await fetch(program.opsUrl("/freshz"));
        const log = await program.metric("changecast_journal_log_number");
        if (fresh.ok && (log ?? 0) > 0) {
          this.#trailPerhaps = await this.#trail();
          return;
        }
      } catch {
        // Nobody listens, or the primary is being elected: look again.
      }
      await pause(20);
    }
  }

  async write({ random, isOn }: WriteOptions): Promise<Written> {
    const writer = this.writer(random);
    while (isOn()) {
      try {
        if (random.below(150) === 0) await writer.much();
        else await writer.transaction();
      } catch (error) {
        if (!isLost(error)) throw error;
        await pause(50);
      }
      await pause(random.below(12));
    }
    return { committed: writer.committed, rolledBack: writer.rolledBack };
  }

  mend(): void {
    this.#proxy?.mend();
  }

  /** The time of the newest operation, once most members have it. */
  async settle(): Promise<string> {
    const note = { ended: true };
    await this.#db.collection("notes").insertOne(note, { writeConcern: { w: "majority" } });
    const { operationTime } = await this.#db.command({ ping: 1 });
    const { t, i } = operationTime as { t: number; i: number };
    return `${String(t)},${String(i)}`;
  }

  async compare(device: HoldsTables): Promise<string[]> {
    const wrong: string[] = [];
    for (const table of stateTables) {
      const wanted = await rowsOfMongodb(this.#db, table, [...device.channels]);
      const found = await device.rows(table);
      const lines =
        this.#options.updates === "refetch"
          ? asIs
          : (all: readonly string[]) => ordered(table, all);
      wrong.push(...compareLines(device, { table, wanted: lines(wanted), found: lines(found) }));
    }
    return wrong;
  }

  async audit(device: HoldsEvents): Promise<string[]> {
    const before = { surely: this.#trailBefore, perhaps: this.#trailPerhaps };
    const accounts = await this.#db.collection("accounts").find().toArray();
    const balances = accounts.map((each) => [Number(each._id), String(each["balance"])] as const);
    return [
      ...trailFaults(await this.#trail(), await device.events("trail"), before),
      ...ledgerFaults(new Map(balances), await device.events("ledger")),
    ];
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
    await this.#db.dropDatabase();
    await this.#client.close();
  }

  writer(random = this.#options.random): MongodbBankWriter {
    this.#writers += 1;
    return new MongodbBankWriter({ client: this.#client, db: this.#db }, random, this.#writers);
  }

  async #trail(): Promise<ReadonlySet<number>> {
    const found = await this.#db
      .collection("trail")
      .find({}, { projection: { _id: 1 } })
      .toArray();
    return new Set(found.map(({ _id }) => Number(_id)));
  }

  async #failStream(): Promise<void> {
    const failure = this.#options.random.pick(FAILURES);
    const data = { failCommands: ["getMore"], appName: "changecast bank", ...failure };
    try {
      await this.#client
        .db("admin")
        .command({ configureFailPoint: "failCommand", mode: { times: 1 }, data });
    } catch (error) {
      if (!isLost(error)) throw error;
    }
  }

  async #cut(proxy: TcpProxy): Promise<void> {
    proxy.cut();
    await pause(this.#options.random.below(400));
    proxy.mend();
  }

  /** The primary steps down, or is killed and comes back. */
  async #elect(): Promise<void> {
    const primary = await this.#options.server.primary();
    if (this.#options.random.below(2) === 0) {
      await primary.stop("kill");
      await primary.start();
      return;
    }
    const stepDown = { replSetStepDown: 5, secondaryCatchUpPeriodSecs: 1, force: true };
    // It closes its connections, that of the command too.
    await withMember(primary.url, (client) => client.db("admin").command(stepDown)).catch(
      () => undefined,
    );
  }
}

function asIs(lines: readonly string[]): readonly string[] {
  return lines;
}

/** With the fields of documents in the order of their names: not promised where updates are applied by path. */
function ordered(table: string, lines: readonly string[]): readonly string[] {
  const place = columnsOf(table).indexOf("extra");
  if (place < 0) return lines;
  const sorted = lines.map((line) => {
    const row = JSON.parse(line) as (string | null)[];
    const extra = row[place];
    if (typeof extra === "string") row[place] = orderedForm(extra);
    return JSON.stringify(row);
  });
  return sorted.sort();
}

function orderedForm(form: string): string {
  const items = itemsOf(form);
  if (items !== undefined) return arrayForm(items.map(orderedForm));
  const members = membersOf(form)?.map(({ key, form: member }) => {
    return { key, form: orderedForm(member) };
  });
  if (members === undefined) return form;
  return documentForm(members.sort((a, b) => (a.key < b.key ? -1 : 1)));
}

/** A bulk write tells of it in an error of its own. */
function isLost(error: unknown): boolean {
  const {
    name = "",
    code,
    errorResponse,
  } = error as {
    readonly name?: string;
    readonly code?: number;
    readonly errorResponse?: unknown;
  };
  if (/^Mongo(Network|ServerSelection|PoolCleared|NotPrimary|Expired)/.test(name)) return true;
  if (code !== undefined && LOST_CODES.has(code)) return true;
  return errorResponse instanceof Error && isLost(errorResponse);
}

/** The member is no primary any more, shuts down, or was interrupted by an election. */
const LOST_CODES = new Set([6, 7, 64, 89, 91, 189, 9001, 10_107, 11_600, 11_602, 13_435, 13_436]);
