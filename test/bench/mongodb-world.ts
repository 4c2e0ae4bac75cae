/** A replica set of one member with a collection of small documents, and what the benches over it share. */
import { fork, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AnyBulkWriteOperation, Collection } from "mongodb";
import { Program } from "../support/end-to-end-program.js";
import { startMongodb } from "../support/mongodb-server.js";
import type { MongodbServer } from "../support/mongodb-server.js";
import { pause } from "../support/postgres-machine.js";

/** The numbers cost the program a millisecond of its own. */
const LOOK_MS = 50;
const WAIT_MS = 300_000;
const WRITES_PER_COMMAND = 1_000;

const rules = `
rules:
  - name: items
    source: shop
    from: bench.items
    channel: "store:{doc.store}"
    fields: [_id, store, name, price, quantity, note, updated_at]
`;

export interface Usage {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssAnonMb: number;
}

export class MongodbBenchWorld {
  readonly server: MongodbServer;
  readonly items: Collection;
  readonly #programs: Program[] = [];

  private constructor(server: MongodbServer) {
    this.server = server;
    this.items = server.client.db("bench").collection("items");
  }

  static async open(): Promise<MongodbBenchWorld> {
    const server = await startMongodb({ exclusive: true, flags: ["--oplogSize", "4096"] });
    const world = new MongodbBenchWorld(server);
    await server.client.db("bench").createCollection("items");
    return world;
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program.close();
    await this.server.close();
  }

  /** Changecast that has copied what there is, and stands still. */
  async program(onStart: (program: Program) => void = () => undefined): Promise<Program> {
    const program = await Program.create(`
journal: { path: journal }
sources:
  shop: { connector: mongodb, url: "${this.server.url}" }
${rules}`);
    program.write(program.configText.replace("level: debug", "level: info"));
    this.#programs.push(program);
    program.start();
    onStart(program);
    await program.ready();
    await eventually("the copy", async () => program.logTail().includes("copy.finished"));
    return program;
  }

  /** `bench.items` by a script of ours, as a process of its own; its words come as lines of JSON. */
  async counted(script: string, ...args: readonly string[]): Promise<Usage> {
    const child = spawn(process.execPath, [pathOf(script), this.server.url, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${script} ended with ${String(code)}`);
    return JSON.parse(out) as Usage;
  }

  /** `_id`s from 0; about 200 bytes each. */
  async insert(count: number): Promise<void> {
    await this.#write(count, (at) => ({ insertOne: { document: itemOf(at) } }));
  }

  /** To another value than before: an update that changes nothing is no change. */
  async update(count: number): Promise<void> {
    await this.#write(count, (at) => ({
      updateOne: { filter: keyOf(at), update: { $set: { quantity: 1_000 + (at % 1_000) } } },
    }));
  }

  /** The `count` documents from `from` on, beginning again behind the last of `documents`; each to another value. */
  async change(from: number, count: number, documents: number): Promise<void> {
    const writes = Array.from({ length: count }, (_, at): AnyBulkWriteOperation => {
      const nth = from + at;
      const update = { $set: { quantity: 1_000 + nth } };
      return { updateOne: { filter: keyOf(nth % documents), update } };
    });
    await this.items.bulkWrite(writes, { ordered: false });
  }

  async #write(count: number, make: (at: number) => AnyBulkWriteOperation): Promise<void> {
    for (let from = 0; from < count; from += WRITES_PER_COMMAND) {
      const length = Math.min(WRITES_PER_COMMAND, count - from);
      const writes = Array.from({ length }, (_, at) => make(from + at));
      await this.items.bulkWrite(writes, { ordered: false });
    }
  }
}

export function forked(script: string, ...args: readonly string[]): ChildProcess {
  return fork(pathOf(script), [...args], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

export async function eventually(what: string, test: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await test())) {
    if (performance.now() > deadline) throw new Error(`it did not happen in time: ${what}`);
    await pause(LOOK_MS);
  }
}

export function itemOf(at: number): object {
  return {
    ...keyOf(at),
    ...{ store: at % 100, name: `item ${String(at)}`, price: (at % 10_000) / 100 },
    ...{ quantity: at % 1_000, note: "n".repeat(64), updated_at: new Date(1_767_225_600_000 + at) },
  };
}

/** The driver's types know keys of its own kind only. */
function keyOf(at: number): object {
  return { _id: at };
}

function pathOf(script: string): string {
  return fileURLToPath(new URL(script, import.meta.url));
}
