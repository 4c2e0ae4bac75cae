/** The bank of the crash tests in MongoDB. */
import type { AnyBulkWriteOperation, Document } from "mongodb";
import { MongodbBank } from "../support/bank-mongodb.js";
import type { HoldsEvents, HoldsTables } from "../support/convergence-compare.js";
import type { MongodbServer } from "../support/mongodb-server.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { CrashBank, CrashWriter } from "./crash-bank.js";

const HUGE_FIRST = 100_000;
const HUGE_COUNT = 10_000;

export class MongodbCrashBank implements CrashBank {
  readonly config: string;
  readonly #server: MongodbServer;
  readonly #bank: MongodbBank;
  readonly #name: string;
  #huge = 0;

  private constructor(server: MongodbServer, name: string, bank: MongodbBank) {
    this.config = bank.config;
    this.#server = server;
    this.#name = name;
    this.#bank = bank;
  }

  static async create(server: MongodbServer, random: SeededRandom): Promise<MongodbCrashBank> {
    const name = `crash_${Date.now().toString(36)}`;
    const bank = await MongodbBank.create({ server, name, random, updates: "refetch" });
    await bank.begin();
    return new MongodbCrashBank(server, name, bank);
  }

  writer(): Promise<CrashWriter> {
    const writer = this.#bank.writer();
    return Promise.resolve({
      get committed() {
        return writer.committed;
      },
      transaction: () => writer.transaction(),
      close: () => Promise.resolve(),
    });
  }

  async writeHuge(): Promise<void> {
    const { client } = this.#server;
    this.#huge += 1;
    const replacement = { title: `huge ${String(this.#huge)}`, tags: ["red"] };
    const writes = Array.from({ length: HUGE_COUNT }, (_, at): AnyBulkWriteOperation<Document> => {
      const filter = { _id: (HUGE_FIRST + at) as never };
      const body = `${String(at)} `.padEnd(1_920, "h");
      return { replaceOne: { filter, replacement: { ...replacement, body }, upsert: true } };
    });
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await client.db(this.#name).collection("docs").bulkWrite(writes, { session });
      }),
    );
  }

  position(): Promise<string> {
    return this.#bank.settle();
  }

  compare(device: HoldsTables): Promise<string[]> {
    return this.#bank.compare(device);
  }

  audit(device: HoldsEvents): Promise<string[]> {
    return this.#bank.audit(device);
  }

  close(): Promise<void> {
    return this.#bank.close();
  }
}
