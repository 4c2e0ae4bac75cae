/**
 * One table of a real Postgres, served by the program as a child process to a client in memory: what the
 * client holds is compared with the table. Faults are made between the three.
 */
import { expect } from "vitest";
import { WebSocket } from "ws";
import { type Cast, changecast } from "../../src/client/client.js";
import type { Gap } from "../../src/client/feed-sink.js";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import type { Sync } from "../../src/client/sync.js";
import { Program } from "./end-to-end-program.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import type { PostgresDatabase } from "./postgres-server.js";
import { TcpProxy } from "./tcp-proxy.js";

const rules = (url: string, slot: string): string => `
sources:
  shop: { connector: postgres, url: "${url}?sslmode=disable", slot: ${slot}, publication: ${slot} }
rules:
  - { name: stock, source: shop, from: public.stock, channel: stock }
  - { name: trail, source: shop, from: public.trail, channel: trail, kind: events }
`;

export interface SourceHealth {
  readonly state: string;
  readonly fresh: boolean;
  readonly why?: string;
}

export class ServedTable {
  readonly database: PostgresDatabase;
  readonly program: Program;
  /** Between the program and Postgres. */
  readonly proxy: TcpProxy;
  readonly gaps: Gap[] = [];
  readonly #store = memoryStore();
  #cast: Cast | undefined;
  #sync: Sync | undefined;
  #lastId = 0;

  private constructor(database: PostgresDatabase, program: Program, proxy: TcpProxy) {
    this.database = database;
    this.program = program;
    this.proxy = proxy;
  }

  /** Neither the program nor the client runs yet. `more`: of the configuration. */
  static async create(database: PostgresDatabase, more = ""): Promise<ServedTable> {
    await database.exec(`create table stock (id int primary key, what text);
      create table trail (id int primary key, what text)`);
    const proxy = await TcpProxy.start({ host: database.host, port: database.port });
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const program = await Program.create(`${more}${rules(url.href, database.database)}`);
    return new ServedTable(database, program, proxy);
  }

  /** Both run, and the client holds the table. */
  async up(): Promise<void> {
    this.program.start();
    await this.program.ready();
    this.join();
    await this.sync.live();
    await this.equal("at first");
  }

  join(): void {
    const cast = changecast({ url: this.program.url, WebSocket });
    const sync = cast.sync(this.#store, ["stock", "trail"]);
    sync.on("gap", (gap) => this.gaps.push(gap));
    this.#cast = cast;
    this.#sync = sync;
  }

  async leave(): Promise<void> {
    await this.#cast?.close();
    this.#cast = undefined;
  }

  get sync(): Sync {
    if (this.#sync === undefined) throw new Error("the client has not joined");
    return this.#sync;
  }

  /** So many transactions, each with one new row of the table and one of the trail. */
  async write(count = 1, what = "some", database = this.database): Promise<void> {
    const first = this.#lastId + 1;
    this.#lastId += count;
    const text = what.replaceAll("'", "''");
    await database.exec(`do $$ begin for n in ${String(first)}..${String(this.#lastId)} loop
      insert into stock values (n, '${text} ' || n); insert into trail values (n, '${text}');
      commit; end loop; end $$`);
  }

  rows(): string[] {
    return this.#store.rows("stock").map(({ id, what }) => rowText(id, what));
  }

  /** Ids in the trail, in the order of their serials. */
  trail(): number[] {
    const rows = this.#store.rows("trail").filter(({ op }) => op !== "g");
    return rows.map(({ id }) => Number(id));
  }

  /** Until the client holds just the rows of the table. They are counted first: to compare many takes long. */
  async equal(when: string): Promise<void> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const isLate = Date.now() > until;
      if (isLate || (await this.#count()) === this.#store.rows("stock").length) {
        const wanted = await this.wanted();
        const held = this.rows().sort();
        if (JSON.stringify(held) === JSON.stringify(wanted)) return;
        if (isLate) expect(held, `${when}\n${this.program.logTail(8)}`).toEqual(wanted);
      }
      await pause(25);
    }
  }

  async #count(): Promise<number> {
    const [row] = await this.database.query("select count(*)::int as rows from stock");
    return Number(row?.["rows"]);
  }

  async wanted(): Promise<string[]> {
    const found = await this.database.query("select id, what from stock");
    return found.map(({ id, what }) => rowText(id, what)).sort();
  }

  async health(): Promise<SourceHealth> {
    const { sources } = JSON.parse(await this.program.page("/freshz")) as {
      sources: SourceHealth[];
    };
    const [health] = sources;
    if (health === undefined) throw new Error("there is no source");
    return health;
  }

  async close(): Promise<void> {
    await this.leave();
    await this.program.close();
    await this.proxy.close();
  }
}

function rowText(id: unknown, what: unknown): string {
  return `${String(id)} ${String(what)}`;
}
