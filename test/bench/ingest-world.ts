/**
 * A backlog that waits in slots, and who reads it: Changecast into its durable journal, or a process that only
 * counts. All slots are as old, so every reader gets the same stream from its own slot.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Program } from "../support/end-to-end-program.js";
import { pause } from "../support/postgres-machine.js";
import { startPostgres } from "../support/postgres-server.js";
import type { PostgresServer } from "../support/postgres-server.js";
import { usageOf } from "./figure.js";

/** The journal is looked at so often; a bench takes seconds. */
const LOOK_MS = 10;
const WAIT_MS = 600_000;

const publication = "bench";

/** About 200 bytes a row, in one of a hundred channels. */
export const itemsTable = `create table items (id bigint primary key, store int not null, name text,
  price numeric(10, 2), quantity int, note text, updated_at timestamptz)`;

export const itemValues = `i % 100, 'item ' || i, (i % 10000) / 100.0, i % 1000,
  repeat(md5(i::text), 4), '2026-01-01'::timestamptz + i * interval '1 second'`;

const rules = `
rules:
  - name: items
    source: shop
    from: public.items
    channel: "store:{doc.store}"
`;

export interface Reading {
  readonly seconds: number;
  readonly cpuMs: number;
  /** The highest that was seen. */
  readonly rssAnonMb: number;
}

export class IngestWorld {
  readonly server: PostgresServer;
  readonly #programs: Program[] = [];
  #readers = 0;

  private constructor(server: PostgresServer) {
    this.server = server;
  }

  static async open(setUp = itemsTable): Promise<IngestWorld> {
    const settings = { max_wal_size: "8GB", max_replication_slots: "40", max_wal_senders: "40" };
    const server = await startPostgres({ version: 18, exclusive: true, settings });
    await server.exec(`${setUp}; create publication ${publication} for table items`);
    return new IngestWorld(server);
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program.close();
    await this.server.close();
  }

  /** Changecast that has copied what there is, and stands still. */
  async program(): Promise<{ readonly program: Program; readonly slot: string }> {
    const slot = this.#nextSlot();
    const program = await Program.create(`
journal: { path: journal }
sources:
  shop: { connector: postgres, url: "${this.server.url}", slot: ${slot}, publication: ${publication} }
${rules}`);
    program.write(program.configText.replace("level: debug", "level: info"));
    this.#programs.push(program);
    program.start();
    await program.ready();
    await this.#eventually("the copy", async () => program.logTail().includes("copy.finished"));
    await program.stop();
    return { program, slot };
  }

  /** A slot for a reader that counts. */
  async slot(): Promise<string> {
    const slot = this.#nextSlot();
    await this.server.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    return slot;
  }

  /**
   * Where what was written until now ends. One more change follows it: a reader tells its slot the place of its last
   * commit, which begins before it ends, and that it has passed the end only a second later.
   */
  async head(): Promise<string> {
    const [row] = await this.server.query("select pg_current_wal_flush_lsn()::text as lsn");
    await this.server.exec(
      "update items set quantity = quantity where id = (select min(id) from items)",
    );
    return String(row?.["lsn"]);
  }

  /** From the start of the stream until the source is told that everything is durable; and until `besides`, not timed. */
  async ingest(
    { program, slot }: { readonly program: Program; readonly slot: string },
    end: string,
    besides: Promise<void> = Promise.resolve(),
  ): Promise<Reading> {
    let failed: unknown;
    const done = besides.catch((error: unknown) => {
      failed = error;
    });
    program.start();
    const pid = program.pid ?? 0;
    await this.isRead(slot);
    const startedAt = performance.now();
    const before = usageOf(pid).cpuMs;
    let rssAnonMb = 0;
    await this.#until(
      `select confirmed_flush_lsn >= $2::pg_lsn as done from pg_replication_slots
        where slot_name = $1`,
      [slot, end],
      () => {
        rssAnonMb = Math.max(rssAnonMb, usageOf(pid).rssAnonMb);
      },
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    await done;
    const { cpuMs, rssAnonMb: after } = usageOf(pid);
    await program.stop();
    if (failed !== undefined) throw failed as Error;
    return { seconds, cpuMs: cpuMs - before, rssAnonMb: Math.max(rssAnonMb, after) };
  }

  /** Resolves when somebody reads the slot. */
  isRead(slot: string): Promise<void> {
    const sql = "select active as done from pg_replication_slots where slot_name = $1";
    return this.#until(sql, [slot]);
  }

  /** The same stream read and counted. */
  async count(slot: string, rows: number): Promise<Reading> {
    const script = fileURLToPath(new URL("stream-counter.js", import.meta.url));
    const { host, port, user, password, database } = this.server;
    const login = [host, String(port), user, password, database];
    const child = spawn(process.execPath, [script, ...login, slot, publication, String(rows)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`the counter ended with ${String(code)}`);
    const { ms, cpuMs, rssAnonMb } = JSON.parse(out) as Record<
      "ms" | "cpuMs" | "rssAnonMb",
      number
    >;
    return { seconds: ms / 1_000, cpuMs, rssAnonMb };
  }

  /** Asks until the query answers `done`. */
  #until(sql: string, values: readonly string[], look = (): void => undefined): Promise<void> {
    return this.#eventually(sql, async () => {
      look();
      const [row] = await this.server.query(sql, values);
      return row?.["done"] === true;
    });
  }

  async #eventually(what: string, test: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!(await test())) {
      if (performance.now() > deadline) throw new Error(`it did not happen in time: ${what}`);
      await pause(LOOK_MS);
    }
  }

  #nextSlot(): string {
    this.#readers += 1;
    return `bench_${String(this.#readers)}`;
  }
}
